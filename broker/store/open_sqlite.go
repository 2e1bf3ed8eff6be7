package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver, in pure Go
)

// pragmas hold on every connection. FULL syncs the log at each commit: with less, a power cut
// forgets redemptions that were answered.
const pragmas = "_pragma=busy_timeout(3000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(on)"

func openSQLite(ctx context.Context, c Config, u *url.URL) (*Store, error) {
	path, err := sqlitePath(u)
	if err != nil {
		return nil, err
	}
	// Made by us, so that nobody else on the machine can read it.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	_ = file.Close()
	release, err := hold(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{dialect: SQLite, release: release, limit: c.StatementTimeout}
	// One write connection: several would starve each other on SQLite's one lock.
	s.write, err = connectSQLite(path, "_txlock=immediate", 1)
	if err != nil {
		release()
		return nil, err
	}
	s.read, err = connectSQLite(path, "_txlock=deferred&_pragma=query_only(on)", c.Connections)
	if err != nil {
		s.read = s.write
		return nil, errors.Join(err, s.Close())
	}
	if err := s.checkSQLite(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func sqlitePath(u *url.URL) (string, error) {
	path := u.Host + u.Path
	if path == "" || strings.HasSuffix(path, "/") || u.User != nil || u.Fragment != "" {
		return "", fmt.Errorf("%w: sqlite needs the path of a file", ErrURL)
	}
	if u.RawQuery != "" { // a pragma there could lose what was acknowledged
		return "", fmt.Errorf("%w: sqlite takes no parameters", ErrURL)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open the database: %w", err)
	}
	return path, nil
}

func connectSQLite(path, lock string, connections int) (*sql.DB, error) {
	name := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: pragmas + "&" + lock}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(0)
	db.SetConnMaxLifetime(0)
	return db, nil
}

// checkSQLite looks at what is in force, whatever was asked for: the file itself remembers its journal.
func (s *Store) checkSQLite(ctx context.Context) error {
	var synchronous, foreignKeys int
	var journal string
	for _, ask := range []struct {
		pragma string
		into   any
	}{{"journal_mode", &journal}, {"synchronous", &synchronous}, {"foreign_keys", &foreignKeys}} {
		if err := s.write.QueryRowContext(ctx, "pragma "+ask.pragma).Scan(ask.into); err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
	}
	if synchronous < 2 { // 2 is FULL, 3 EXTRA
		return fmt.Errorf("%w: synchronous is %d, not FULL", ErrSynchronous, synchronous)
	}
	if !strings.EqualFold(journal, "wal") {
		return fmt.Errorf("%w: journal_mode is %s, not WAL", ErrSynchronous, journal)
	}
	if foreignKeys != 1 {
		return errors.New("open the database: foreign_keys is off")
	}
	return nil
}

// connectSQLiteToRead changes nothing; of a file at rest it makes none beside it either.
func connectSQLiteToRead(path string, rests bool) (*sql.DB, error) {
	name := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "mode=ro&_pragma=busy_timeout(3000)&_pragma=query_only(on)"}
	if rests {
		name.RawQuery += "&immutable=1"
	}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return db, nil
}
