package storetest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/migrations"
)

func empty(t *testing.T) *storetest.Database {
	t.Helper()
	engines := storetest.Engines(t)
	return engines[len(engines)-1].Empty(t)
}

// TestStartersDoNotRace: several processes that migrate at once wait for each other.
func TestStartersDoNotRace(t *testing.T) {
	d := empty(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ran := 0
	for range 5 {
		wg.Go(func() {
			steps, err := migrations.Up(t.Context(), d.Owner, migrations.Postgres)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ran += len(steps)
		})
	}
	wg.Wait()
	all, err := migrations.Steps(migrations.Postgres)
	if err != nil || ran != len(all) {
		t.Fatalf("%d steps ran, want each of %d once; %v", ran, len(all), err)
	}
}

// TestKilledMigration (F18): a migration whose session is cut in the middle leaves
// nothing behind, not even its lock, and the next start completes it.
func TestKilledMigration(t *testing.T) {
	d := empty(t)
	ctx := t.Context()
	// Somebody holds the name of a table in an open transaction: the migration waits there, in the middle.
	tx, err := d.Owner.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "create table checkpoint_keys (a int)"); err != nil {
		t.Fatal(err)
	}
	killed := make(chan error, 1)
	go func() {
		_, err := migrations.Up(context.WithoutCancel(ctx), d.Owner, migrations.Postgres)
		killed <- err
	}()
	deadline := time.Now().Add(20 * time.Second)
	for cut := 0; cut == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the migration never waited")
		}
		err := d.Owner.QueryRowContext(ctx, `select count(pg_terminate_backend(pid)) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and wait_event_type = 'Lock' and query ilike '%create table checkpoint_keys%'`).Scan(&cut)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-killed; err == nil {
		t.Fatal("a migration that was cut off reports success")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Check(ctx, d.Owner, migrations.Postgres); !errors.Is(err, migrations.ErrBehind) {
		t.Fatalf("half a schema passes: %v", err)
	}
	if _, err := migrations.Up(ctx, d.Owner, migrations.Postgres); err != nil {
		t.Fatalf("the next start: %v", err)
	}
	if err := migrations.Check(ctx, d.Owner, migrations.Postgres); err != nil {
		t.Fatal(err)
	}
}

func TestCheckRole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		if err := d.Store.CheckRole(t.Context()); err != nil {
			t.Errorf("the runtime role: %v", err)
		}
		if d.Role == "" {
			return
		}
		owner, err := store.Open(t.Context(), store.Config{URL: d.OwnerURL})
		if err != nil {
			t.Fatal(err)
		}
		defer owner.Close()
		if err := owner.CheckRole(t.Context()); !errors.Is(err, store.ErrRole) {
			t.Errorf("the owner: %v, want ErrRole", err)
		}
		// A role that may become one of these can rewrite what it has recorded, whatever its own rights are.
		for of, change := range map[string][2]string{
			"a superuser": {"grant postgres to " + d.Role, "revoke postgres from " + d.Role},
			"who writes":  {"grant pg_write_all_data to " + d.Role, "revoke pg_write_all_data from " + d.Role},
			"who grants":  {"alter role " + d.Role + " createrole", "alter role " + d.Role + " nocreaterole"}, // until PostgreSQL 15 itself, too
		} {
			d.Root(t, change[0])
			if err := d.Store.CheckRole(t.Context()); !errors.Is(err, store.ErrRole) {
				t.Errorf("%s: %v, want ErrRole", of, err)
			}
			if err := migrations.Grant(t.Context(), d.Owner, d.Role); !errors.Is(err, migrations.ErrRole) {
				t.Errorf("granted to %s: %v, want ErrRole", of, err)
			}
			d.Root(t, change[1])
		}
		if err := d.Store.CheckRole(t.Context()); err != nil {
			t.Errorf("a member no more: %v", err)
		}
	})
}
