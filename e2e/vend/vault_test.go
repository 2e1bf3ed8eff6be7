package vend_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// TestVendWithoutVault is F8 for who borrows: while Vault is away each request for a provider's token is refused within two
// seconds, and says that it is Vault; our own tokens are granted as ever; within ten seconds of Vault's return it is lent again.
func TestVendWithoutVault(t *testing.T) {
	double := transittest.Start(t)
	token := double.Issue(0)
	file := filepath.Join(t.TempDir(), "vault-token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := start(t, harness.Options{Engine: harness.SQLite, Env: environment(), Config: map[string]any{
		"vault.backend": "transit", "vault.keyring.file": nil, "vault.transit.address": double.URL,
		"vault.transit.auth.method": "token", "vault.transit.auth.token": map[string]any{"file": file},
	}})
	tracker := w.serve("tracker", singleUse)
	w.connects(w.signedIn("alice"), tracker)
	if a := w.borrow(w.Server(), alice, "tracker").Granted(t); !tracker.Works(a.AccessToken) {
		t.Fatal("a token that does not work")
	}
	for _, f := range []struct {
		name        string
		break_, end func()
	}{
		{"sealed", func() { double.Break(transittest.Sealed) }, func() { double.Break("") }},
		{"standby", func() { double.Break(transittest.Standby) }, func() { double.Break("") }},
		{"throttled", func() { double.Break(transittest.Throttled) }, func() { double.Break("") }},
		{"failing", func() { double.Break(transittest.Failing) }, func() { double.Break("") }},
		{"slow", func() { double.Slow(30 * time.Second) }, func() { double.Slow(0) }},
		{"down", func() { double.Drop(true) }, func() { double.Drop(false) }},
		{"token revoked", func() { double.Revoke(token) }, func() { double.Restore(token) }},
		{"permission lost", func() { double.Deny(true) }, func() { double.Deny(false) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			ours := w.token(alice)
			f.break_()
			defer f.end()
			refreshed := tracker.Count("refresh")
			for range 7 { // past what opens the breaker
				began := time.Now()
				a := w.Send(w.Server(), w.vend(ours, "tracker"))
				if took := time.Since(began); a.Status != http.StatusServiceUnavailable || a.Code() != "vault_unavailable" || a.Header.Get("Retry-After") == "" || a.AccessToken != "" || took > 2*time.Second {
					t.Fatalf("%d after %s: %s", a.Status, took, a.Body)
				}
			}
			if tracker.Count("refresh") != refreshed {
				t.Error("refreshed with nowhere to seal what comes")
			}
			w.token(alice) // an ID-JAG becomes a token of ours, which needs no secret that was not opened before
			f.end()
			harness.Eventually(t, 10*time.Second, "a token is lent again", func() bool {
				a := w.Send(w.Server(), w.vend(ours, "tracker"))
				return a.Status == http.StatusOK && tracker.Works(a.AccessToken)
			})
		})
	}
}
