package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/chancery-dev/chancery/migrations"
)

// makePostgres makes a database with an owner and a runtime role of its own, the
// way an installation is set up: the owner migrates and grants.
func (d *Database) makePostgres(t testing.TB) {
	t.Helper()
	d.emptyPostgres(t)
	_, err := migrations.Up(t.Context(), d.Owner, migrations.Postgres)
	must(t, err)
	must(t, migrations.Grant(t.Context(), d.Owner, d.Role))
}

// emptyPostgres makes the database and its roles, and no table.
func (d *Database) emptyPostgres(t testing.TB) {
	t.Helper()
	suffix := strings.ToLower(rand.Text()[:12])
	name, owner, password := "test_"+suffix, "owner_"+suffix, rand.Text()
	d.Role = "runtime_" + suffix

	root, err := pgx.Connect(t.Context(), d.server)
	must(t, err)
	for _, statement := range []string{
		"create role " + owner + " login password '" + password + "'",
		"create role " + d.Role + " login password '" + password + "'",
		"create database " + name + " owner " + owner,
	} {
		_, err := root.Exec(t.Context(), statement)
		must(t, err)
	}
	must(t, root.Close(t.Context()))
	t.Cleanup(func() { dropPostgres(t, d.server, name, owner, d.Role) })

	d.URL = as(t, d.server, name, d.Role, password)
	d.OwnerURL = as(t, d.server, name, owner, password)
	config, err := pgx.ParseConfig(d.OwnerURL)
	must(t, err)
	d.Owner = stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = d.Owner.Close() })
}

// Empty makes a PostgreSQL database without a schema; there is no Store on it.
func (e Engine) Empty(t testing.TB) *Database {
	t.Helper()
	if e.server == "" {
		t.Fatal("only PostgreSQL has an owner apart")
	}
	d := &Database{Engine: e}
	d.emptyPostgres(t)
	return d
}

func dropPostgres(t testing.TB, server, database string, roles ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	root, err := pgx.Connect(ctx, server)
	if err != nil {
		return // the server went first
	}
	defer func() { _ = root.Close(ctx) }()
	if _, err := root.Exec(ctx, "drop database "+database+" with (force)"); err != nil {
		t.Error(err)
	}
	for _, role := range roles {
		if _, err := root.Exec(ctx, "drop role "+role); err != nil {
			t.Error(err)
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

// Raw opens a plain connection as the runtime role, past every store.
func (d *Database) Raw(t testing.TB) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(d.URL)
	must(t, err)
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Root runs a statement as the server's superuser.
func (d *Database) Root(t testing.TB, statement string) {
	t.Helper()
	root, err := pgx.Connect(t.Context(), d.server)
	must(t, err)
	defer func() { _ = root.Close(t.Context()) }()
	_, err = root.Exec(t.Context(), statement)
	must(t, err)
}

// Disconnect ends the sessions of an application, as a restart of the server would.
func (d *Database) Disconnect(t testing.TB, application string) {
	t.Helper()
	root, err := pgx.Connect(t.Context(), d.server)
	must(t, err)
	defer func() { _ = root.Close(t.Context()) }()
	_, err = root.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and usename = $2", application, d.Role)
	must(t, err)
}
