package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Count implements lifecycle.Tokens. Tokens that were committed before a version
// are those that carry a lower one: which they are does not change any more.
func (k *Tokens) Count(ctx context.Context, t tenant.UID, h lifecycle.Holder, below int64) (int64, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	column, err := ofHolder(h.Kind)
	if err != nil {
		return 0, err
	}
	if below <= 0 {
		below = 1<<63 - 1
	}
	// What the mark at this very version ended is what is counted.
	earlier := func(kind, column string) string {
		return "not exists (select 1 from revocations m where m.tenant_uid = t.tenant_uid and m.kind = '" + kind + "' and m.uid = " + column +
			" and m.version > coalesce(t.version, 0) and m.version < $4) "
	}
	query := "select count(*) from issued_tokens t where t.tenant_uid = $1 and " + column + " = $2 and t.expires_at > " + k.store.begun() +
		" and t.issued_at > " + k.store.begun() + " - $3 and coalesce(t.version, 0) < $4 " +
		"and not exists (select 1 from redemptions r where " + ownRevocation + k.store.revocationKey() + ") " +
		"and " + earlier("client", "t.client_uid") + "and " + earlier("user", "t.subject") + "and " + earlier("idp", "t.idp_uid") +
		"and not exists (select 1 from signing_keys k where k.tenant_uid = t.tenant_uid and k.kid = t.kid and k.state = 'revoked')"
	var n int64
	err = k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		longest := object.MaxTokenLifetime + ledger.Margin
		return tx.QueryRowContext(ctx, query, t.String(), h.UID, longest.Microseconds(), below).Scan(&n)
	})
	return n, err
}

// begun is the database's time at the beginning of the transaction: it stays the
// same in a statement, so that PostgreSQL finds what is alive by its index.
func (s *Store) begun() string {
	if s.dialect == Postgres {
		return "(extract(epoch from now()) * 1000000)::bigint"
	}
	return s.clock()
}

// Mark implements lifecycle.Tokens. Changes of a tenant run one after the other,
// and nothing else raises its version: the version that this change will have is
// the next one.
func (k *Tokens) Mark(ctx context.Context, t tenant.UID, m lifecycle.Mark) (int64, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	if _, err := ofHolder(m.Holder.Kind); err != nil {
		return 0, err
	}
	if m.Holder.UID == "" || m.Until.IsZero() || m.Event.ID == "" {
		return 0, fmt.Errorf("%w: a mark needs a holder, an end and an event", errIncomplete)
	}
	statement := k.store.withClock("insert into revocations (tenant_uid, kind, uid, version, at, event, expires_at) " +
		"select v.tenant_uid, $2, $3, v.version + 1, @now, $4, $5 from tenant_versions v where v.tenant_uid = $1")
	return k.ledger.Apply(ctx, ledger.Change{
		Tenant: t,
		Raise:  []ledger.ChangedObject{{Kind: object.ChangedRevocation, UID: m.Holder.UID}},
		Events: []audit.Event{m.Event},
		Write: func(ctx context.Context, tx ledger.Tx) error {
			conn, err := SQLTx(tx)
			if err != nil {
				return err
			}
			done, err := conn.ExecContext(ctx, statement, t.String(), string(m.Holder.Kind), m.Holder.UID, m.Event.ID, m.Until.UnixMicro())
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil || n != 1 {
				return errors.Join(object.ErrTenantUnknown, err)
			}
			if err := endMarked(ctx, conn, t, m.Holder, m.Event.At); err != nil {
				return err
			}
			if k.store.dialect != Postgres {
				return nil
			}
			_, err = conn.ExecContext(ctx, "select pg_notify('"+channel+"', $1)", t.String())
			return err
		},
	})
}

// sweepRevocations removes marks before which no token is alive any more.
func (s *Store) sweepRevocations(ctx context.Context, db execer) (int64, error) {
	done, err := db.ExecContext(ctx, "delete from revocations where expires_at < "+s.clock())
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}
