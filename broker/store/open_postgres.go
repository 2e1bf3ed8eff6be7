package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// journalSettings: the ledger's few statements are planned once, whatever the arrays hold, and find rows by
// their keys however small a table was when they were planned.
func journalSettings() map[string]string {
	return map[string]string{"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
}

// journalConnections: one for the ledger's writer, one for its heartbeat and checkpoints.
const journalConnections = 2

// standingConnections: introspection asks for many tokens at once, so it needs few. Its statements, too, find rows by keys.
const standingConnections = 4

func openPostgres(ctx context.Context, c Config) (*Store, error) {
	pool, err := newPool(ctx, c, c.Connections, nil)
	if err != nil {
		return nil, err
	}
	journal, err := newPool(ctx, c, journalConnections, journalSettings())
	if err != nil {
		pool.Close()
		return nil, err
	}
	standing, err := newPool(ctx, c, standingConnections, journalSettings())
	if err != nil {
		pool.Close()
		journal.Close()
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	db.SetMaxIdleConns(0) // the pool below keeps the idle ones
	s := &Store{
		dialect: Postgres, write: db, read: db, pool: pool, journal: journal, standing: standing,
		release: func() {}, limit: c.StatementTimeout,
	}
	if err := s.checkPostgres(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func newPool(ctx context.Context, c Config, connections int, settings map[string]string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		// The parser's error quotes the URL.
		return nil, fmt.Errorf("%w: it does not parse", ErrURL)
	}
	if mode := config.ConnConfig.DefaultQueryExecMode; mode == pgx.QueryExecModeSimpleProtocol || mode == pgx.QueryExecModeExec {
		// CVE-2026-41889 and its kin: arguments never become text of the statement.
		return nil, fmt.Errorf("%w: default_query_exec_mode cannot be chosen", ErrURL)
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.RuntimeParams["statement_timeout"] = strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10)
	// A session that went away in the middle of a transaction must not keep its locks.
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "10000"
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if _, named := config.ConnConfig.RuntimeParams["application_name"]; !named {
		config.ConnConfig.RuntimeParams["application_name"] = "chancery"
	}
	if c.readOnly {
		config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	}
	maps.Copy(config.ConnConfig.RuntimeParams, settings)
	config.MaxConns = int32(min(connections, 1000)) //nolint:gosec // bounded on the same line
	config.MinConns = 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, withoutURL(err)
	}
	return pool, nil
}

// checkPostgres refuses a server that would acknowledge what it can lose: a
// redemption that is forgotten is an assertion that can be used again (F5).
func (s *Store) checkPostgres(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var mode string
	if err := s.pool.QueryRow(ctx, "select current_setting('synchronous_commit')").Scan(&mode); err != nil {
		return fmt.Errorf("open the database: %w", withoutURL(err))
	}
	if mode == "off" {
		return fmt.Errorf("%w: synchronous_commit is off", ErrSynchronous)
	}
	return nil
}

// withoutURL takes the address, the user and the database's name out of a connection error, and makes every error about
// reaching the database an *Unreachable.
func withoutURL(err error) error {
	if err == nil || !away(err) {
		return err
	}
	if _, known := errors.AsType[*Unreachable](err); known {
		return err
	}
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if err = errors.New("connect to the database"); connect.Unwrap() != nil {
			err = fmt.Errorf("connect to the database: %w", connect.Unwrap())
		}
	}
	return &Unreachable{cause: err}
}
