package grant_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/vault/transit"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// sealsByVault puts Vault's Transit in the keyring's place.
func (l *lender) sealsByVault(t *testing.T) *transittest.Server {
	t.Helper()
	double := transittest.Start(t)
	client, err := transit.New(transit.Config{
		Address: double.URL, Mount: "transit", Key: "chancery", Auth: transit.TokenAuth{Token: func() (string, error) { return double.Issue(time.Hour), nil }},
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	must(t, err)
	t.Cleanup(client.Close)
	l.sealer = client
	return double
}

// A vend asks Vault once at most; what seals being away is an answer of its own, and takes nothing else with it.
func TestVendByVault(t *testing.T) {
	l := newLender(t)
	double := l.sealsByVault(t)
	l.connects(t, l.alice(t), "alice", "read")
	for range 3 {
		a := l.exchange(t)
		before := double.Calls("transit/")
		l.lent(t, a)
		if n := double.Calls("transit/") - before; n != 1 {
			t.Errorf("%d calls for one vend", n)
		}
	}
	double.Break(transittest.Sealed)
	refusal := l.notLent(t, l.exchange(t), oauth.CodeVaultUnavailable)
	if wire := refusal.Wire(issuer, ""); wire.Status != 503 || !strings.HasPrefix(wire.Description, "vault_unavailable: ") {
		t.Errorf("answered %+v", wire)
	}
	double.Break("")
}
