package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecretsStayOffTheCommandLine: arguments of a process are everybody's to read, and errors do not repeat what was in them.
func TestSecretsStayOffTheCommandLine(t *testing.T) {
	s := alone(t)
	for name, setting := range map[string]string{
		"a password":           "database.url=postgres://app:hunter2@db/x",
		"one as a parameter":   "database.url=postgres://app@db/x?password=hunter2",
		"the owner's":          "database.owner_url=postgresql://o:hunter2@db/x",
		"one without its form": "database.url=host=db password=hunter2",
		"no equals sign":       "hunter2",
	} {
		got := s.run(exitFailed, "config", "validate", "--set", setting)
		hasNot(t, got.stdout+got.stderr, "hunter2")
		if name != "no equals sign" {
			has(t, got.stderr, "--set database.", "{env: NAME}")
		}
	}
	got := s.run(exitFailed, "init", "--database", "postgres://a:hunter2@x", "--out", s.folder+"/z")
	has(t, got.stderr, "--database", "CHANCERY_DATABASE_URL")
	hasNot(t, got.stderr, "hunter2")
	for _, setting := range []string{"database.url=sqlite://" + s.folder + "/x@y.db", "database.url=postgres://app@db/x?sslmode=verify-full", "database.url.env=NAME"} {
		s.run(exitDone, "config", "validate", "--set", setting)
	}
}

// TestErrorsMoveNoCursor: what a file, a name or somebody's server says reaches the terminal as text.
func TestErrorsMoveNoCursor(t *testing.T) {
	s := alone(t)
	for _, args := range [][]string{
		{"serve", "--config", "/nowhere/\x1b[2J\u009b31m.yaml"},
		{"config", "validate", "--config", s.file("x.yaml", `"\e[2J": 1`)},
		{"config", "explain", "\x1b[2J"},
		{"migrate", "status", "--set", "database.url=sqlite:///nowhere/\x1b[2J"},
	} {
		got := s.run(exitFailed, args...)
		hasNot(t, got.stderr+got.stdout, "\x1b", "\u009b")
		if !strings.HasPrefix(got.stderr, "chancery: ") {
			t.Errorf("%q", got.stderr)
		}
	}
}

// TestUnitNamesItsFolder: what systemd would take for something else than a path is refused, and nothing is made.
func TestUnitNamesItsFolder(t *testing.T) {
	for _, name := range []string{"my folder", "100%h", "a\nExecStartPre=/bin/sh", `a"b`, `a\b`, "a$b"} {
		s := alone(t)
		folder := filepath.Join(s.folder, name)
		has(t, s.run(exitFailed, "init", "--profile", "production", "--out", folder).stderr, "--out", "systemd")
		if _, err := os.Lstat(folder); err == nil {
			t.Errorf("%q was made", name)
		}
		s.run(exitDone, "init", "--out", folder) // dev has no unit
	}
	s := alone(t)
	s.run(exitDone, "init", "--profile", "production", "--out", s.folder+"/acme-1.2_x@eu:3+4")
}

// TestInitWantsAFolderOfItsOwner: where everybody may write, everybody may put another keyring in its place.
func TestInitWantsAFolderOfItsOwner(t *testing.T) {
	s := alone(t)
	open := filepath.Join(s.folder, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	has(t, s.run(exitFailed, "init", "--out", open).stderr, "everybody may write")
	if entries, err := os.ReadDir(open); err != nil || len(entries) != 0 {
		t.Errorf("%v %v", entries, err)
	}
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	s.run(exitDone, "init", "--out", open)
}
