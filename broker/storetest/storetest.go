// Package storetest is the contract that every store keeps, on SQLite and on
// PostgreSQL, and the databases on which tests of other packages run. It imports
// the store, the ledger and the migrations, and no heavier room. It is for tests.
package storetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/migrations"
)

// ServerVariable names a superuser's URL of a PostgreSQL server for tests.
const ServerVariable = "CHANCERY_TEST_POSTGRES_URL"

// Engine is a kind of database.
type Engine struct {
	Name   string
	server string
}

// Engines returns every engine that is served. It fails the test when the
// PostgreSQL server is not there: half a contract is none.
func Engines(t testing.TB) []Engine {
	t.Helper()
	server := os.Getenv(ServerVariable)
	if server == "" {
		t.Fatalf("%s is not set: deploy/ci/postgres.sh run -- go test …", ServerVariable)
	}
	return []Engine{{Name: "sqlite"}, {Name: "postgres", server: server}}
}

// Each runs a test on a fresh database of each engine.
func Each(t *testing.T, test func(t *testing.T, d *Database)) {
	t.Helper()
	for _, e := range Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(t, e.New(t)) })
	}
}

// Database is a migrated database with one tenant, default.
type Database struct {
	Engine
	URL      string       // for the runtime role on PostgreSQL
	OwnerURL string       // for the owner of the tables; the same on SQLite
	Store    *store.Store // as the runtime role
	Owner    *sql.DB      // as the owner of the tables
	Role     string       // the runtime role; "" on SQLite

	Default tenant.UID // the tenant default

	log     *slog.Logger
	ledgers map[*store.Store]*ledger.Ledger
}

// New makes a fresh database, which goes when the test ends.
func (e Engine) New(t testing.TB) *Database {
	t.Helper()
	d := &Database{Engine: e, log: slog.New(slog.DiscardHandler), ledgers: map[*store.Store]*ledger.Ledger{}}
	if e.server == "" {
		d.URL = "sqlite://" + filepath.Join(t.TempDir(), "chancery.db")
		d.OwnerURL = d.URL
		d.Store = d.Open(t)
		d.Owner = d.Store.SQL()
		_, err := migrations.Up(t.Context(), d.Owner, migrations.SQLite)
		must(t, err)
	} else {
		d.makePostgres(t)
		d.Store = d.Open(t)
	}
	objects, err := d.Store.Objects(d.Store.Alone(time.Now))
	must(t, err)
	first, err := objects.Bootstrap(t.Context(), tenant.DefaultName, time.Now())
	must(t, err)
	d.Default = first.Tenant
	return d
}

// Open connects once more, as another process would. SQLite takes one process only.
func (d *Database) Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: d.URL})
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Ledger gives the ledger of a store of the database, and starts it first if it
// must: there is one writer in a process.
func (d *Database) Ledger(t testing.TB, s *store.Store) *ledger.Ledger {
	t.Helper()
	if l := d.ledgers[s]; l != nil {
		return l
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	signer, err := audit.NewPrivateKey(key)
	must(t, err)
	l, err := ledger.New(ledger.Config{
		Journal: s.Journal(), Checkpoints: s.Checkpoints(), Signer: signer, Every: time.Hour, Now: time.Now, Log: d.log,
	})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	d.ledgers[s] = l
	return l
}

// Objects opens the store of objects behind a ledger of its own.
func (d *Database) Objects(t testing.TB) *store.Objects {
	t.Helper()
	return d.ObjectsOf(t, d.Store)
}

// ObjectsOf is Objects on another replica's store.
func (d *Database) ObjectsOf(t testing.TB, s *store.Store) *store.Objects {
	t.Helper()
	objects, err := s.Objects(d.Ledger(t, s))
	must(t, err)
	return objects
}

// Tenant makes one more tenant.
func (d *Database) Tenant(t testing.TB, name string) tenant.UID {
	t.Helper()
	writer := d.Store.Alone(time.Now) // before there is a ledger; afterwards it is the only writer
	if l := d.ledgers[d.Store]; l != nil {
		writer = l
	}
	objects, err := d.Store.Objects(writer)
	must(t, err)
	made, err := objects.Bootstrap(t.Context(), name, time.Now())
	must(t, err)
	return made.Tenant
}

// Apply makes one change with its event, and fails the test if it cannot.
func Apply(t testing.TB, objects *store.Objects, c object.Change) (version int64) {
	t.Helper()
	version, err := objects.Apply(t.Context(), object.Write{Tenant: c.Tenant, Changes: []object.Change{c}, Events: []audit.Event{Event(c.Tenant)}})
	must(t, err)
	return version
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
