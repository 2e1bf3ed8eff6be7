package operations

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const goodUser = "apiVersion: chancery/v1\nkind: User\nmetadata: {name: dora}\nspec: {status: active}\n"

// A start that would leave a check empty is refused, with the reason, at once, and nothing listens.
func TestRefusesToStart(t *testing.T) {
	file := func(t *testing.T, name, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	none := filepath.Join(t.TempDir(), "none")
	cases := []struct {
		name   string
		config map[string]any
		env    []string
		says   []string // all of them
	}{
		{"no keyring in production", map[string]any{"profile": "production", "database.migrate": "auto", "vault.keyring.file": none}, nil, []string{"vault.keyring.file", none}},
		{"unknown key", map[string]any{"server.lisen": "127.0.0.1:1"}, nil, []string{"lisen", "listen"}},
		{"unknown section", map[string]any{"databse.url": "x"}, nil, []string{"databse", "database"}},
		{"unknown leaf in the environment", nil, []string{"CHANCERY_SERVER__PUBLIK_URL=x"}, []string{"PUBLIK_URL", "server.public_url"}},
		{"issuer in the clear", map[string]any{"server.public_url": "http://auth.acme.example"}, nil, []string{"server.public_url", "loopback"}},
		{"issuer with a slash", map[string]any{"server.public_url": "http://127.0.0.1:1/"}, nil, []string{"server.public_url", "slash"}},
		{"one listener for both", map[string]any{"server.listen": "127.0.0.1:19999", "admin.listen": "127.0.0.1:19999"}, nil, []string{"admin.listen"}},
		{"admin listener for everybody", map[string]any{"admin.listen": "0.0.0.0:19998"}, nil, []string{"admin.listen"}},
		{"admin credential missing", map[string]any{"admin.token": map[string]any{"file": none}}, nil, []string{"admin.token", none}},
		{"a credential in regulated", map[string]any{"profile": "regulated"}, nil, []string{"admin.token", "regulated"}},
		{"secret written inline", map[string]any{"admin.token": "0123456789abcdef0123456789abcdef"}, nil, []string{"admin.token"}},
		{"a setting whose feature is not served", map[string]any{"audit.retain": "720h"}, nil, []string{"audit.retain", "not served"}},
		{"a rate of nothing", map[string]any{"limits.per_client": "0/s"}, nil, []string{"limits.per_client", "a rate is expected"}},
		{"every address a proxy", map[string]any{"server.trusted_proxies": []string{"0.0.0.0/0"}}, nil, []string{"server.trusted_proxies", "every address"}},
		{"an older schema under check", map[string]any{"database.migrate": "check"}, nil, []string{"migrate"}},
		{"objects that are not there", map[string]any{"objects": []any{none}}, nil, []string{"objects", none}},
		{"a bad object", map[string]any{"objects": []any{file(t, "bad.yaml", goodUser+"---\n"+strings.Replace(goodUser, "status", "statsu", 1))}}, nil, []string{"bad.yaml:9", "statsu", "status"}},
		{"an object of an unknown kind", map[string]any{"objects": []any{file(t, "kind.yaml", strings.Replace(goodUser, "User", "Usr", 1))}}, nil, []string{"kind.yaml", "Usr"}},
		{"a policy that does not compile", map[string]any{"objects": []any{file(t, "policy.yaml", "apiVersion: chancery/v1\nkind: Policy\nmetadata: {name: p}\nspec: {role: grant, modules: {\"p.rego\": \"package chancery.authz\\ndecision := nonsense(\"}}\n")}}, nil, []string{"Policy p", "p.rego"}},
		{"a policy that reaches the network", map[string]any{"objects": []any{file(t, "net.yaml", "apiVersion: chancery/v1\nkind: Policy\nmetadata: {name: p}\nspec: {role: grant, modules: {\"p.rego\": \"package chancery.authz\\ndecision := http.send({})\"}}\n")}}, nil, []string{"Policy p", "http.send"}},
		{"a secret of an object missing", map[string]any{"objects": []any{file(t, "client.yaml", "apiVersion: chancery/v1\nkind: Client\nmetadata: {name: c}\nspec: {auth: {method: client_secret_post, secret: {env: NOT_THERE}}}\n")}}, nil, []string{"Client c", "NOT_THERE"}},
	}
	harness.Binary(t) // to build it takes longer than to refuse
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := harness.Prepare(t, harness.Options{Engine: harness.SQLite, Config: c.config, Env: c.env})
			begun := time.Now()
			o := w.Run("serve")
			if o.Status != 1 {
				t.Fatal(o)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %s to refuse", took)
			}
			for _, part := range c.says {
				if !strings.Contains(o.Stderr, part) {
					t.Errorf("%q does not say %q", o.Stderr, part)
				}
			}
			if strings.Contains(o.Stderr, "goroutine") || strings.Contains(o.String(), w.AdminToken) {
				t.Error(o)
			}
		})
	}
}

// F13: what is redeemed once is remembered by the database's clock; a server whose own is far from it does not start.
func TestClocksApart(t *testing.T) {
	for _, off := range []time.Duration{-40 * time.Second, 40 * time.Second} {
		w := harness.Prepare(t, harness.Options{Engine: harness.Postgres})
		loaded, err := config.Load(config.Sources{File: w.Server().ConfigFile()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = assembly.New(t.Context(), assembly.Options{
			Config: loaded, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(off) },
		})
		if err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("%s apart: %v", off, err)
		}
	}
}

// Contract, section 7: a second process on the file of SQLite.
func TestSecondProcess(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite})
	other := harness.Prepare(t, harness.Options{DB: w.DB})
	if o := other.Run("serve"); o.Status != 1 || !strings.Contains(o.Stderr, "locked") {
		t.Error(o)
	}
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	w.Server().Kill() // a crash leaves nothing to clean up
	w.Server().Restart()
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
}

// Objects of the configuration are there before the listener opens, belong to it, and go when the file loses them.
func TestObjectsOfTheConfiguration(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		folder := t.TempDir()
		secret := filepath.Join(folder, "secret")
		objects := strings.ReplaceAll(harness.DefaultObjects, "client_secret_post}", "client_secret_post, secret: {file: "+secret+"}}")
		db := harness.NewDatabase(t, e)
		w := harness.Prepare(t, harness.Options{DB: db, Config: map[string]any{"objects": []any{filepath.Join(folder, "objects")}}})
		w.Secret = strings.Repeat("s", 48)
		write := func(name, text string) {
			t.Helper()
			if err := os.MkdirAll(filepath.Join(folder, "objects"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name), []byte(w.Fill(text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("secret", w.Secret+"\n")
		write("objects/a.yaml", objects)
		write("objects/b.yaml", goodUser)
		w.Server().Restart()
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
		if err := w.TryApply(w.Server(), strings.Replace(goodUser, "active", "disabled", 1)); err == nil || !strings.Contains(err.Error(), "config") {
			t.Errorf("an object of the configuration was changed elsewhere: %v", err)
		}
		if _, err := w.Server().Admin.Get(t.Context(), "User", "dora"); err != nil {
			t.Error(err)
		}
		w.Server().Stop()
		if err := os.Remove(filepath.Join(folder, "objects", "b.yaml")); err != nil {
			t.Fatal(err)
		}
		w.Server().Restart()
		if _, err := w.Server().Admin.Get(t.Context(), "User", "dora"); err == nil {
			t.Error("an object that the file lost is still there")
		}
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t) // the same secret, the same client
		w.Server().Stop()
		write("secret", strings.Repeat("t", 48)+"\n")
		w.Server().Restart()
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
	})
}
