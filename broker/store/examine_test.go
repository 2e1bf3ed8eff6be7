package store_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/migrations"
)

// closed is the URL of a SQLite file that a server has made and left.
func closed(t *testing.T) (url, folder string) {
	t.Helper()
	folder = t.TempDir()
	url = "sqlite://" + filepath.Join(folder, "chancery.db")
	s, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), s.SQL(), migrations.SQLite); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return url, folder
}

func namesIn(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A file that SQLite made beside the database for whoever looks would belong to him, and keep the server out of its own.
func TestLookingMakesNoFile(t *testing.T) {
	url, folder := closed(t)
	before := namesIn(t, folder)
	s, err := store.OpenToRead(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	steps, err := migrations.Status(t.Context(), s.SQL(), migrations.SQLite)
	if err != nil || len(steps) == 0 || !steps[0].Applied {
		t.Errorf("%v %v", steps, err)
	}
	if _, err := s.SQL().ExecContext(t.Context(), "delete from tenants"); err == nil {
		t.Error("what is opened to read was written")
	}
	if now := namesIn(t, folder); !slices.Equal(now, before) {
		t.Errorf("%v, before it was looked at %v", now, before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if now := namesIn(t, folder); !slices.Equal(now, before) {
		t.Errorf("%v, before it was looked at %v", now, before)
	}
}

// What a server wrote is seen while it runs, and after it was killed with its log full.
func TestLookingSeesTheLog(t *testing.T) {
	url, folder := closed(t)
	server, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	if _, err := server.SQL().ExecContext(t.Context(), "create table marks (n integer); insert into marks values (7)"); err != nil {
		t.Fatal(err)
	}
	killed := t.TempDir()
	for _, name := range []string{"chancery.db", "chancery.db-wal"} {
		bytes, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(killed, name), bytes, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{url, "sqlite://" + filepath.Join(killed, "chancery.db")} {
		s, err := store.OpenToRead(t.Context(), store.Config{URL: from})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := s.SQL().QueryRowContext(t.Context(), "select n from marks").Scan(&n); err != nil || n != 7 {
			t.Errorf("%s: %d %v", from, n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Who asks whether the file is held neither makes the lock nor takes it from others who ask.
func TestHeld(t *testing.T) {
	url, folder := closed(t)
	lock := filepath.Join(folder, "chancery.db.lock")
	if held, err := store.Held(url); held || err != nil {
		t.Errorf("%t %v", held, err)
	}
	if err := os.Chmod(lock, 0o400); err != nil {
		t.Fatal(err)
	}
	var wrong atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				if held, err := store.Held(url); held || err != nil {
					wrong.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("who asks was taken for a server %d times", n)
	}
	if err := os.Chmod(lock, 0o600); err != nil {
		t.Fatal(err)
	}
	openStore(t, url)
	if held, err := store.Held(url); !held || err != nil {
		t.Errorf("%t %v", held, err)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if held, err := store.Held(url); held || err != nil {
		t.Errorf("%t %v", held, err)
	}
	if _, err := os.Stat(lock); err == nil {
		t.Error("a lock was made")
	}
}
