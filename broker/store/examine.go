package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"
)

// OpenToRead opens a database for looking at it: nothing is made, nothing is changed, and a server that holds the SQLite
// file keeps it. What a store of it would write is refused by the database.
func OpenToRead(ctx context.Context, c Config) (*Store, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, ErrURL
	}
	c.readOnly = true
	if u.Scheme != "sqlite" {
		return Open(ctx, c)
	}
	path, err := sqlitePath(u)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db, err := connectSQLiteToRead(path, atRest(path))
	if err != nil {
		return nil, err
	}
	s := &Store{dialect: SQLite, write: db, read: db, release: func() {}, limit: defaultStatementTimeout}
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), s.Close())
	}
	return s, nil
}

// atRest tells that no process has the file and that all of it is in it. SQLite then takes it as it is; else it
// makes a log and an index beside it even for whoever only reads, which belong to him, and a server that may not
// write them does not start. After a crash the log is there and is read, for which the index is made.
func atRest(path string) bool {
	held, err := heldBy(path + ".lock")
	if held || err != nil {
		return false
	}
	log, err := os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist) || err == nil && log.Size() == 0
}

// Held tells whether a process holds the SQLite file of a URL; of PostgreSQL's it is false. Nothing is made.
func Held(rawURL string) (bool, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false, ErrURL
	}
	switch u.Scheme {
	case "sqlite":
	case "postgres", "postgresql":
		return false, nil
	default:
		return false, ErrURL
	}
	path, err := sqlitePath(u)
	if err != nil {
		return false, err
	}
	return heldBy(path + ".lock")
}

// Facts are what a database says of itself and of the installation in it.
type Facts struct {
	Version     string // of the engine
	Role        string // PostgreSQL: who we are there
	Synchronous string // PostgreSQL: synchronous_commit
}

// Facts reads them.
func (s *Store) Facts(ctx context.Context) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var f Facts
	query, into := "select sqlite_version()", []any{&f.Version}
	if s.dialect == Postgres {
		query = "select current_setting('server_version'), current_user, current_setting('synchronous_commit')"
		into = append(into, &f.Role, &f.Synchronous)
	}
	err := s.read.QueryRowContext(ctx, query).Scan(into...)
	return f, withoutURL(err)
}

// AuditFacts is how far the audit log is proved.
type AuditFacts struct {
	Events    bool      // there is any
	Number    int64     // of the newest checkpoint, 0: none
	At        time.Time // when it was written, by the database's clock
	Now       time.Time // the database's clock
	Live      int       // writers that were seen within the last minute
	Abandoned int       // writers that were not, and that nobody has sealed
}

// AuditFacts reads them.
func (s *Store) AuditFacts(ctx context.Context) (AuditFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var f AuditFacts
	var at, now int64
	query := s.withClock("select coalesce((select number from audit_checkpoints order by number desc limit 1), 0), " +
		"coalesce((select at from audit_checkpoints order by number desc limit 1), 0), @now, " +
		"(select count(*) from audit_writers where sealed_at is null and seen_at >= @now - $1), " +
		"(select count(*) from audit_writers where sealed_at is null and seen_at < @now - $1), exists (select 1 from audit_writers where seq > 0)")
	err := s.read.QueryRowContext(ctx, query, deadAfter.Microseconds()).Scan(&f.Number, &at, &now, &f.Live, &f.Abandoned, &f.Events)
	if err != nil {
		return AuditFacts{}, withoutURL(err)
	}
	f.At, f.Now = time.UnixMicro(at).UTC(), time.UnixMicro(now).UTC()
	return f, nil
}
