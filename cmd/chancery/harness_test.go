package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// TestMain lets the test binary be the child in which policies are checked.
func TestMain(m *testing.M) {
	childIfAsked()
	os.Exit(m.Run())
}

const testToken = "a-token-of-the-tests-with-32-characters"

// shell runs commands as a person would, against one server.
type shell struct {
	t       *testing.T
	folder  string
	environ []string
	public  string // URL of the public listener
}

type outcome struct {
	status         int
	stdout, stderr string
}

func (s shell) runIn(ctx context.Context, stdin string, args ...string) outcome {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(ctx, args, strings.NewReader(stdin), &stdout, &stderr, s.environ)
	return outcome{status: status, stdout: stdout.String(), stderr: stderr.String()}
}

// run wants an exit status and returns what was said.
func (s shell) run(want int, args ...string) outcome {
	s.t.Helper()
	return s.pipe(want, "", args...)
}

func (s shell) pipe(want int, stdin string, args ...string) outcome {
	s.t.Helper()
	got := s.runIn(s.t.Context(), stdin, args...)
	if got.status != want {
		s.t.Fatalf("chancery %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got.status, want, got.stdout, got.stderr)
	}
	return got
}

func (s shell) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// alone is a shell without a server.
func alone(t *testing.T) shell {
	t.Helper()
	return shell{t: t, folder: t.TempDir(), environ: []string{"HOME=/nowhere"}}
}

// serving is a shell with a whole server behind it, on SQLite.
func serving(t *testing.T) shell {
	t.Helper()
	s := alone(t)
	loaded, err := config.Load(config.Sources{File: os.DevNull, Environ: []string{"CHANCERY_ADMIN_TOKEN=" + testToken}, Flags: map[string]any{
		"server.public_url":      "http://127.0.0.1:1",
		"server.listen":          "127.0.0.1:0",
		"admin.listen":           "127.0.0.1:0",
		"database.url":           "sqlite://" + filepath.Join(s.folder, "chancery.db"),
		"vault.keyring.file":     filepath.Join(s.folder, "keyring"),
		"audit.checkpoint_every": "1s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	server, err := assembly.New(t.Context(), assembly.Options{Config: loaded, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.public = "http://" + server.PublicAddress()
	s.environ = append(s.environ, "CHANCERY_ADMIN_URL=http://"+server.AdminAddress(), "CHANCERY_ADMIN_TOKEN="+testToken)
	return s
}

// has wants each of the texts in what was said.
func has(t *testing.T, said string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%q is missing in:\n%s", text, said)
		}
	}
}

// hasNot wants none of the texts in what was said.
func hasNot(t *testing.T, said string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(said, text) {
			t.Errorf("%q is in:\n%s", text, said)
		}
	}
}
