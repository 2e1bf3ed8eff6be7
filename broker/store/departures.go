package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Departures keeps who left and is expected back.
type Departures struct{ store *Store }

var _ signin.Departures = (*Departures)(nil)

// Departures opens them.
func (s *Store) Departures() *Departures { return &Departures{store: s} }

// Keep implements signin.Departures.
func (d *Departures) Keep(ctx context.Context, one signin.Kept) error {
	if one.ID == [32]byte{} || one.Browser == [32]byte{} || one.Kind == "" || one.IdPUID == "" || len(one.Sealed) == 0 || one.ExpiresAt.IsZero() {
		return errors.Join(one.Tenant.Check(), fmt.Errorf("%w: a departure needs an id, a browser, a kind, an IdP, what is sealed and an end", errIncomplete))
	}
	return d.store.writeOf(ctx, one.Tenant, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "insert into departures (tenant_uid, id, kind, idp_uid, browser, sealed, expires_at) values ($1, $2, $3, $4, $5, $6, $7)",
			one.Tenant.String(), one.ID[:], string(one.Kind), one.IdPUID, one.Browser[:], one.Sealed, one.ExpiresAt.UnixMicro())
		return err
	})
}

// Take implements signin.Departures. The row goes in the statement that reads it.
func (d *Departures) Take(ctx context.Context, t tenant.UID, kind signin.Kind, id, browser [32]byte) (signin.Kept, error) {
	one := signin.Kept{Tenant: t, Kind: kind, ID: id, Browser: browser}
	var expires int64
	err := d.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "delete from departures where tenant_uid = $1 and id = $2 and kind = $3 and browser = $4 returning idp_uid, sealed, expires_at",
			t.String(), id[:], string(kind), browser[:]).Scan(&one.IdPUID, &one.Sealed, &expires)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return signin.Kept{}, signin.ErrGone
	}
	one.ExpiresAt = time.UnixMicro(expires).UTC()
	return one, err
}

// sweepSignIn removes sessions, departures and profiles whose time is over, of every tenant: on PostgreSQL through the
// owner's function, for the runtime role sees its tenant's alone.
func (s *Store) sweepSignIn(ctx context.Context, db execer) (sessions, departures, profiles int64, err error) {
	if s.dialect == Postgres {
		err = db.QueryRowContext(ctx, "select sessions_gone, departures_gone, profiles_gone from chancery_sweep_sign_in()").Scan(&sessions, &departures, &profiles)
		return sessions, departures, profiles, err
	}
	for _, one := range []struct {
		statement string
		gone      *int64
	}{
		{"delete from sessions where keep_until < " + s.clock(), &sessions},
		{"delete from departures where expires_at < " + s.clock(), &departures},
		{"delete from profiles where seen_at < " + s.clock() + " - 86400 * 400 * 1000000", &profiles},
	} {
		done, err := db.ExecContext(ctx, one.statement)
		if err != nil {
			return sessions, departures, profiles, err
		}
		if *one.gone, err = done.RowsAffected(); err != nil {
			return sessions, departures, profiles, err
		}
	}
	return sessions, departures, profiles, nil
}
