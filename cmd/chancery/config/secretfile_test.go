package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// TestSecretFilesAreBounded: what has no end is no secret, whatever its size is said to be.
func TestSecretFilesAreBounded(t *testing.T) {
	folder := t.TempDir()
	long := filepath.Join(folder, "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("x", 64<<10+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/zero", folder, long} {
		if _, err := (config.Ref{File: path}).Resolve(nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestShared: a secret that others on the machine can read is told of; a reference to nothing has no reader.
func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]any{"admin.token.file": path, "database.url.file": path, "database.owner_url.env": "X"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Shared(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for _, mode := range []os.FileMode{0o604, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(l.Shared(), " "); got != "database.url admin.token" && got != "admin.token database.url" {
			t.Errorf("%o: %s", mode, got)
		}
	}
}

// TestCollectorHasNoCredentialInItsURL: it would be in config effective.
func TestCollectorHasNoCredentialInItsURL(t *testing.T) {
	_, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]any{"telemetry.otlp_endpoint": "https://otlp.acme.com/v1/traces?api_key=hunter2"}})
	if err == nil || !strings.Contains(err.Error(), "telemetry.otlp_headers") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
