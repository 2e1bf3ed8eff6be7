package migrations

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite"
)

func TestBothEnginesHaveTheSameSteps(t *testing.T) {
	lite, err := Steps(SQLite)
	if err != nil {
		t.Fatal(err)
	}
	full, err := Steps(Postgres)
	if err != nil {
		t.Fatal(err)
	}
	same := slices.EqualFunc(lite, full, func(a, b Step) bool { return a.Version == b.Version && a.Name == b.Name })
	if !same || len(lite) == 0 {
		t.Fatalf("sqlite has %v, postgres has %v", names(lite), names(full))
	}
	for i, s := range lite {
		if s.Version != int64(i+1) {
			t.Errorf("step %d is number %d: numbers leave no gap", i+1, s.Version)
		}
		if s.SQL == "" || strings.Contains(s.SQL, "drop table") {
			t.Errorf("step %05d_%s: what goes up is empty or drops a table", s.Version, s.Name)
		}
	}
}

func TestEveryTableHasItsRights(t *testing.T) {
	steps, err := Steps(Postgres)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		for line := range strings.SplitSeq(s.SQL, "\n") {
			rest, found := strings.CutPrefix(line, "create table ")
			name, _, _ := strings.Cut(rest, " ")
			if !found || strings.HasSuffix(name, "_default") {
				continue
			}
			if !slices.ContainsFunc(rights, func(r struct{ table, may string }) bool { return r.table == name }) {
				t.Errorf("table %s: say in rights what the runtime role may do with it", name)
			}
		}
	}
}

func TestUnknownDialect(t *testing.T) {
	if _, err := Steps("mysql"); !errors.Is(err, ErrDialect) {
		t.Fatalf("got %v, want ErrDialect", err)
	}
}

func TestUpDownUp(t *testing.T) {
	db := openSQLite(t)
	ctx := t.Context()

	if err := Check(ctx, db, SQLite); !errors.Is(err, ErrBehind) {
		t.Fatalf("check of an empty database: %v, want ErrBehind", err)
	}
	plan, err := Plan(ctx, db, SQLite)
	if err != nil || len(plan) == 0 || !strings.Contains(plan[0].SQL, "create table tenants") {
		t.Fatalf("plan: %v, %v", names(plan), err)
	}
	if n := tables(t, db); n != 0 {
		t.Fatalf("looking made %d tables", n)
	}
	done, err := Up(ctx, db, SQLite)
	if err != nil || len(done) != len(plan) {
		t.Fatalf("up: %v, %v", names(done), err)
	}
	if err := Check(ctx, db, SQLite); err != nil {
		t.Fatalf("check: %v", err)
	}
	if again, err := Up(ctx, db, SQLite); err != nil || len(again) != 0 {
		t.Fatalf("up again: %v, %v", names(again), err)
	}
	for range plan {
		if _, err := Down(ctx, db, SQLite); err != nil {
			t.Fatalf("down: %v", err)
		}
	}
	if n := tables(t, db); n != 1 { // the list of migrations
		t.Fatalf("down left %d tables", n)
	}
	if _, err := Up(ctx, db, SQLite); err != nil {
		t.Fatalf("up after down: %v", err)
	}
}

func TestCheckTakesANewerSchema(t *testing.T) {
	db := openSQLite(t)
	if _, err := Up(t.Context(), db, SQLite); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "insert into "+table+" (version_id, is_applied) values (99999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), db, SQLite); err != nil {
		t.Fatalf("a newer schema was refused: %v", err)
	}
}

func TestStartersOfOneProcessDoNotRace(t *testing.T) {
	db := openSQLite(t)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = Up(context.WithoutCancel(t.Context()), db, SQLite) })
	}
	wg.Wait()
	if err := errors.Join(append(errs, Check(t.Context(), db, SQLite))...); err != nil {
		t.Fatal(err)
	}
}

func openSQLite(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func tables(t *testing.T, db *sql.DB) int {
	t.Helper()
	var n int
	err := db.QueryRowContext(t.Context(), "select count(*) from sqlite_master where type = 'table' and name not like 'sqlite_%'").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func names(steps []Step) []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.Name)
	}
	return names
}
