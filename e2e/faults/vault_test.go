package faults

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// sealedBy are the leaves of a server whose secrets a double of Vault seals.
func sealedBy(double *transittest.Server, token string) map[string]any {
	return map[string]any{
		"vault.backend": "transit", "vault.keyring.file": nil, "vault.transit.address": double.URL,
		"vault.transit.auth.method": "token", "vault.transit.auth.token": map[string]any{"file": token},
	}
}

// tokenFile writes a token of the double's, which is not its root's.
func tokenFile(t *testing.T, double *transittest.Server, ttl time.Duration) (file, token string) {
	t.Helper()
	token = double.Issue(ttl)
	file = t.TempDir() + "/vault-token"
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, token
}

// faulted is what goes wrong at Vault, and how it is mended.
type faulted struct {
	name        string
	break_, end func(d *transittest.Server, token string)
}

func vaultFaults() []faulted {
	wrong := func(w transittest.Wrong) func(*transittest.Server, string) {
		return func(d *transittest.Server, _ string) { d.Break(w) }
	}
	return []faulted{
		{"sealed", wrong(transittest.Sealed), wrong("")},
		{"standby", wrong(transittest.Standby), wrong("")},
		{"throttled", wrong(transittest.Throttled), wrong("")},
		{"failing", wrong(transittest.Failing), wrong("")},
		{"slow", func(d *transittest.Server, _ string) { d.Slow(30 * time.Second) }, func(d *transittest.Server, _ string) { d.Slow(0) }},
		{"down", func(d *transittest.Server, _ string) { d.Drop(true) }, func(d *transittest.Server, _ string) { d.Drop(false) }},
		{"token revoked", func(d *transittest.Server, token string) { d.Revoke(token) }, func(d *transittest.Server, token string) { d.Restore(token) }},
		{"permission lost", func(d *transittest.Server, _ string) { d.Deny(true) }, func(d *transittest.Server, _ string) { d.Deny(false) }},
	}
}

func object(kind, name, spec string) string {
	return "apiVersion: chancery/v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n"
}

// F8: while Vault is away, whatever needs a secret is refused within two seconds, what needs none goes on, a change of the
// tenant's objects among it, and within ten seconds of Vault's return everything works.
func TestVaultGoesAway(t *testing.T) {
	double := transittest.Start(t)
	file, token := tokenFile(t, double, 0)
	w := harness.Start(t, harness.Options{Engine: harness.SQLite, Config: sealedBy(double, file)})
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	for _, f := range vaultFaults() {
		t.Run(f.name, func(t *testing.T) {
			name := strings.ReplaceAll(f.name, " ", "-")
			w.Apply(w.Server(), object("Tenant", name, "display_name: X"))
			f.break_(double, token)
			defer f.end(double, token)
			for range 7 { // past what opens the breaker
				began := time.Now()
				a := w.Server().Get("/t/" + name + "/.well-known/jwks.json") // its first key is made, and sealed
				if took := time.Since(began); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || took > 2*time.Second {
					t.Fatalf("sealing a key: %d after %s: %s", a.Status, took, a.Body)
				}
			}
			w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
			w.Apply(w.Server(), object("User", "made-"+name, "email: "+name+"@acme.example")) // keys are read again
			w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
			if w.Server().Ready() != http.StatusOK {
				t.Error("not ready without Vault")
			}
			f.end(double, token)
			harness.Eventually(t, 10*time.Second, "a key is sealed again", func() bool {
				return w.Server().Get("/t/"+name+"/.well-known/jwks.json").Status == http.StatusOK
			})
		})
	}
}
