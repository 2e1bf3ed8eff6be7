package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	s := serving(t)
	s.pipe(exitDone, resourceText+"---\n"+clientText, "apply", "-f", "-")
	hasNot(t, s.run(exitDone, "secret", "list", "claude").stdout, "sec_")

	// Printed once.
	var made secretRecord
	got := s.run(exitDone, "secret", "create", "claude", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &made); err != nil || made.ID == "" || len(made.Secret) < 32 || made.CreatedAt.IsZero() {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	listed := s.run(exitDone, "secret", "list", "claude")
	has(t, listed.stdout, made.ID)
	hasNot(t, listed.stdout, made.Secret)
	hasNot(t, s.run(exitDone, "secret", "list", "claude", "-o", "json").stdout, `"secret"`)

	// Into a file, and nowhere else.
	path := filepath.Join(s.folder, "claude.secret")
	got = s.run(exitDone, "secret", "create", "claude", "--out", path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSuffix(string(text), "\n")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || len(secret) < 32 {
		t.Errorf("%v %v, %d characters", info.Mode(), err, len(secret))
	}
	has(t, got.stdout, path)
	hasNot(t, got.stdout+got.stderr, secret)

	// A third is refused, and leaves no file behind.
	third := filepath.Join(s.folder, "third")
	has(t, s.run(exitFailed, "secret", "create", "claude", "--out", third).stderr, "too_many_secrets")
	if _, err := os.Stat(third); !os.IsNotExist(err) {
		t.Errorf("a file of a secret that was not made: %v", err)
	}

	// Revoked.
	has(t, s.run(exitDone, "secret", "revoke", "claude", made.ID).stdout, made.ID+" revoked")
	hasNot(t, s.run(exitDone, "secret", "list", "claude").stdout, made.ID)
	s.run(exitFailed, "secret", "revoke", "claude", made.ID)
	s.run(exitFailed, "secret", "create", "nobody")

	// A file that is there stays, and no secret is made for it.
	has(t, s.run(exitFailed, "secret", "create", "claude", "--out", path).stderr, "not overwritten")
	if again, err := os.ReadFile(path); err != nil || string(again) != string(text) {
		t.Errorf("the file changed: %v", err)
	}
	if rows := strings.Count(s.run(exitDone, "secret", "list", "claude").stdout, "\n"); rows != 2 {
		t.Errorf("%d lines, want a head and one secret", rows)
	}
	has(t, s.run(exitDone, "secret", "create", "claude").stdout, "secret      ", "id          ")
}
