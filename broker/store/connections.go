package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
)

// Connections keeps what people and clients connected at other services. That one begins, ends or is held is a change of
// the ledger's, with its event; refreshing is not: it is marked and saved by itself, before the lease that waits for it
// is committed.
type Connections struct {
	store  *Store
	ledger Applier
}

var _ connection.Store = (*Connections)(nil)

// Connections opens them.
func (s *Store) Connections(ledger Applier) *Connections {
	return &Connections{store: s, ledger: ledger}
}

const (
	connectionColumns = `id, owner_kind, owner_uid, provider_uid, account_id, account_label, scopes, status, reason, version, key_id, sealed_at, expires_at,
refresh_at, refresh_state, refresh_attempt, refresh_by, refresh_since, case when refresh_state = 'in_flight' then @now - refresh_since else 0 end,
case when retry_at > @now then retry_at - @now else 0 end, repeat_until, failures, failure, created_at, updated_at, used_at, used_by`

	ofOwner = " from connections where tenant_uid = $1 and owner_kind = $2 and owner_uid = $3 and provider_uid = $4 " +
		"and status <> 'revoked' order by id limit 200" // maxConnections; as a parameter SQLite would prepare it twice

	findConnections = "select " + connectionColumns + ", null" + ofOwner

	heldConnections = "select " + connectionColumns + ", credential" + ofOwner

	loadConnection = "select " + connectionColumns + ", credential from connections where tenant_uid = $1 and id = $2"

	listConnections = "select " + connectionColumns + ", null from connections where tenant_uid = $1 and id > $2 order by id limit $3"

	createConnection = `insert into connections (tenant_uid, id, owner_kind, owner_uid, provider_uid, account_id, account_label, scopes, status, reason, version,
credential, key_id, sealed_at, expires_at, refresh_at, refresh_state, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'idle', $17, $18) on conflict do nothing`

	// A new consent of the owner's ends whatever became of the old credential, an attempt in flight among it.
	replaceConnection = `update connections set version = $4, credential = $5, key_id = $6, sealed_at = $7, scopes = $8, expires_at = $9, refresh_at = $10,
account_label = $11, status = 'connected', reason = '', refresh_state = 'idle', refresh_attempt = '', refresh_by = '', refresh_since = null, retry_at = null,
repeat_until = null, failures = 0, failure = '', updated_at = $12
where tenant_uid = $1 and id = $2 and version = $3 and status in ('connected', 'reauthorization_required')`

	moveConnection = "update connections set status = $4, reason = $5, updated_at = @now where tenant_uid = $1 and id = $2 and status = $3"

	removeConnection = "delete from connections where tenant_uid = $1 and id = $2"
)

// maxConnections bounds what one owner has at one provider, and one page of a list.
const maxConnections = 200

// Find implements connection.Store.
func (c *Connections) Find(ctx context.Context, tenantUID string, owner connection.Owner, provider string) ([]connection.Connection, error) {
	found, err := c.query(ctx, tenantUID, findConnections, tenantUID, string(owner.Kind), owner.UID, provider)
	return known(found), err
}

// Held implements connection.Store.
func (c *Connections) Held(ctx context.Context, tenantUID string, owner connection.Owner, provider string) ([]connection.Stored, error) {
	return c.query(ctx, tenantUID, heldConnections, tenantUID, string(owner.Kind), owner.UID, provider)
}

// List gives a tenant's connections in the order of their ids, behind one of them: nothing sealed.
func (c *Connections) List(ctx context.Context, t tenant.UID, after string, limit int) ([]connection.Connection, error) {
	found, err := c.query(ctx, t.String(), listConnections, t.String(), after, max(1, min(limit, maxConnections)))
	return known(found), err
}

func known(found []connection.Stored) []connection.Connection {
	all := make([]connection.Connection, len(found))
	for i, s := range found {
		all[i] = s.Connection
	}
	return all
}

// Load implements connection.Store.
func (c *Connections) Load(ctx context.Context, tenantUID, id string) (connection.Stored, error) {
	found, err := c.query(ctx, tenantUID, loadConnection, tenantUID, id)
	if err != nil {
		return connection.Stored{}, err
	}
	if len(found) != 1 {
		return connection.Stored{}, connection.ErrGone
	}
	return found[0], nil
}

func (c *Connections) query(ctx context.Context, tenantUID, query string, args ...any) ([]connection.Stored, error) {
	t, err := tenant.ParseUID(tenantUID)
	if err != nil {
		return nil, err
	}
	if c.store.dialect == Postgres {
		found, err := c.queryPostgres(ctx, t, query, args...)
		return found, withoutURL(err)
	}
	if query == heldConnections || query == loadConnection {
		return c.queryPrepared(ctx, t, query, args...)
	}
	var all []connection.Stored
	err = c.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) (err error) {
		rows, err := tx.QueryContext(ctx, c.store.withClock(query), args...)
		if err != nil {
			return err
		}
		all, err = scanConnections(rows, t)
		return err
	})
	return all, err
}

// queryPrepared is for what each lease asks on SQLite: one statement, which sees one moment without a transaction.
func (c *Connections) queryPrepared(ctx context.Context, t tenant.UID, query string, args ...any) ([]connection.Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, c.store.limit)
	defer cancel()
	statement, err := c.store.prepared(ctx, query) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return nil, err
	}
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	return scanConnections(rows, t)
}

func scanConnections(rows *sql.Rows, t tenant.UID) ([]connection.Stored, error) {
	defer func() { _ = rows.Close() }()
	var all []connection.Stored
	for rows.Next() {
		s, err := scanConnection(rows.Scan, t.String())
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// queryPostgres asks in one round trip: what is lent waits for it.
func (c *Connections) queryPostgres(ctx context.Context, t tenant.UID, query string, args ...any) ([]connection.Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, c.store.limit)
	defer cancel()
	var all []connection.Stored
	batch := &pgx.Batch{}
	batch.Queue(nameTenantPostgres, t.String())
	batch.Queue(c.store.withClock(query), args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			s, err := scanConnection(rows.Scan, t.String())
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return rows.Err()
	})
	return all, c.store.pool.SendBatch(ctx, batch).Close()
}

func scanConnection(scan func(...any) error, tenantUID string) (connection.Stored, error) {
	var s connection.Stored
	var scopes string
	var sealed, age, rest, created, updated int64
	var expires, refresh, since, repeat, used *int64
	if err := scan(&s.ID, &s.Owner.Kind, &s.Owner.UID, &s.Provider, &s.Account.ID, &s.Account.Label, &scopes, &s.Status, &s.Reason, &s.Version, &s.KeyID, &sealed,
		&expires, &refresh, &s.Flight.State, &s.Flight.Attempt, &s.Flight.By, &since, &age, &rest, &repeat, &s.Failures, &s.Failure, &created, &updated,
		&used, &s.LastUsedBy, &s.Blob); err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(scopes), &s.Scopes); err != nil {
		return s, fmt.Errorf("connections: scopes: %w", err)
	}
	s.Tenant = tenantUID
	s.SealedAt, s.CreatedAt, s.UpdatedAt = fromMicros(sealed), fromMicros(created), fromMicros(updated)
	s.ExpiresAt, s.RefreshAt, s.RepeatUntil, s.LastUsedAt = fromMicrosPtr(expires), fromMicrosPtr(refresh), fromMicrosPtr(repeat), fromMicrosPtr(used)
	s.Flight.Since, s.Flight.Age, s.RetryIn = fromMicrosPtr(since), micros(age), micros(rest)
	return s, nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Create makes a connection. ErrTaken: the owner has one for the account.
func (c *Connections) Create(ctx context.Context, s connection.Stored, e audit.Event) error {
	t, err := tenant.ParseUID(s.Tenant)
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	scopes, err := scopeList(s.Scopes)
	if err != nil {
		return err
	}
	return c.change(ctx, t, e, connection.ErrTaken, createConnection, s.Tenant, s.ID, string(s.Owner.Kind), s.Owner.UID, s.Provider, s.Account.ID, s.Account.Label, scopes,
		string(s.Status), s.Reason, s.Version, s.Blob, s.KeyID, s.SealedAt.UnixMicro(), microsPtr(s.ExpiresAt), microsPtr(s.RefreshAt),
		s.CreatedAt.UnixMicro(), s.UpdatedAt.UnixMicro())
}

// Replace puts a credential of a new consent in the place of the one of an older version; the successor is sealed as
// version from + 1. ErrMoved: it is another version by now, or held, or ended.
func (c *Connections) Replace(ctx context.Context, ref connection.Ref, from int64, label string, s connection.Successor, e audit.Event) error {
	t, err := tenant.ParseUID(ref.Tenant)
	if err != nil {
		return err
	}
	if err := errors.Join(ref.Validate(), s.Validate()); err != nil {
		return err
	}
	scopes, err := scopeList(s.Scopes)
	if err != nil {
		return err
	}
	return c.change(ctx, t, e, connection.ErrMoved, replaceConnection, ref.Tenant, ref.ID, from, from+1, s.Blob, s.KeyID, s.SealedAt.UnixMicro(), scopes,
		microsPtr(s.ExpiresAt), microsPtr(s.RefreshAt), label, s.SealedAt.UnixMicro())
}

// Move changes what may be done with a connection; ErrMoved where it does not stand as from says.
func (c *Connections) Move(ctx context.Context, t tenant.UID, id string, from, to connection.Status, reason string, e audit.Event) error {
	return c.end(ctx, t, id, e, connection.ErrMoved, moveConnection, t.String(), id, string(from), string(to), reason)
}

// Remove takes a connection away with its credential; ErrGone where there is none.
func (c *Connections) Remove(ctx context.Context, t tenant.UID, id string, e audit.Event) error {
	return c.end(ctx, t, id, e, connection.ErrGone, removeConnection, t.String(), id)
}

// MoveAll is Move of many, as they were read, in one step: whoever decides at this moment decides anew once, and not once for
// each. It is all of them or none; ErrMoved where one does not stand as it was read.
func (c *Connections) MoveAll(ctx context.Context, t tenant.UID, all []connection.Connection, to connection.Status, reason string, events []audit.Event) error {
	if len(all) == 0 || len(events) != len(all) {
		return errIncomplete
	}
	raise, args := make([]ledger.ChangedObject, len(all)), make([][]any, len(all))
	for i, one := range all {
		raise[i] = ledger.ChangedObject{Kind: object.ChangedConnection, UID: one.ID}
		args[i] = []any{t.String(), one.ID, string(one.Status), string(to), reason}
	}
	return c.endAll(ctx, t, raise, events, connection.ErrMoved, moveConnection, args...)
}

// end is change for what may take something away: the tenant's version is raised with it, so that no lease that was decided
// before is committed after.
func (c *Connections) end(ctx context.Context, t tenant.UID, id string, e audit.Event, otherwise error, statement string, args ...any) error {
	return c.endAll(ctx, t, []ledger.ChangedObject{{Kind: object.ChangedConnection, UID: id}}, []audit.Event{e}, otherwise, statement, args)
}

// endAll runs one statement with each list of arguments; each must touch one row.
func (c *Connections) endAll(ctx context.Context, t tenant.UID, raise []ledger.ChangedObject, events []audit.Event, otherwise error, statement string, args ...[]any) error {
	if err := t.Check(); err != nil {
		return err
	}
	_, err := c.ledger.Apply(ctx, ledger.Change{Tenant: t, Raise: raise, Events: events, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		for _, one := range args {
			done, err := conn.ExecContext(ctx, c.store.withClock(statement), one...)
			if err != nil {
				return err
			}
			if err := onlyOne(done, otherwise); err != nil {
				return err
			}
		}
		if c.store.dialect != Postgres {
			return nil
		}
		_, err = conn.ExecContext(ctx, "select pg_notify('"+channel+"', $1)", t.String()) // heard when the transaction commits
		return err
	}})
	return withoutURL(err)
}

// change runs one statement that must touch one row, together with its event.
func (c *Connections) change(ctx context.Context, t tenant.UID, e audit.Event, otherwise error, statement string, args ...any) error {
	if err := t.Check(); err != nil {
		return err
	}
	return c.store.change(ctx, c.ledger, t, []audit.Event{e}, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, c.store.withClock(statement), args...)
		if err != nil {
			return err
		}
		return onlyOne(done, otherwise)
	})
}

// scopeList writes none as an empty list.
func scopeList(scopes []string) (string, error) {
	if scopes == nil {
		return "[]", nil
	}
	list, err := json.Marshal(scopes)
	return string(list), err
}
