package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInitIsCompleteWhenFilledIn: what init writes is valid, and what has to be filled in is named, all of it, until it is.
func TestInitIsCompleteWhenFilledIn(t *testing.T) {
	s := alone(t)
	folder := filepath.Join(s.folder, "etc")
	said := s.run(exitDone, "init", "--profile", "production", "--database", "postgres", "--out", folder)
	has(t, said.stdout, "chancery.service", "config validate --strict", "export CHANCERY_DATABASE_URL=")
	file := filepath.Join(folder, "chancery.yaml")
	s.run(exitDone, "config", "validate", "--config", file)
	has(t, s.run(exitFailed, "config", "validate", "--strict", "--config", file).stderr,
		"server.public_url: it is a loopback address", "database.url: environment variable CHANCERY_DATABASE_URL is not set")
	s.environ = append(s.environ, "CHANCERY_SERVER__PUBLIC_URL=https://auth.acme.com", "CHANCERY_DATABASE_URL=mysql://a:hunter2@db/x")
	got := s.run(exitFailed, "config", "validate", "--strict", "--config", file)
	has(t, got.stderr, "database.url")
	hasNot(t, got.stderr, "hunter2", "public_url")
	s.environ[len(s.environ)-1] = "CHANCERY_DATABASE_URL=postgres://a:hunter2@db/x"
	s.run(exitDone, "config", "validate", "--strict", "--config", file)

	for name, pairs := range map[string][]string{
		"vault.keyring.file":     {"CHANCERY_VAULT__KEYRING__FILE=/nowhere/keyring"},
		"server.tls":             {"CHANCERY_SERVER__TLS__CERT=/nowhere/c", "CHANCERY_SERVER__TLS__KEY=/nowhere/k"},
		"objects":                {"CHANCERY_OBJECTS=/nowhere/objects"},
		"telemetry.otlp_headers": {"CHANCERY_TELEMETRY__OTLP_ENDPOINT=https://x.acme.com", "CHANCERY_TELEMETRY__OTLP_HEADERS__ENV=NOWHERE"},
		"admin.token":            {"CHANCERY_ADMIN__TOKEN__FILE=/nowhere/token"},
		"database.owner_url":     {"CHANCERY_DATABASE__MIGRATE=auto"},
	} {
		one := s
		one.environ = append(append([]string{}, s.environ...), pairs...)
		has(t, one.run(exitFailed, "config", "validate", "--strict", "--config", file).stderr, name+": ")
	}
}

func TestInitRegulated(t *testing.T) {
	s := alone(t)
	s.run(exitDone, "init", "--profile", "regulated", "--database", "postgres", "--out", s.folder, "--public-url", "https://auth.acme.com")
	file := filepath.Join(s.folder, "chancery.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(text), "\n  mode: deny\n", "    env: CHANCERY_DATABASE_URL\n")
	has(t, s.run(exitFailed, "config", "validate", "--strict", "--config", file).stderr, "database.url: environment variable")
}

// TestInitForce: configuration and unit are written anew, what cannot be made again is kept.
func TestInitForce(t *testing.T) {
	s := alone(t)
	args := []string{"init", "--profile", "production", "--out", s.folder}
	s.run(exitDone, args...)
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(s.folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	ring, token := read(initKeyring), read(initToken)
	s.file(initConfig, "mine")
	s.run(exitFailed, args...)
	if read(initConfig) != "mine" {
		t.Error("overwritten without --force")
	}
	s.run(exitDone, append(args, "--force", "--public-url", "https://auth.acme.com")...)
	if read(initKeyring) != ring || read(initToken) != token {
		t.Error("the keyring or the credential is another")
	}
	has(t, read(initConfig), "public_url: https://auth.acme.com")
	entries, err := os.ReadDir(s.folder)
	if err != nil || len(entries) != 4 {
		t.Errorf("%v %v", entries, err)
	}
	has(t, s.run(exitFailed, "init", "--database", "postgres://a:hunter2@x", "--out", s.folder+"/z").stderr, "--database")
}

// TestInitLeavesNothingHalfMade: a folder in which one name cannot be taken stays as it was.
func TestInitLeavesNothingHalfMade(t *testing.T) {
	s := alone(t)
	if err := os.MkdirAll(filepath.Join(s.folder, "x", "."+initConfig+".new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.run(exitFailed, "init", "--out", s.folder+"/x")
	entries, err := os.ReadDir(s.folder + "/x")
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}

// TestUnitFile: deploy has what init writes for /etc/chancery, and what it names is what serve needs.
func TestUnitFile(t *testing.T) {
	for name, database := range map[string]string{"chancery.service": "postgres", "chancery-sqlite.service": "sqlite"} {
		path := filepath.Join("../../deploy/systemd", name)
		folder := "/etc/chancery"
		if database == "sqlite" {
			folder = "/var/lib/chancery"
		}
		want := unitText(folder, defaultBinary, database)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is not what init writes (%v): run make generate", path, err)
		}
		if strings.Contains(want, "{{") || database == "sqlite" != strings.Contains(want, "ReadWritePaths="+folder) {
			t.Error(want)
		}
		for _, line := range []string{"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n", "UMask=0077", "LimitCORE=0", "TimeoutStopSec=20"} {
			if !strings.Contains(want, line) {
				t.Errorf("%s: %s is missing", name, line)
			}
		}
	}
	if strings.Contains(unitFor("/x", "sqlite"), os.TempDir()) {
		t.Error("the unit names a binary that will be gone")
	}
}
