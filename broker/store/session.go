package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// rows opens gorm over a pool. It makes no connection and no table.
func (s *Store) rows(pool *sql.DB) (*gorm.DB, error) {
	var dialector gorm.Dialector
	switch s.dialect {
	case Postgres:
		dialector = postgres.New(postgres.Config{Conn: pool})
	case SQLite:
		dialector = sqlite.New(sqlite.Config{Conn: pool})
	}
	db, err := gorm.Open(dialector, &gorm.Config{
		Logger:                 logger.Discard, // gorm prints statements with their arguments
		SkipDefaultTransaction: true,           // every statement has one already
		DisableAutomaticPing:   true,
	})
	if err != nil {
		return nil, fmt.Errorf("open the rows: %w", withoutURL(err))
	}
	return db, nil
}

// session is a gorm of its own for one transaction: a reused one would carry the
// conditions of the statement before (threat M9).
func session(ctx context.Context, db *gorm.DB, conn gorm.ConnPool) *gorm.DB {
	fresh := db.Session(&gorm.Session{NewDB: true, Context: ctx})
	fresh.Statement.ConnPool = conn
	return fresh
}

// readIn runs reads of one tenant in one transaction. On PostgreSQL the
// transaction names the tenant, without which row-level security shows nothing.
func (s *Store) readIn(ctx context.Context, db *gorm.DB, t tenant.UID, read func(tx *gorm.DB) error) error {
	if err := t.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if s.dialect == Postgres {
		if _, err := tx.ExecContext(ctx, "select set_config('chancery.tenant', $1, true)", t.String()); err != nil {
			return withoutURL(err)
		}
	}
	return withoutURL(read(session(ctx, db, tx)))
}

// Applier makes changes together with their audit events: the ledger.
type Applier interface {
	Apply(ctx context.Context, c ledger.Change) (version int64, err error)
}

// channel is where PostgreSQL says that a version has moved. Poolers drop what is
// said there: it only hastens the poll.
const channel = "chancery_versions"

// writeIn wraps the rows of a change for Applier.Apply. Its tenant is named by
// the transaction that the ledger opened. write may be called again after a
// conflict of locks.
func (s *Store) writeIn(db *gorm.DB, t tenant.UID, raise []ledger.ChangedObject, write func(tx *gorm.DB) error) func(context.Context, ledger.Tx) error {
	return func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		if err := write(session(ctx, db, conn)); err != nil {
			return err
		}
		if s.dialect != Postgres || len(raise) == 0 {
			return nil
		}
		_, err = conn.ExecContext(ctx, "select pg_notify('"+channel+"', $1)", t.String()) // heard when the transaction commits
		return err
	}
}

// errIncomplete is a mistake of the caller: nothing is written.
var errIncomplete = errors.New("incomplete")
