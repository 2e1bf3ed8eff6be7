package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// errNoTx says that something else than the journal's transaction was handed back.
var errNoTx = errors.New("this is no transaction of the store")

// SQLTx unwraps the transaction that a ledger.Change hands to its Write.
func SQLTx(tx ledger.Tx) (*sql.Tx, error) {
	t, ok := tx.(*sql.Tx)
	if !ok || t == nil {
		return nil, errNoTx
	}
	return t, nil
}

// Change implements ledger.Journal. Two changes of a tenant run one after the
// other for all of their length; the lock that commits share is taken only for
// the end, so that a long change does not hold up the other replicas' grants.
func (j *postgresJournal) Change(ctx context.Context, c ledger.Change, p ledger.Page) (int64, error) {
	tx, err := j.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("begin a change: %w", withoutURL(err))
	}
	defer func() { _ = tx.Rollback() }() // says so when it is committed
	uid := c.Tenant.String()
	for _, step := range []struct{ sql, arg string }{
		{"select pg_advisory_xact_lock(hashtextextended('chancery/change/' || $1, 0))", uid},
		{"select set_config('chancery.tenant', $1, true)", uid},
	} {
		if _, err := tx.ExecContext(ctx, step.sql, step.arg); err != nil {
			return 0, fmt.Errorf("lock for a change: %w", classify(err, false))
		}
	}
	if err := c.Write(ctx, tx); err != nil {
		return 0, contended(err)
	}
	version, err := j.raise(ctx, tx, c)
	if err != nil {
		return 0, classify(err, false)
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{insertEventsPostgres, eventColumns(p.From.Writer, p.Rows)},
		{moveHeadPostgres, []any{p.From.Writer, p.To.Seq, p.To.Link[:], p.From.Seq, p.From.Link[:]}},
	} {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return 0, classify(err, false)
		}
	}
	if err := classify(tx.Commit(), true); err != nil {
		return version, fmt.Errorf("commit a change: %w", err) // which may have happened
	}
	return version, nil
}

// raise takes the exclusive lock, so that every commit decided on the old version is done, and moves
// the version, so that every later one is decided anew.
func (j *postgresJournal) raise(ctx context.Context, tx *sql.Tx, c ledger.Change) (int64, error) {
	if len(c.Raise) == 0 {
		return 0, nil
	}
	if err := j.holdTenant(ctx, tx, c.Tenant); err != nil {
		return 0, err
	}
	return j.insertVersion(ctx, tx, c)
}

// holdTenant takes the exclusive lock within a change. One that touches rows of batches (families, redemptions) takes it before
// them, as batches do: who held such a row while he waits for a batch that wants it would wait for ever.
func (s *Store) holdTenant(ctx context.Context, tx *sql.Tx, t tenant.UID) error {
	if s.dialect != Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(hashtextextended('chancery/tenant/' || $1, 0))", t.String())
	return err
}

func (s *Store) insertVersion(ctx context.Context, tx *sql.Tx, c ledger.Change) (int64, error) {
	var version int64
	uid := c.Tenant.String()
	err := tx.QueryRowContext(ctx, "insert into tenant_versions (tenant_uid, version) values ($1, 1) "+
		"on conflict (tenant_uid) do update set version = tenant_versions.version + 1 returning version", uid).Scan(&version)
	if err != nil {
		return 0, err
	}
	for _, o := range c.Raise {
		_, err := tx.ExecContext(ctx, s.withClock("insert into tenant_changes (tenant_uid, version, kind, uid, at) "+
			"values ($1, $2, $3, $4, @now) on conflict do nothing"), uid, version, o.Kind, o.UID)
		if err != nil {
			return 0, err
		}
	}
	return version, nil
}

// contended marks a lock conflict inside a change's own rows; any other error is its writer's own.
func contended(err error) error {
	if class := classify(err, false); errors.Is(class, ledger.ErrContended) {
		return fmt.Errorf("%w: %w", ledger.ErrContended, err)
	}
	return err
}

// Change implements ledger.Journal.
func (j *sqliteJournal) Change(ctx context.Context, c ledger.Change, p ledger.Page) (int64, error) {
	conn, err := j.write.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer closeConn(conn)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	if err := c.Write(ctx, tx); err != nil {
		return 0, err
	}
	var version int64
	if len(c.Raise) > 0 {
		if version, err = j.insertVersion(ctx, tx, c); err != nil {
			return 0, classifySQLite(err)
		}
	}
	if err := writePage(ctx, tx, p); err != nil {
		return 0, classifySQLite(err)
	}
	if err := tx.Commit(); err != nil {
		return version, unknownSQLite(err)
	}
	return version, nil
}
