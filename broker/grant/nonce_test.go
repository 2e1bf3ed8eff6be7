package grant_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// judge stands for a server that asks for nonces: one is good.
func judge(nonce string) error {
	if nonce == "good" {
		return nil
	}
	return fmt.Errorf("%w: %q", dpop.ErrNonce, nonce)
}

func (w *world) sendWithNonce(t *testing.T, a ask) (grant.Response, error) {
	t.Helper()
	form, err := oauth.ParseForm([]byte(a.form.Encode()))
	must(t, err)
	picture, err := w.source.Get(t.Context(), "default")
	must(t, err)
	return w.Token(t.Context(), grant.Request{Tenant: picture, Trace: a.trace, Remote: "192.0.2.1", Form: form, Proofs: a.proofs, Nonce: judge})
}

// TestNonceChallenge uses nothing up: the same request comes again, even the same jti, with the nonce in its proof.
func TestNonceChallenge(t *testing.T) {
	w, h := newWorld(t), newHolder(t)
	a := w.ask(t)
	for range 3 {
		a.proofs = []string{h.proof(t, w.now, nil)}
		_, err := w.sendWithNonce(t, a)
		refusal, ok := errors.AsType[*oauth.Error](err)
		if !ok || refusal.Code != oauth.CodeDPoPNonceRequired {
			t.Fatalf("answered %v", err)
		}
	}
	if event := w.lane.last(t); len(w.journal.entries) != 0 || event.Outcome != audit.Challenged || event.Principal.Kind != "client" || event.Principal.Name != "agent" {
		t.Errorf("%d entries, event %+v", len(w.journal.entries), event)
	}
	a.proofs = []string{h.proof(t, w.now, func(c map[string]any) { c["nonce"] = "good" })}
	response, err := w.sendWithNonce(t, a)
	if err != nil || response.TokenType != "DPoP" {
		t.Fatalf("%+v, %v", response, err)
	}
	if got := spaces(w.journal.last(t)); len(got) != 2 || got[0] != ledger.SpaceProof {
		t.Errorf("used up %v", got)
	}
	if _, err := w.sendWithNonce(t, a); err == nil || oauth.AsError(err).Code != oauth.CodeDPoPReplayed { // a nonce that is good again and again is no second use
		t.Errorf("answered %v", err)
	}
}

// TestNoProofNoNonce: who shows no proof is not asked for a nonce.
func TestNoProofNoNonce(t *testing.T) {
	w := newWorld(t)
	response, err := w.sendWithNonce(t, w.ask(t))
	if err != nil || response.TokenType != "Bearer" {
		t.Errorf("%+v, %v", response, err)
	}
}
