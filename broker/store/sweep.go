package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
)

// sweepBatch bounds one delete, so that no statement nears its deadline and no lock is held long.
const sweepBatch = 5000

// Swept is what a sweep removed and made.
type Swept struct {
	Redemptions  int64
	Decisions    int64 // rows on SQLite and of the default partition; a month that ended counts as one
	Tokens       int64
	Revocations  int64 // before which no token is alive any more
	Captures     int64 // of assertions, that nobody read
	Sessions     int64 // that ended, by themselves or otherwise
	Departures   int64 // from which nobody came back
	Profiles     int64 // of people who have not come for 400 days
	Families     int64 // of refresh tokens, whose time was over a day ago
	Devices      int64 // requests that ended
	Requests     int64 // for authorization, whose time is over
	Interactions int64 // and challenges for passkeys, that ended
	Connects     int64 // links to connect an account, and ways there, that ended for long
	Approvals    int64 // requests that waited for other people, and are over
	Changes      int64 // what versions changed that every replica has long seen
	Partitions   int64 // made for the months to come
	Busy         bool  // another replica sweeps
}

// Retention says how long records stay; zero keeps them.
type Retention struct {
	Decisions time.Duration
	Tokens    time.Duration // after their issue; at least MinTokens
}

// MinTokens is how long the record of a token stays at least: the longest life that a resource can give its tokens, and a
// day in which clocks, late revocations and questions about a token that has just ended are answered. The record of a
// live token is what introspection and every revocation go by.
const MinTokens = object.MaxTokenLifetime + 24*time.Hour

// Sweep removes what has expired, by the database's clock, and makes the partitions to come. One replica
// does it at a time. It runs beside the requests, never on their path.
func (s *Store) Sweep(ctx context.Context, keep Retention) (Swept, error) {
	if keep.Decisions < 0 || keep.Tokens < 0 {
		return Swept{}, errors.New("a retention cannot be negative")
	}
	if keep.Tokens > 0 && keep.Tokens < MinTokens {
		return Swept{}, fmt.Errorf("records of tokens are kept for at least %s: live ones would go", MinTokens)
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return Swept{}, withoutURL(err)
	}
	if s.dialect == SQLite { // the one write connection is not held for the length of a sweep
		_ = conn.Close()
		return s.sweep(ctx, s.write, keep)
	}
	defer conn.Close()
	const key = "hashtextextended('chancery/sweep', 0)"
	var mine bool
	if err := conn.QueryRowContext(ctx, "select pg_try_advisory_lock("+key+")").Scan(&mine); err != nil {
		return Swept{}, withoutURL(err)
	}
	if !mine {
		return Swept{Busy: true}, nil
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limit)
		defer cancel()
		if _, err := conn.ExecContext(ctx, "select pg_advisory_unlock("+key+")"); err != nil {
			_ = conn.Raw(func(any) error { return sql.ErrConnDone }) // with the session goes its lock
		}
	}()
	return s.sweep(ctx, conn, keep)
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *Store) sweep(ctx context.Context, db execer, keep Retention) (Swept, error) {
	var swept Swept
	var micros int64
	if err := db.QueryRowContext(ctx, "select "+s.clock()).Scan(&micros); err != nil {
		return swept, withoutURL(err)
	}
	now := time.UnixMicro(micros)
	var err error
	if swept.Redemptions, err = s.sweepRedemptions(ctx, db, now.Add(-ledger.Margin)); err != nil {
		return swept, fmt.Errorf("sweep redemptions: %w", withoutURL(err))
	}
	if swept.Revocations, err = s.sweepRevocations(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep revocations: %w", withoutURL(err))
	}
	if swept.Captures, err = s.sweepCaptures(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep captures: %w", withoutURL(err))
	}
	if swept.Sessions, swept.Departures, swept.Profiles, err = s.sweepSignIn(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep sign-ins: %w", withoutURL(err))
	}
	if swept.Requests, err = s.sweepRequests(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep authorization requests: %w", withoutURL(err))
	}
	if swept.Devices, err = s.sweepDevices(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep requests of devices: %w", withoutURL(err))
	}
	if swept.Interactions, err = s.sweepInteractions(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep interactions: %w", withoutURL(err))
	}
	if swept.Connects, err = s.sweepConnects(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep ways to connect: %w", withoutURL(err))
	}
	if swept.Approvals, err = s.sweepApprovals(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep approvals: %w", withoutURL(err))
	}
	if swept.Families, err = s.sweepFamilies(ctx, db); err != nil {
		return swept, fmt.Errorf("sweep families: %w", withoutURL(err))
	}
	if swept.Changes, err = sweepChanges(ctx, db, now.Add(-changesKept)); err != nil {
		return swept, fmt.Errorf("sweep changes of tenants: %w", withoutURL(err))
	}
	for _, table := range []struct {
		name, column string
		keep         time.Duration
		gone         *int64
	}{{"decisions", "at", keep.Decisions, &swept.Decisions}, {"issued_tokens", "issued_at", keep.Tokens, &swept.Tokens}} {
		if table.keep == 0 {
			continue
		}
		if *table.gone, err = s.dropExpired(ctx, db, table.name, table.column, now, table.keep); err != nil {
			return swept, fmt.Errorf("sweep %s: %w", table.name, withoutURL(err))
		}
	}
	if s.dialect == Postgres {
		if err = db.QueryRowContext(ctx, "select chancery_prepare_partitions($1)", micros).Scan(&swept.Partitions); err != nil {
			return swept, fmt.Errorf("prepare partitions: %w", withoutURL(err))
		}
	}
	return swept, nil
}

func (s *Store) sweepRedemptions(ctx context.Context, db execer, before time.Time) (int64, error) {
	// A bounded number at a time, found by place: on neither engine is there a key shorter than the row.
	query := "delete from redemptions where rowid in (select rowid from redemptions where expires_at < $1 limit $2)"
	if s.dialect == Postgres {
		query = "delete from redemptions where ctid = any(array(select ctid from redemptions where expires_at < $1 limit $2))"
	}
	var gone int64
	for {
		done, err := db.ExecContext(ctx, query, before.UnixMicro(), sweepBatch)
		if err != nil {
			return gone, err
		}
		n, err := done.RowsAffected()
		gone += n
		if err != nil || n < sweepBatch {
			return gone, err
		}
	}
}

// ownersDay is what chancery_drop_expired keeps whatever it is told, and an hour more, so that no clock is asked twice.
const ownersDay = 25 * time.Hour

// dropExpired removes rows on SQLite; on PostgreSQL the runtime role cannot, and the owner's function drops months.
func (s *Store) dropExpired(ctx context.Context, db execer, table, column string, now time.Time, keep time.Duration) (int64, error) {
	var gone int64
	if s.dialect == Postgres {
		err := db.QueryRowContext(ctx, "select chancery_drop_expired($1, $2)", table, now.Add(-max(keep, ownersDay)).UnixMicro()).Scan(&gone)
		return gone, err
	}
	// Rows come nearly in the order of their age: the first ones tell whether there is something to remove, so that a sweep
	// that finds nothing does not read the table. What came late goes when it is among the first.
	query := "delete from " + table + " where rowid in (select rowid from " + table + " order by rowid limit $2) and " + column + " < $1"
	for {
		done, err := db.ExecContext(ctx, query, now.Add(-keep).UnixMicro(), sweepBatch)
		if err != nil {
			return gone, err
		}
		n, err := done.RowsAffected()
		gone += n
		if err != nil || n < sweepBatch {
			return gone, err
		}
	}
}
