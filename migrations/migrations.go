// Package migrations holds the schema and brings a database to it. The SQL of
// both engines is embedded: the same number is the same change in both. Changes
// are additive (expand, then contract a release later), so that the binary of
// the release before still runs on the new schema while replicas roll. Nothing
// else creates or alters a table. The package imports no room of the house.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Dialect names an engine.
type Dialect string

// The engines there are.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// table is where the applied numbers are kept.
const table = "chancery_migrations"

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// What keeps a binary from a database.
var (
	ErrDialect = errors.New("not an engine that there is a schema for (sqlite, postgres)")
	ErrBehind  = errors.New("the schema is older than this binary needs: chancery migrate up")
)

// Step is one migration.
type Step struct {
	Version int64
	Name    string
	Applied bool
	SQL     string // what going up runs
}

// Steps lists the migrations of an engine in their order, none marked as applied.
func Steps(d Dialect) ([]Step, error) {
	folder, err := sources(d)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	steps := make([]Step, 0, len(entries))
	for _, entry := range entries {
		step, err := read(folder, entry.Name())
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func read(folder fs.FS, name string) (Step, error) {
	number, rest, found := strings.Cut(strings.TrimSuffix(name, path.Ext(name)), "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !found {
		return Step{}, fmt.Errorf("migration %s: its name is not NUMBER_name.sql", name)
	}
	text, err := fs.ReadFile(folder, name)
	if err != nil {
		return Step{}, fmt.Errorf("migration %s: %w", name, err)
	}
	up, _, _ := strings.Cut(string(text), "-- +goose Down")
	_, up, found = strings.Cut(up, "-- +goose Up")
	if !found {
		return Step{}, fmt.Errorf("migration %s: nothing to go up by", name)
	}
	return Step{Version: version, Name: rest, SQL: strings.TrimSpace(up)}, nil
}

func sources(d Dialect) (fs.FS, error) {
	if d != SQLite && d != Postgres {
		return nil, fmt.Errorf("%w: %q", ErrDialect, d)
	}
	return fs.Sub(files, string(d))
}

// Status lists every migration and whether it is applied. It changes nothing,
// not even on an empty database.
func Status(ctx context.Context, db *sql.DB, d Dialect) ([]Step, error) {
	steps, err := Steps(d)
	if err != nil {
		return nil, err
	}
	applied, err := applied(ctx, db, d)
	if err != nil {
		return nil, err
	}
	for i := range steps {
		steps[i].Applied = slices.Contains(applied, steps[i].Version)
	}
	return steps, nil
}

// Plan lists what Up would run, with its SQL.
func Plan(ctx context.Context, db *sql.DB, d Dialect) ([]Step, error) {
	steps, err := Status(ctx, db, d)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(steps, func(s Step) bool { return s.Applied }), nil
}

// Check tells whether the schema has everything that this binary needs. A newer
// schema is fine: changes are additive.
func Check(ctx context.Context, db *sql.DB, d Dialect) error {
	missing, err := Plan(ctx, db, d)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w (%d missing, first %05d_%s)", ErrBehind, len(missing), missing[0].Version, missing[0].Name)
	}
	return nil
}

// Up runs what is missing, each migration in a transaction of its own, and
// returns it. Several starters wait for each other; one that was killed leaves
// whole migrations behind and no lock (F18).
func Up(ctx context.Context, db *sql.DB, d Dialect) ([]Step, error) {
	provider, err := open(db, d)
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return stepsOf(d, results)
}

// Down takes the newest migration back. It destroys what that migration's tables hold.
func Down(ctx context.Context, db *sql.DB, d Dialect) (Step, error) {
	provider, err := open(db, d)
	if err != nil {
		return Step{}, err
	}
	result, err := provider.Down(ctx)
	if err != nil {
		return Step{}, fmt.Errorf("migrate: %w", err)
	}
	steps, err := stepsOf(d, []*goose.MigrationResult{result})
	if err != nil {
		return Step{}, err
	}
	return steps[0], nil
}

func stepsOf(d Dialect, results []*goose.MigrationResult) ([]Step, error) {
	all, err := Steps(d)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, 0, len(results))
	for _, r := range results {
		i := slices.IndexFunc(all, func(s Step) bool { return s.Version == r.Source.Version })
		if i < 0 {
			return nil, fmt.Errorf("migrate: no migration %d is known here", r.Source.Version)
		}
		all[i].Applied = r.Direction == "up"
		steps = append(steps, all[i])
	}
	return steps, nil
}

func open(db *sql.DB, d Dialect) (*goose.Provider, error) {
	folder, err := sources(d)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{
		goose.WithTableName(table),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	}
	dialect := goose.DialectSQLite3 // one process holds the file: nothing to lock
	if d == Postgres {
		dialect = goose.DialectPostgres
		locker, err := newLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db, folder, options...)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return provider, nil
}

// locker is goose's session-level advisory lock, which the server drops with the
// session that held it. The session also loses its bound on a statement's time:
// that is for requests, and building an index may take longer.
type locker struct{ lock.SessionLocker }

const (
	lockID       = 0x6368616e63657279 // "chancery"
	lockAttempts = 300                // one a second
)

func newLocker() (locker, error) {
	inner, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, lockAttempts))
	if err != nil {
		return locker{}, fmt.Errorf("migrate: %w", err)
	}
	return locker{inner}, nil
}

// SessionLock implements lock.SessionLocker.
func (l locker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "set statement_timeout = 0"); err != nil {
		return err
	}
	return l.SessionLocker.SessionLock(ctx, conn)
}

// SessionUnlock implements lock.SessionLocker.
func (l locker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "reset statement_timeout")
	return errors.Join(err, l.SessionLocker.SessionUnlock(ctx, conn))
}

// applied reads the numbers that are in force, none on an empty database.
func applied(ctx context.Context, db *sql.DB, d Dialect) ([]int64, error) {
	exists := "select to_regclass('" + table + "') is not null"
	if d == SQLite {
		exists = "select count(*) > 0 from sqlite_master where type = 'table' and name = '" + table + "'"
	}
	var found bool
	if err := db.QueryRowContext(ctx, exists).Scan(&found); err != nil {
		return nil, fmt.Errorf("read the schema's version: %w", err)
	}
	if !found {
		return nil, nil
	}
	rows, err := db.QueryContext(ctx, "select version_id from "+table+" where is_applied")
	if err != nil {
		return nil, fmt.Errorf("read the schema's version: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var versions []int64
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("read the schema's version: %w", err)
		}
		versions = append(versions, v)
	}
	return versions, rows.Err()
}
