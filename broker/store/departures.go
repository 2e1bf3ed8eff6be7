package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Departures keeps who left and is expected back.
type Departures struct{ store *Store }

var _ signin.Departures = (*Departures)(nil)

// Departures opens them.
func (s *Store) Departures() *Departures { return &Departures{store: s} }

// MaxDepartures is how many one tenant keeps of people who left to sign in. Strangers make them, and what they fill must not
// be the disk that everything else is on: 166 sign-ins a second, each given up, for as long as departures live.
const MaxDepartures = 100_000

const (
	keepDeparture = "insert into departures (tenant_uid, id, kind, idp_uid, browser, sealed, expires_at) select t.uid, $2, $3, $4, $5, $6, $7 from tenants t where t.uid = $1"
	whileNotMany  = " and (select count(*) from (select 1 from departures d where d.tenant_uid = $1 limit $8) many) < $8"
)

// Keep implements signin.Departures. Of those whom an IdP or a session vouches for, every one is kept.
func (d *Departures) Keep(ctx context.Context, one signin.Kept) error {
	if one.ID == [32]byte{} || one.Browser == [32]byte{} || one.Kind == "" || one.IdPUID == "" || len(one.Sealed) == 0 || one.ExpiresAt.IsZero() {
		return errors.Join(one.Tenant.Check(), fmt.Errorf("%w: a departure needs an id, a browser, a kind, an IdP, what is sealed and an end", errIncomplete))
	}
	query := keepDeparture
	args := []any{one.Tenant.String(), one.ID[:], string(one.Kind), one.IdPUID, one.Browser[:], one.Sealed, one.ExpiresAt.UnixMicro()}
	if one.Kind == signin.KindOpenID || one.Kind == signin.KindSAML {
		query, args = query+whileNotMany, append(args, MaxDepartures)
	}
	return d.store.writeOf(ctx, one.Tenant, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		return onlyOne(done, signin.ErrCrowded)
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

// sweepSignIn removes sessions, departures and profiles whose time is over, of every tenant, a batch at a time: on PostgreSQL
// through the owner's function, for the runtime role sees its tenant's alone.
func (s *Store) sweepSignIn(ctx context.Context, db execer) (sessions, departures, profiles int64, err error) {
	for {
		gone, err := s.sweepSignInOnce(ctx, db)
		sessions, departures, profiles = sessions+gone[0], departures+gone[1], profiles+gone[2]
		if err != nil || slices.Max(gone[:]) < sweepBatch {
			return sessions, departures, profiles, err
		}
	}
}

// sweepSignInOnce removes one batch of each: sessions, departures, profiles.
func (s *Store) sweepSignInOnce(ctx context.Context, db execer) (gone [3]int64, err error) {
	if s.dialect == Postgres {
		err = db.QueryRowContext(ctx, "select sessions_gone, departures_gone, profiles_gone from chancery_sweep_sign_in($1)", sweepBatch).
			Scan(&gone[0], &gone[1], &gone[2])
		return gone, err
	}
	for i, one := range [...]struct{ table, ended string }{
		{"sessions", "keep_until < " + s.clock()},
		{"departures", "expires_at < " + s.clock()},
		{"profiles", "seen_at < " + s.clock() + " - 86400 * 400 * 1000000"},
	} {
		done, err := db.ExecContext(ctx, "delete from "+one.table+" where rowid in (select rowid from "+one.table+" where "+one.ended+" limit $1)", sweepBatch)
		if err != nil {
			return gone, err
		}
		if gone[i], err = done.RowsAffected(); err != nil {
			return gone, err
		}
	}
	return gone, nil
}
