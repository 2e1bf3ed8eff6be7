package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A file that somebody else writes, and a statement that takes too long.
func TestSQLiteIsAway(t *testing.T) {
	name := "file:" + filepath.Join(t.TempDir(), "x.db") + "?_pragma=busy_timeout(0)&_txlock=immediate"
	var open [2]*sql.DB
	for i := range open {
		db, err := sql.Open("sqlite", name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		open[i] = db
	}
	first, err := open[0].BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Rollback() }()
	_, err = open[1].BeginTx(t.Context(), nil)
	if _, ok := errors.AsType[*Unreachable](withoutURL(err)); !ok {
		t.Errorf("locked: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var n int
	err = open[1].QueryRowContext(ctx, "with recursive c (x) as (select 1 union all select x + 1 from c) select count(*) from c").Scan(&n)
	if _, ok := errors.AsType[*Unreachable](withoutURL(err)); !ok {
		t.Errorf("too long: %v", err)
	}
	_, err = open[1].ExecContext(t.Context(), "select * from nowhere")
	if _, ok := errors.AsType[*Unreachable](withoutURL(err)); ok || err == nil {
		t.Errorf("a mistake: %v", err)
	}
}

func TestWhatIsAway(t *testing.T) {
	for state, want := range map[string]bool{
		"08006": true, "53300": true, "57P01": true, "57P03": true, "57014": true, "55P03": true, "25006": true,
		"23505": false, "42501": false, "40001": false, "42P01": false, "57000": false, "": false,
	} {
		wrapped := withoutURL(&pgconn.PgError{Code: state})
		if _, got := errors.AsType[*Unreachable](wrapped); got != want {
			t.Errorf("%q: %v", state, got)
		}
		if again := withoutURL(wrapped); again != wrapped { //nolint:errorlint // the very same
			t.Errorf("%q: wrapped twice", state)
		}
	}
	for _, err := range []error{nil, sql.ErrNoRows, context.Canceled} {
		if withoutURL(err) != err { //nolint:errorlint // the very same
			t.Errorf("%v is not what it was", err)
		}
	}
}
