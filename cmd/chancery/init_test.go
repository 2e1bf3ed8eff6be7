package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault/keyring"
)

func TestInit(t *testing.T) {
	for _, profile := range []config.Profile{config.Dev, config.Production, config.Regulated} {
		t.Run(string(profile), func(t *testing.T) {
			s := alone(t)
			folder := filepath.Join(s.folder, "made", "here")
			got := s.run(exitDone, "init", "--profile", string(profile), "--out", folder, "--public-url", "https://auth.acme.com")
			has(t, got.stdout, folder+"/chancery.yaml", "chancery serve --config")
			loaded, err := config.Load(config.Sources{File: filepath.Join(folder, "chancery.yaml")})
			if err != nil {
				t.Fatal(err)
			}
			if loaded.Profile != profile || loaded.Server.PublicURL != "https://auth.acme.com" || loaded.Vault.Keyring.File != filepath.Join(folder, "keyring") {
				t.Errorf("%+v", loaded.Config)
			}
			if _, err := keyring.Load(loaded.Vault.Keyring.File); err != nil {
				t.Error(err)
			}
			entries, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
				}
			}
			if profile == config.Regulated {
				if len(entries) != 3 || !loaded.Admin.Token.IsZero() {
					t.Errorf("%v, %v: a credential in profile regulated", entries, loaded.Admin.Token)
				}
				return
			}
			token, err := loaded.Admin.Token.Resolve(loaded.Lookup)
			if err != nil || len(token.Reveal()) < 43 {
				t.Errorf("credential: %v", err)
			}
			hasNot(t, got.stdout+got.stderr, token.Reveal())
		})
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	for _, name := range []string{initConfig, initKeyring, initToken} {
		t.Run(name, func(t *testing.T) {
			s := alone(t)
			path := s.file("there/"+name, "mine")
			has(t, s.run(exitFailed, "init", "--out", s.folder+"/there").stderr, path, "not overwritten")
			entries, err := os.ReadDir(s.folder + "/there")
			if err != nil || len(entries) != 1 {
				t.Errorf("%v %v: something was made", entries, err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
				t.Errorf("%s %v", text, err)
			}
		})
	}
}

func TestInitRefuses(t *testing.T) {
	s := alone(t)
	has(t, s.run(exitFailed, "init", "--profile", "prod", "--out", s.folder+"/x").stderr, `"prod"`)
	has(t, s.run(exitFailed, "init", "--public-url", "http://auth.acme.com", "--out", s.folder+"/x").stderr, "server.public_url")
	if _, err := os.Stat(s.folder + "/x"); !os.IsNotExist(err) {
		t.Error("a folder was made")
	}
	has(t, s.run(exitDone, "init", "--profile", "production", "--out", s.folder+"/y").stderr, "server.public_url is a loopback address")
}

func TestVersion(t *testing.T) {
	s := alone(t)
	if got := s.run(exitDone, "version").stdout; !strings.HasPrefix(got, "chancery ") || !strings.Contains(got, "go1.") {
		t.Errorf("%q", got)
	}
}
