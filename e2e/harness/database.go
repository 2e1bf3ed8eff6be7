package harness

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // to look into the file of a server
)

// ServerVariable names a superuser's URL of a PostgreSQL server for tests.
const ServerVariable = "CHANCERY_TEST_POSTGRES_URL"

// Engine is a kind of database.
type Engine string

// The engines that are served.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Each runs a test on each engine.
func Each(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Helper()
	for _, e := range []Engine{SQLite, Postgres} {
		t.Run(string(e), func(t *testing.T) { test(t, e) })
	}
}

// Database is a fresh, empty database: a server migrates it.
type Database struct {
	Engine   Engine
	URL      string // as the runtime role
	OwnerURL string // as the role that owns the schema; "" on SQLite
	File     string // "" on PostgreSQL
}

// NewDatabase makes one, which goes when the test ends. It fails the test when the PostgreSQL server is not there:
// half a proof is none.
func NewDatabase(t testing.TB, e Engine) *Database {
	t.Helper()
	if e == SQLite {
		file := filepath.Join(t.TempDir(), "chancery.db")
		return &Database{Engine: e, URL: "sqlite://" + file, File: file}
	}
	server := os.Getenv(ServerVariable)
	if server == "" {
		t.Fatalf("%s is not set: deploy/ci/postgres.sh run -- go test …", ServerVariable)
	}
	suffix, password := strings.ToLower(rand.Text()[:12]), rand.Text()
	name, owner, runtime := "e2e_"+suffix, "e2e_owner_"+suffix, "e2e_runtime_"+suffix
	statements(t, server,
		"create role "+owner+" login password '"+password+"'",
		"create role "+runtime+" login password '"+password+"'",
		"create database "+name+" owner "+owner,
	)
	t.Cleanup(func() {
		statements(t, server, "drop database "+name+" with (force)", "drop role "+owner, "drop role "+runtime)
	})
	return &Database{Engine: e, URL: as(t, server, name, runtime, password), OwnerURL: as(t, server, name, owner, password)}
}

// statements run as the superuser, also while a test is cleaned up.
func statements(t testing.TB, server string, all ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	root, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Errorf("PostgreSQL: %v", err)
		return
	}
	defer func() { _ = root.Close(ctx) }()
	for _, statement := range all {
		if _, err := root.Exec(ctx, statement); err != nil {
			t.Errorf("%s: %v", strings.Fields(statement)[0], err)
		}
	}
}

func as(t testing.TB, server, database, role, password string) string {
	t.Helper()
	u, err := url.Parse(server)
	must(t, err)
	u.Path, u.User = "/"+database, url.UserPassword(role, password)
	return u.String()
}

// Open connects past every server: as the owner, to look. On SQLite it only reads.
func (d *Database) Open(t testing.TB) *sql.DB {
	t.Helper()
	var db *sql.DB
	if d.Engine == SQLite {
		var err error
		db, err = sql.Open("sqlite", "file:"+d.File+"?_pragma=query_only(on)&_pragma=busy_timeout(5000)")
		must(t, err)
	} else {
		config, err := pgx.ParseConfig(d.OwnerURL)
		must(t, err)
		db = stdlib.OpenDB(*config)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Count asks for one number.
func Count(t testing.TB, db *sql.DB, query string, arguments ...any) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var n int
	must(t, db.QueryRowContext(ctx, query, arguments...).Scan(&n))
	return n
}

// Strings asks for one column of text.
func Strings(t testing.TB, db *sql.DB, query string, arguments ...any) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	rows, err := db.QueryContext(ctx, query, arguments...)
	must(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		must(t, rows.Scan(&one))
		all = append(all, one)
	}
	must(t, rows.Err())
	return all
}

// Eventually polls until a condition holds, and fails the test when it does not within the time.
func Eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
