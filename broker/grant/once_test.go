package grant_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestRedemption holds what is remembered of an assertion's one use.
func TestRedemption(t *testing.T) {
	w := newWorld(t)
	a := w.ask(t, idptest.WithClaim("jti", "jag-1"))
	w.granted(t, a)
	e := w.journal.last(t)
	if len(e.Redemptions) != 1 {
		t.Fatalf("%d redemptions", len(e.Redemptions))
	}
	r := e.Redemptions[0]
	if r.Space != ledger.SpaceAssertion || r.Key != sha256.Sum256([]byte(idpIssuer+"\x00jag-1")) || r.Tenant != e.Tenant || r.Always || r.Code != "jti_replayed" {
		t.Errorf("redemption %+v", r)
	}
	expires := time.Unix(now.Unix(), 0).Add(idptest.IDJAGLifetime)
	if r.ExpiresAt.Before(expires.Add(30*time.Second)) || r.ExpiresAt.After(expires.Add(10*time.Minute)) { // exp + skew, and a margin
		t.Errorf("forgotten at %s, expires %s", r.ExpiresAt, expires)
	}
	w.refused(t, a, oauth.CodeJTIReplayed)
	event := w.journal.conflicts[0]
	if event.Type != audit.TypeTokenRefused || event.Code != "jti_replayed" || event.TokenID != "" || event.AssertionID != "jag-1" || event.Decision == "" {
		t.Errorf("event %+v", event)
	}
	// The name is the assertion's, not its bytes: signed again under the same jti it was used before.
	w.refused(t, w.ask(t, idptest.WithClaim("jti", "jag-1")), oauth.CodeJTIReplayed)
	w.granted(t, w.ask(t, idptest.WithClaim("jti", "jag-2")))
}

// TestRefusalLeavesTheAssertion: after any refusal the same assertion may come again.
func TestRefusalLeavesTheAssertion(t *testing.T) {
	w := newWorld(t)
	a := w.ask(t)
	w.refused(t, a.with("scope", "notes:admin"), oauth.CodeScopeEmpty)
	w.refused(t, a.with("scope").with("resource", wikiURI), oauth.CodeResourceOutsideClaim)
	w.granted(t, a.with("resource"))
}

// TestClientBoundReuse: reuse: client_bound lets the same client come again, with the same key or with none.
func TestClientBoundReuse(t *testing.T) {
	reuse := change{"clients: [agent], resources", "reuse: client_bound, clients: [agent], resources"}
	t.Run("no key", func(t *testing.T) {
		w := newWorld(t, reuse)
		a := w.ask(t)
		_, first := w.granted(t, a)
		_, second := w.granted(t, a)
		if len(w.journal.last(t).Redemptions) != 0 || first.Claims().ID == second.Claims().ID {
			t.Error("not two tokens of one assertion")
		}
	})
	t.Run("its own key", func(t *testing.T) {
		w, h := newWorld(t, reuse), newHolder(t)
		a := w.ask(t, idptest.WithJKT(h.thumbprint))
		for _, id := range []string{"p1", "p2"} {
			a.proofs = []string{h.proof(t, w.now, func(c map[string]any) { c["jti"] = id })}
			w.granted(t, a)
		}
		if got := spaces(w.journal.last(t)); len(got) != 1 || got[0] != ledger.SpaceProof {
			t.Errorf("used up %v", got)
		}
	})
	t.Run("a key of the caller's choice", func(t *testing.T) {
		w, h := newWorld(t, reuse), newHolder(t)
		a := w.ask(t)
		a.proofs = []string{h.proof(t, w.now, nil)}
		w.granted(t, a)
		other := newHolder(t)
		a.proofs = []string{other.proof(t, w.now, nil)}
		w.refused(t, a, oauth.CodeJTIReplayed)
	})
	t.Run("another client", func(t *testing.T) {
		w := newWorld(t, reuse)
		w.refused(t, w.ask(t, idptest.WithClientID("other")), oauth.CodeClientIDMismatch)
	})
}

// TestStale: a request that was decided on an older picture is decided again, from the client on.
func TestStale(t *testing.T) {
	t.Run("then current", func(t *testing.T) {
		w := newWorld(t)
		w.journal.answers = []error{ledger.ErrStale}
		w.journal.before = func(n int) { w.store.Newer = 1 }
		w.granted(t, w.ask(t))
		if e := w.journal.last(t); len(w.journal.entries) != 1 || e.Pictures[0].Version != 2 || len(w.seen.decided) != 2 {
			t.Errorf("%d entries, version %d, decided %d times", len(w.journal.entries), e.Pictures[0].Version, len(w.seen.decided))
		}
	})
	t.Run("the client was disabled meanwhile", func(t *testing.T) {
		w := newWorld(t)
		w.journal.answers = []error{ledger.ErrStale}
		w.journal.before = func(n int) {
			if n == 0 {
				w.disable(t)
			}
		}
		w.refused(t, w.ask(t), oauth.CodeClientAuthenticationFailed)
		if len(w.journal.entries) != 0 {
			t.Error("a token was committed")
		}
	})
	t.Run("a refusal too", func(t *testing.T) {
		w := newWorld(t)
		w.journal.answers = []error{ledger.ErrStale}
		w.journal.before = func(int) { w.store.Newer = 1 }
		w.refused(t, w.ask(t).with("scope", "notes:admin"), oauth.CodeScopeEmpty)
	})
	t.Run("for ever", func(t *testing.T) {
		w := newWorld(t)
		w.journal.before = func(n int) { w.journal.answers = []error{ledger.ErrStale} }
		refusal := w.refused(t, w.ask(t), oauth.CodeTenantUnavailable)
		if refusal.retryAfter <= 0 || w.journal.calls < 2 || w.journal.calls > 10 {
			t.Errorf("%d attempts, retry after %s", w.journal.calls, refusal.retryAfter)
		}
		if got := w.seen.granted; len(got) != 1 || got[0] != oauth.GrantTypeJWTBearer+"||tenant_unavailable" {
			t.Errorf("counted %v", got)
		}
	})
	t.Run("the tenant was suspended", func(t *testing.T) {
		w := newWorld(t)
		w.journal.answers = []error{ledger.ErrStale}
		w.journal.before = func(int) { w.changeTenant(t, `{`, `{"status":"suspended",`) }
		w.refused(t, w.ask(t), oauth.CodeTenantUnknown)
	})
}

// disable applies the client as disabled, on another replica.
func (w *world) disable(t *testing.T) {
	t.Helper()
	tenants, err := w.store.Tenants(t.Context())
	must(t, err)
	stored, err := w.store.Get(t.Context(), tenants[0].Tenant, object.KindClient, "agent")
	must(t, err)
	stored.Spec = []byte(`{"disabled":true,` + string(stored.Spec[1:]))
	stored.Revision++
	_, err = w.store.Apply(t.Context(), object.Write{Tenant: stored.Tenant, Changes: []object.Change{{Stored: stored, Narrows: true}}})
	must(t, err)
	w.store.Newer++
}

// TestUnavailable: no record, no token.
func TestUnavailable(t *testing.T) {
	for name, err := range map[string]error{"unavailable": ledger.ErrUnavailable, "unfit": ledger.ErrUnfit, "anything": errors.New("x")} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.journal.answers = []error{err, err}
			a := w.ask(t)
			if refusal := w.refused(t, a, oauth.CodeLedgerUnavailable); refusal.retryAfter <= 0 {
				t.Error("no Retry-After")
			}
			w.refused(t, a.with("scope", "notes:admin"), oauth.CodeLedgerUnavailable) // nor a refusal that cannot be recorded
			w.granted(t, a.with("scope"))                                             // and nothing was used up
		})
	}
	t.Run("the caller went away", func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.sendWith(t, ctx, w.ask(t)); err == nil {
			t.Error("granted to nobody")
		}
	})
	t.Run("the directory", func(t *testing.T) {
		w := newWorld(t)
		w.store.Fail = errors.New("connection reset")
		if refusal := w.refused(t, w.ask(t), oauth.CodeTenantUnavailable); refusal.wire.Status != 503 {
			t.Error("not 503")
		}
	})
}
