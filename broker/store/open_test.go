package store_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/store"
)

func TestOpenRefuses(t *testing.T) {
	postgres := os.Getenv("CHANCERY_TEST_POSTGRES_URL")
	file := "sqlite://" + filepath.Join(t.TempDir(), "chancery.db")
	for _, c := range []struct {
		name string
		url  string
		want error
	}{
		{"another scheme", "mysql://root:hunter2@localhost/x", store.ErrURL},
		{"no URL", "postgres://chancery:hunter2@[::1/x", store.ErrURL},
		{"a control character", "postgres://chancery:hunter2@localhost/\x7f", store.ErrURL},
		{"a folder", "sqlite:///tmp/", store.ErrURL},
		{"no path", "sqlite://", store.ErrURL},
		{"a bad port", "postgres://chancery:hunter2@localhost:port/x", store.ErrURL},
		{"the simple protocol", postgres + "&default_query_exec_mode=simple_protocol", store.ErrURL},
		{"arguments in the text", postgres + "&default_query_exec_mode=exec", store.ErrURL},
		{"synchronous off", file + "?_pragma=synchronous(off)", store.ErrURL},
		{"synchronous normal", file + "?_pragma=synchronous(normal)", store.ErrURL},
		{"no write-ahead log", file + "?_pragma=journal_mode(delete)", store.ErrURL},
		{"asynchronous commits", postgres + "&synchronous_commit=off", store.ErrSynchronous},
		{"nobody there", "postgres://chancery:hunter2@127.0.0.1:1/secretdatabase", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := store.Open(t.Context(), store.Config{URL: c.url})
			if err == nil {
				t.Fatal(s.Close())
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
			for _, private := range []string{"hunter2", "secretdatabase", "mysql", "user=chancery"} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("%q is in the error: %v", private, err)
				}
			}
		})
	}
}

func TestOpenRefusesALongStatement(t *testing.T) {
	if _, err := store.Open(t.Context(), store.Config{URL: "sqlite:///nowhere/x", StatementTimeout: time.Minute}); err == nil {
		t.Fatal("a minute")
	}
}

func TestSQLiteFileIsOneStores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chancery.db")
	s := openStore(t, "sqlite://"+path)
	if _, err := store.Open(t.Context(), store.Config{URL: "sqlite://" + path}); !errors.Is(err, store.ErrHeld) {
		t.Fatalf("a second store: %v", err)
	}
	if about, err := os.Stat(path); err != nil || about.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", about, err)
	}
	_ = s
}

// A second process, which is this test once more.
func TestSQLiteFileIsOneProcesses(t *testing.T) {
	if url := os.Getenv("CHANCERY_TEST_HELD_URL"); url != "" {
		if _, err := store.Open(t.Context(), store.Config{URL: url}); !errors.Is(err, store.ErrHeld) {
			t.Fatalf("got %v", err)
		}
		return
	}
	url := "sqlite://" + filepath.Join(t.TempDir(), "chancery.db")
	openStore(t, url)
	second := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSQLiteFileIsOneProcesses$") //nolint:gosec // the test itself
	second.Env = append(os.Environ(), "CHANCERY_TEST_HELD_URL="+url)
	if out, err := second.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestNowIsTheDatabasesClock(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		now, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(now).Abs(); d > 5*time.Second || now.Location() != time.UTC {
			t.Fatalf("%s away, in %s", d, now.Location())
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
