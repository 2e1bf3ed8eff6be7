package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Captures keeps which IdPs somebody waits for, and what came.
type Captures struct {
	store  *Store
	ledger Applier
}

var _ capture.Store = (*Captures)(nil)

// Captures opens them.
func (s *Store) Captures(ledger Applier) *Captures { return &Captures{store: s, ledger: ledger} }

// maxArmed bounds what a replica looks out for.
const maxArmed = 10000

// Armed implements capture.Store. It reads of all tenants; what was captured is not among it.
func (c *Captures) Armed(ctx context.Context) ([]capture.Arm, error) {
	ctx, cancel := context.WithTimeout(ctx, c.store.limit)
	defer cancel()
	rows, err := c.store.read.QueryContext(ctx, c.store.withClock("select tenant_uid, idp_uid, id, issuer, expires_at from idp_captures "+
		"where captured_at is null and expires_at > @now limit $1"), maxArmed)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer rows.Close()
	var armed []capture.Arm
	for rows.Next() {
		var a capture.Arm
		var uid string
		var expires int64
		if err := rows.Scan(&uid, &a.IdP, &a.ID, &a.Issuer, &expires); err != nil {
			return nil, withoutURL(err)
		}
		if a.Tenant, err = tenant.ParseUID(uid); err != nil {
			return nil, fmt.Errorf("idp_captures: %w", err)
		}
		a.ExpiresAt = time.UnixMicro(expires).UTC()
		armed = append(armed, a)
	}
	return armed, withoutURL(rows.Err())
}

// Arm implements capture.Store.
func (c *Captures) Arm(ctx context.Context, a capture.Arm, e audit.Event) error {
	if err := a.Tenant.Check(); err != nil {
		return err
	}
	if a.ID == "" || a.IdP == "" || a.Issuer == "" || a.ExpiresAt.IsZero() {
		return fmt.Errorf("%w: a capture needs an id, an IdP, an issuer and an end", errIncomplete)
	}
	return c.change(ctx, a.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "delete from idp_captures where tenant_uid = $1 and idp_uid = $2", a.Tenant.String(), a.IdP); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "insert into idp_captures (tenant_uid, idp_uid, id, issuer, expires_at) values ($1, $2, $3, $4, $5)",
			a.Tenant.String(), a.IdP, a.ID, a.Issuer, a.ExpiresAt.UnixMicro())
		return err
	})
}

// Record implements capture.Store: the first wins, between replicas too.
func (c *Captures) Record(ctx context.Context, a capture.Arm, sealed []byte, e audit.Event) error {
	if err := a.Tenant.Check(); err != nil {
		return err
	}
	statement := c.store.withClock("update idp_captures set captured_at = @now, record = $4 " +
		"where tenant_uid = $1 and idp_uid = $2 and id = $3 and captured_at is null and expires_at > @now")
	return c.change(ctx, a.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		return exactlyOne(tx.ExecContext(ctx, statement, a.Tenant.String(), a.IdP, a.ID, sealed))
	})
}

// Find implements capture.Store.
func (c *Captures) Find(ctx context.Context, t tenant.UID, idp, id string) ([]byte, error) {
	var sealed []byte
	err := c.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "select record from idp_captures where tenant_uid = $1 and idp_uid = $2 and id = $3 and expires_at > "+c.store.clock(),
			t.String(), idp, id).Scan(&sealed)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, capture.ErrGone
	}
	return sealed, err
}

// End implements capture.Store.
func (c *Captures) End(ctx context.Context, t tenant.UID, idp, id string, e audit.Event) error {
	if err := t.Check(); err != nil {
		return err
	}
	return c.change(ctx, t, e, func(ctx context.Context, tx *sql.Tx) error {
		return exactlyOne(tx.ExecContext(ctx, "delete from idp_captures where tenant_uid = $1 and idp_uid = $2 and id = $3", t.String(), idp, id))
	})
}

// exactlyOne wants a statement to have touched one row.
func exactlyOne(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n != 1 {
		return capture.ErrGone
	}
	return err
}

func (c *Captures) change(ctx context.Context, t tenant.UID, e audit.Event, write func(context.Context, *sql.Tx) error) error {
	_, err := c.ledger.Apply(ctx, ledger.Change{Tenant: t, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		return write(ctx, conn)
	}})
	return withoutURL(err)
}

// sweepCaptures removes what nobody read in time, of every tenant: on PostgreSQL through the owner's function, for the
// runtime role sees its tenant's alone.
func (s *Store) sweepCaptures(ctx context.Context, db execer) (int64, error) {
	if s.dialect == Postgres {
		var gone int64
		err := db.QueryRowContext(ctx, "select chancery_sweep_captures()").Scan(&gone)
		return gone, err
	}
	done, err := db.ExecContext(ctx, "delete from idp_captures where expires_at < "+s.clock())
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}
