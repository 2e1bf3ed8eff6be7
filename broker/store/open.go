// Package store keeps what the broker's packages declare stores for, on SQLite
// and on PostgreSQL, and answers the same on both. Rows are gorm's, the ledger's
// and the audit log's are raw SQL. It decides nothing: what may be written is
// judged by the package that asks. Only commands and tests import it.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Dialect names the engine behind a store.
type Dialect string

// The engines there are.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Limits that hold unless Config says otherwise.
const (
	defaultConnections      = 16
	defaultStatementTimeout = 3 * time.Second
	connectTimeout          = 2 * time.Second
)

// What Open answers besides success and the engine's own words.
var (
	ErrURL         = errors.New("the database url must be sqlite:///path or postgres://…")
	ErrHeld        = errors.New("another process holds the SQLite file")
	ErrSynchronous = errors.New("the database would lose commits that were answered")
)

// Config says where the database is. URL may hold a password and is never
// printed nor part of an error.
type Config struct {
	URL string
	// Connections bounds each pool; 0 means 16.
	Connections int
	// StatementTimeout bounds one statement; 0 means 3 s. More is refused: a request must not
	// wait longer for the database than a client waits for us.
	StatementTimeout time.Duration

	readOnly bool // OpenToRead
}

// Store is one database. Its stores (Journal, Objects, …) share the pools.
type Store struct {
	dialect Dialect
	write   *sql.DB       // SQLite: the one write connection; PostgreSQL: pgx behind database/sql
	read    *sql.DB       // SQLite: a pool of readers; PostgreSQL: the same as write
	pool    *pgxpool.Pool // PostgreSQL only
	journal *pgxpool.Pool // PostgreSQL only: connections that readers cannot starve the ledger of
	release func()        // gives up the SQLite file
	limit   time.Duration // of one statement

	standing *pgxpool.Pool // PostgreSQL only: for introspection

	statements statements // SQLite only: of the readers
}

// Open connects and makes sure that the database keeps what it acknowledges. It
// creates no tables.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Connections == 0 {
		c.Connections = defaultConnections
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = defaultStatementTimeout
	}
	if c.Connections < 2 || c.StatementTimeout < 0 || c.StatementTimeout > defaultStatementTimeout {
		return nil, fmt.Errorf("the database needs at least 2 connections and a statement timeout of at most %s", defaultStatementTimeout)
	}
	// What url.Parse complains about is the URL itself, with its password: its error is not wrapped.
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, ErrURL
	}
	switch u.Scheme {
	case "sqlite":
		return openSQLite(ctx, c, u)
	case "postgres", "postgresql":
		return openPostgres(ctx, c)
	default:
		return nil, ErrURL
	}
}

// Dialect names the engine.
func (s *Store) Dialect() Dialect { return s.dialect }

// SQL is the pool for writes, for gorm and for migrations. On SQLite it is one connection.
func (s *Store) SQL() *sql.DB { return s.write }

// ReadSQL is the pool for reads that need not see an open write.
func (s *Store) ReadSQL() *sql.DB { return s.read }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return withoutURL(s.read.PingContext(ctx))
}

// Now is the database's clock, for comparing ours with.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var micros int64
	if err := s.read.QueryRowContext(ctx, "select "+s.clock()).Scan(&micros); err != nil {
		return time.Time{}, withoutURL(err)
	}
	return time.UnixMicro(micros).UTC(), nil
}

// withClock puts the database's time, in microseconds, where a statement says @now.
func (s *Store) withClock(statement string) string {
	return strings.ReplaceAll(statement, "@now", s.clock())
}

// clock is the SQL expression for the database's time in microseconds.
func (s *Store) clock() string {
	if s.dialect == Postgres {
		return clockPostgres
	}
	return clockSQLite
}

const (
	clockPostgres = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
	clockSQLite   = "cast(unixepoch('subsec') * 1000000 as integer)"
)

// Close gives back the connections and the SQLite file.
func (s *Store) Close() error {
	errs := []error{s.closeStatements()}
	if s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	errs = append(errs, s.write.Close())
	if s.pool != nil {
		s.standing.Close()
		s.journal.Close()
		s.pool.Close()
	}
	s.release()
	return errors.Join(errs...)
}
