package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
)

// InventoryFilter narrows a list of connections; what is empty does not narrow.
type InventoryFilter struct {
	Owner    connection.Owner
	Provider string // uid
	Status   connection.Status
	After    string // id of the last one before
	Limit    int
}

// Inventory lists a tenant's connections in the order of their ids, those that ended here and not yet at the provider among
// them: nothing sealed.
func (c *Connections) Inventory(ctx context.Context, t tenant.UID, f InventoryFilter) ([]connection.Connection, error) {
	w := &where{}
	w.add("tenant_uid = ?", t.String())
	w.add("id > ?", f.After)
	if f.Owner.UID != "" {
		w.add("owner_kind = ?", string(f.Owner.Kind))
		w.add("owner_uid = ?", f.Owner.UID)
	}
	if f.Provider != "" {
		w.add("provider_uid = ?", f.Provider)
	}
	if f.Status != "" {
		w.add("status = ?", string(f.Status))
	}
	query := "select " + connectionColumns + ", null from connections" + w.sql() + fmt.Sprintf(" order by id limit %d", max(1, min(f.Limit, connection.MaxBatch)))
	found, err := c.query(ctx, t.String(), query, w.args...)
	return known(found), err
}

// An attempt to refresh that is younger may still save a successor, which must be revoked instead.
const stillInFlight = "refresh_state = 'in_flight' and refresh_since > @now - 60000000"

const (
	revokedNext = "select " + connectionColumns + ", null from connections where tenant_uid = $1 and status = 'revoked' " +
		"and (retry_at is null or retry_at <= @now) and not (" + stillInFlight + ") order by id limit $2"

	// One of many replicas takes it, for as long as it rests.
	takeRevoked = `update connections set retry_at = @now + $4, failures = failures + 1 where tenant_uid = $1 and id = $2 and version = $3
and status = 'revoked' and (retry_at is null or retry_at <= @now) and not (` + stillInFlight + `)`

	endRevoked = "delete from connections where tenant_uid = $1 and id = $2 and version = $3 and status = 'revoked' and not (" + stillInFlight + ")"

	// What is looked at in one step: nothing else bounds how much has no owner.
	unheldWindow = "select coalesce(max(id), ''), count(*) from (select id from connections where tenant_uid = $1 and id > $2 and status <> 'revoked' order by id limit $3) w"

	unheldRows = "select " + connectionColumns + `, null from connections where tenant_uid = $1 and id > $2 and id <= $3 and status <> 'revoked' and (
owner_kind = 'user' and not exists (select 1 from objects o where o.tenant_uid = $1 and o.uid = connections.owner_uid and o.deleted_at is null
  and not @disabled)
or owner_kind = 'client' and owner_uid like 'cli!_%' escape '!'
  and not exists (select 1 from objects o where o.tenant_uid = $1 and o.uid = connections.owner_uid and o.deleted_at is null)
or owner_kind = 'client' and owner_uid like 'dyn!_%' escape '!'
  and not exists (select 1 from registered_clients r where r.tenant_uid = $1 and r.client_id = connections.owner_uid)
or not exists (select 1 from objects o where o.tenant_uid = $1 and o.uid = connections.provider_uid and o.deleted_at is null)
) order by id`

	ownedIDs = "select " + connectionColumns + ", null from connections where tenant_uid = $1 and owner_kind = $2 and owner_uid = $3 and status <> 'revoked' order by id limit $4"

	ownedCount = "select count(*) from connections where tenant_uid = $1 and owner_kind = $2 and owner_uid = $3 and status <> 'revoked'"

	countByStatus = "select status, count(*) from connections where tenant_uid = $1 group by status"
)

// withDisabled puts where a statement says @disabled that the spec of the user o disables him: that member of it, and not one of
// the same name among his attributes.
func (s *Store) withDisabled(statement string) string {
	member := "json_extract(o.spec, '$.status')"
	if s.dialect == Postgres {
		member = "o.spec::json ->> 'status'"
	}
	return strings.ReplaceAll(statement, "@disabled", "coalesce("+member+", '') = '"+object.StatusDisabled+"'")
}

// RevokedNext lists what ended here and not yet at the provider, and may be tried now.
func (c *Connections) RevokedNext(ctx context.Context, t tenant.UID, limit int) ([]connection.Connection, error) {
	found, err := c.query(ctx, t.String(), revokedNext, t.String(), max(1, min(limit, maxConnections)))
	return known(found), err
}

// TakeRevoked lets one of all replicas revoke it, and the next one after a rest; ErrMoved for the others.
func (c *Connections) TakeRevoked(ctx context.Context, one connection.Connection, rest time.Duration) error {
	return c.write(ctx, one.Tenant, connection.ErrMoved, takeRevoked, one.Tenant, one.ID, one.Version, rest.Microseconds())
}

// EndRevoked takes away a row whose credential is dealt with; ErrMoved where it holds another one by now.
func (c *Connections) EndRevoked(ctx context.Context, t tenant.UID, one connection.Connection, e audit.Event) error {
	return c.change(ctx, t, e, connection.ErrMoved, endRevoked, t.String(), one.ID, one.Version)
}

// Unheld lists connections behind an id whose user is gone or disabled, or whose client or provider is gone. It looks at so
// many rows at most, and tells where to go on: "" at the end.
func (c *Connections) Unheld(ctx context.Context, t tenant.UID, after string, window int) (unheld []connection.Connection, next string, err error) {
	if err := t.Check(); err != nil {
		return nil, "", err
	}
	var last string
	var seen int
	err = c.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, unheldWindow, t.String(), after, window).Scan(&last, &seen)
	})
	if err != nil || seen == 0 {
		return nil, "", err
	}
	found, err := c.query(ctx, t.String(), c.store.withDisabled(unheldRows), t.String(), after, last)
	if err != nil {
		return nil, "", err
	}
	if seen == window {
		next = last
	}
	return known(found), next, nil
}

// HeldBy lists what an owner has not ended, at most so many.
func (c *Connections) HeldBy(ctx context.Context, t tenant.UID, owner connection.Owner, limit int) ([]connection.Connection, error) {
	found, err := c.query(ctx, t.String(), ownedIDs, t.String(), string(owner.Kind), owner.UID, max(1, min(limit, connection.MaxBatch)))
	return known(found), err
}

// CountHeldBy counts them.
func (c *Connections) CountHeldBy(ctx context.Context, t tenant.UID, owner connection.Owner) (n int64, err error) {
	err = c.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, ownedCount, t.String(), string(owner.Kind), owner.UID).Scan(&n)
	})
	return n, err
}

// CountByStatus counts a tenant's connections.
func (c *Connections) CountByStatus(ctx context.Context, t tenant.UID) (map[connection.Status]int64, error) {
	counts := map[connection.Status]int64{}
	err := c.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, countByStatus, t.String())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var status string
			var n int64
			if err := rows.Scan(&status, &n); err != nil {
				return err
			}
			counts[connection.Status(status)] = n
		}
		return rows.Err()
	})
	return counts, err
}
