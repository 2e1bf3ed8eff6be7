package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Registrations keeps clients that registered themselves, and the tokens that let them.
type Registrations struct {
	store  *Store
	ledger Applier
}

var _ registration.Store = (*Registrations)(nil)

// Registrations opens them.
func (s *Store) Registrations(ledger Applier) *Registrations {
	return &Registrations{store: s, ledger: ledger}
}

const registeredColumns = "client_id, revision, metadata, secret_digest, token_digest, token_id, created_at, updated_at, used_at"

// Add implements registration.Store. Changes of a tenant run one after the other, so that none is counted twice.
func (r *Registrations) Add(ctx context.Context, c registration.Record, most int, initial *registration.Digest, e audit.Event) error {
	metadata, err := registeredRow(c)
	if err != nil {
		return err
	}
	t := c.Tenant.String()
	take := r.store.withClock("update registration_tokens set uses_left = uses_left - 1 " +
		"where tenant_uid = $1 and digest = $2 and uses_left > 0 and expires_at > @now returning id")
	_, err = r.change(ctx, c.Tenant, nil, e, func(ctx context.Context, tx *sql.Tx) error {
		tokenID := ""
		if initial != nil {
			err := tx.QueryRowContext(ctx, take, t, initial[:]).Scan(&tokenID)
			if errors.Is(err, sql.ErrNoRows) {
				return registration.ErrToken
			}
			if err != nil {
				return err
			}
		}
		var count int
		err := tx.QueryRowContext(ctx, "insert into registered_counts (tenant_uid, clients) values ($1, 1) "+
			"on conflict (tenant_uid) do update set clients = registered_counts.clients + 1 returning clients", t).Scan(&count)
		if err != nil {
			return err
		}
		if count > most {
			return registration.ErrFull
		}
		_, err = tx.ExecContext(ctx, "insert into registered_clients (tenant_uid, "+registeredColumns+") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			t, c.ClientID, c.Revision, metadata, digestColumn(c.Secret), c.Access[:], tokenID, c.CreatedAt.UnixMicro(), c.UpdatedAt.UnixMicro(), c.UsedAt.UnixMicro())
		return err
	})
	return err
}

func registeredRow(c registration.Record) (metadata string, err error) {
	if err := c.Tenant.Check(); err != nil {
		return "", err
	}
	if !registration.IsClientID(c.ClientID) || c.Revision < 1 || c.Access == (registration.Digest{}) || c.CreatedAt.IsZero() {
		return "", fmt.Errorf("%w: a registration needs a client_id, a revision, a credential and times", errIncomplete)
	}
	raw, err := json.Marshal(c.Metadata)
	return string(raw), err
}

func digestColumn(d *registration.Digest) []byte {
	if d == nil {
		return nil
	}
	return d[:]
}

// Find implements registration.Store.
func (r *Registrations) Find(ctx context.Context, t tenant.UID, clientID string) (found registration.Record, err error) {
	err = r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		row := tx.QueryRowContext(ctx, "select "+registeredColumns+" from registered_clients where tenant_uid = $1 and client_id = $2", t.String(), clientID)
		found, err = scanRegistered(t, row)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return registration.Record{}, registration.ErrUnknown
	}
	return found, err
}

// List implements registration.Store.
func (r *Registrations) List(ctx context.Context, t tenant.UID, after string, limit int) ([]registration.Record, error) {
	var all []registration.Record
	err := r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "select "+registeredColumns+" from registered_clients where tenant_uid = $1 and client_id > $2 order by client_id limit $3",
			t.String(), after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one, err := scanRegistered(t, rows)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

func scanRegistered(t tenant.UID, row interface{ Scan(into ...any) error }) (registration.Record, error) {
	c := registration.Record{Tenant: t}
	var metadata string
	var secret, access []byte
	var created, updated, used int64
	if err := row.Scan(&c.ClientID, &c.Revision, &metadata, &secret, &access, &c.TokenID, &created, &updated, &used); err != nil {
		return registration.Record{}, err
	}
	if err := json.Unmarshal([]byte(metadata), &c.Metadata); err != nil {
		return registration.Record{}, fmt.Errorf("registered_clients: %s: %w", c.ClientID, err)
	}
	if len(access) != len(c.Access) || len(secret) != 0 && len(secret) != len(c.Access) {
		return registration.Record{}, fmt.Errorf("registered_clients: %s: a digest has another length", c.ClientID)
	}
	copy(c.Access[:], access)
	if len(secret) > 0 {
		c.Secret = (*registration.Digest)(secret)
	}
	c.CreatedAt, c.UpdatedAt, c.UsedAt = fromMicros(created), fromMicros(updated), fromMicros(used)
	return c, nil
}

// Replace implements registration.Store.
func (r *Registrations) Replace(ctx context.Context, c registration.Record, e audit.Event) (int64, error) {
	metadata, err := registeredRow(c)
	if err != nil {
		return 0, err
	}
	return r.change(ctx, c.Tenant, []string{c.ClientID}, e, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "update registered_clients set revision = $3, metadata = $4, secret_digest = $5, token_digest = $6, updated_at = $7, used_at = $8 "+
			"where tenant_uid = $1 and client_id = $2 and revision = $3 - 1",
			c.Tenant.String(), c.ClientID, c.Revision, metadata, digestColumn(c.Secret), c.Access[:], c.UpdatedAt.UnixMicro(), c.UsedAt.UnixMicro())
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(registration.ErrMoved, err)
		}
		return nil
	})
}

// errNothing rolls a change back that came to nothing.
var errNothing = errors.New("nothing was there to be removed")

// Remove implements registration.Store: the rows, their number, and the end of what they were given, in one transaction.
func (r *Registrations) Remove(ctx context.Context, t tenant.UID, clientIDs []string, unused, until time.Time, event func([]string) audit.Event) ([]string, int64, error) {
	if err := t.Check(); err != nil {
		return nil, 0, err
	}
	if len(clientIDs) == 0 || until.IsZero() {
		return nil, 0, fmt.Errorf("%w: a removal needs clients, and an end", errIncomplete)
	}
	before := int64(1<<63 - 1)
	if !unused.IsZero() {
		before = unused.UnixMicro()
	}
	e := event(clientIDs)
	mark := r.store.withClock("insert into revocations (tenant_uid, kind, uid, version, at, event, expires_at) " +
		"select v.tenant_uid, $2, $3, v.version + 1, @now, $4, $5 from tenant_versions v where v.tenant_uid = $1")
	var gone []string
	version, err := r.change(ctx, t, clientIDs, e, func(ctx context.Context, tx *sql.Tx) error {
		gone = nil // it may be called again
		for _, id := range clientIDs {
			done, err := tx.ExecContext(ctx, "delete from registered_clients where tenant_uid = $1 and client_id = $2 and used_at < $3", t.String(), id, before)
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil || n == 0 {
				if err != nil {
					return err
				}
				continue
			}
			if _, err := tx.ExecContext(ctx, mark, t.String(), string(lifecycle.Client), id, e.ID, until.UnixMicro()); err != nil {
				return err
			}
			gone = append(gone, id)
		}
		if len(gone) == 0 {
			return errNothing
		}
		_, err := tx.ExecContext(ctx, "update registered_counts set clients = clients - $2 where tenant_uid = $1", t.String(), len(gone))
		return err
	})
	if errors.Is(err, errNothing) {
		return nil, 0, nil
	}
	return gone, version, err
}

// Unused implements registration.Store.
func (r *Registrations) Unused(ctx context.Context, t tenant.UID, since time.Time, limit int) ([]string, error) {
	var all []string
	err := r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "select client_id from registered_clients where tenant_uid = $1 and used_at < $2 order by used_at limit $3",
			t.String(), since.UnixMicro(), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var one string
			if err := rows.Scan(&one); err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

// Touch implements registration.Store. It is no change that anybody decides on, and is not recorded.
func (r *Registrations) Touch(ctx context.Context, t tenant.UID, clientID string, at time.Time) error {
	return r.aside(ctx, t, "update registered_clients set used_at = $3 where tenant_uid = $1 and client_id = $2 and used_at < $3", t.String(), clientID, at.UnixMicro())
}

// aside writes what nobody decides on.
func (r *Registrations) aside(ctx context.Context, t tenant.UID, statement string, args ...any) error {
	if err := t.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.store.limit)
	defer cancel()
	tx, err := r.store.write.BeginTx(ctx, nil)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }() // says so when it is committed
	if r.store.dialect == Postgres {
		if _, err := tx.ExecContext(ctx, nameTenantPostgres, t.String()); err != nil {
			return withoutURL(err)
		}
	}
	if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
		return withoutURL(err)
	}
	return withoutURL(tx.Commit())
}

func (r *Registrations) change(ctx context.Context, t tenant.UID, raised []string, e audit.Event, write func(context.Context, *sql.Tx) error) (int64, error) {
	if e.ID == "" {
		return 0, fmt.Errorf("%w: a change needs an event", errIncomplete)
	}
	raise := make([]ledger.ChangedObject, 0, len(raised))
	for _, uid := range raised {
		raise = append(raise, ledger.ChangedObject{Kind: string(object.KindClient), UID: uid})
	}
	version, err := r.ledger.Apply(ctx, ledger.Change{Tenant: t, Raise: raise, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		if err := write(ctx, conn); err != nil {
			return err
		}
		if r.store.dialect != Postgres || len(raise) == 0 {
			return nil
		}
		_, err = conn.ExecContext(ctx, "select pg_notify('"+channel+"', $1)", t.String()) // heard when the transaction commits
		return err
	}})
	return version, withoutURL(err)
}
