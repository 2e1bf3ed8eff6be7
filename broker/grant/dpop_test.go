package grant_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestDPoP is specs 1.6.
func TestDPoP(t *testing.T) {
	h, other := newHolder(t), newHolder(t)
	clientWants := change{"  plan: pro\n", "  plan: pro\n  dpop: required\n"}
	resourceWants := change{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {dpop: required}\n"}
	bound := idptest.WithJKT(h.thumbprint)
	for name, c := range map[string]struct {
		changes []change
		options []idptest.Option
		by      *holder
		claims  func(map[string]any)
		kind    string // of the token, or
		code    oauth.Code
	}{
		"none, none":                      {kind: "Bearer"},
		"none, proof":                     {by: &h, kind: "DPoP"},
		"jkt, its proof":                  {options: []idptest.Option{bound}, by: &h, kind: "DPoP"},
		"jkt, another's proof":            {options: []idptest.Option{bound}, by: &other, code: oauth.CodeCNFUnproved},
		"jkt, none":                       {options: []idptest.Option{bound}, code: oauth.CodeCNFUnproved},
		"cnf of another kind":             {options: []idptest.Option{idptest.WithClaim("cnf", map[string]any{"x5t#S256": "x"})}, by: &h, code: oauth.CodeCNFUnsupported},
		"required by the client":          {changes: []change{clientWants}, code: oauth.CodeDPoPProofRequired},
		"required by the client, shown":   {changes: []change{clientWants}, by: &h, kind: "DPoP"},
		"required by the resource":        {changes: []change{resourceWants}, code: oauth.CodeDPoPProofRequired},
		"required by the resource, shown": {changes: []change{resourceWants}, by: &h, kind: "DPoP"},
		"for another URL":                 {by: &h, claims: func(c map[string]any) { c["htu"] = "https://evil.example/token" }, code: oauth.CodeDPoPProofInvalid},
		"for another tenant":              {by: &h, claims: func(c map[string]any) { c["htu"] = issuer + "/t/acme/token" }, code: oauth.CodeDPoPProofInvalid},
		"old":                             {by: &h, claims: func(c map[string]any) { c["iat"] = now.Unix() - 120 }, code: oauth.CodeDPoPProofInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.changes...)
			a := w.ask(t, c.options...)
			if c.by != nil {
				a.proofs = []string{c.by.proof(t, w.now, c.claims)}
			}
			if c.code != "" {
				refusal := w.refused(t, a, c.code)
				want := "invalid_grant"
				if c.code == oauth.CodeDPoPProofInvalid || c.code == oauth.CodeDPoPProofRequired {
					want = "invalid_dpop_proof"
				}
				if got := refusal.wire.Error; got != want {
					t.Errorf("answered %s, want %s", got, want)
				}
				return
			}
			response, minted := w.granted(t, a)
			thumbprint := ""
			if c.by != nil {
				thumbprint = c.by.thumbprint
			}
			if response.TokenType != c.kind || minted.Claims().Thumbprint != thumbprint || w.journal.last(t).Token.Thumbprint != thumbprint {
				t.Errorf("%s bound to %q", response.TokenType, minted.Claims().Thumbprint)
			}
		})
	}
}

// TestProofIsUsedOnce: by a refusal too.
func TestProofIsUsedOnce(t *testing.T) {
	w, h := newWorld(t), newHolder(t)
	a := w.ask(t)
	a.proofs = []string{h.proof(t, w.now, nil)}
	w.refused(t, a.with("scope", "notes:admin"), oauth.CodeScopeEmpty)
	w.refused(t, a.with("scope"), oauth.CodeDPoPReplayed)
	a.proofs = []string{h.proof(t, w.now, func(c map[string]any) { c["jti"] = "proof-2" })}
	w.granted(t, a) // the assertion was not used up by either
	if got := spaces(w.journal.last(t)); len(got) != 2 || got[0] != ledger.SpaceProof || got[1] != ledger.SpaceAssertion {
		t.Errorf("used up %v", got)
	}
	a.proofs = append(a.proofs, a.proofs[0])
	w.refused(t, a, oauth.CodeDPoPProofInvalid)
}

// public is a tenant with a client that cannot authenticate.
func public(t *testing.T, admits string, changes ...change) *world {
	t.Helper()
	w := newWorld(t, append(changes,
		change{"spec: {plan: enterprise}", "spec: {plan: enterprise, public_client_assertions: cnf}"},
		change{"clients: [agent]", "clients: [agent, phone]"},
		change{"---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: wiki}", `---
apiVersion: chancery/v1
kind: Client
metadata: {name: phone}
spec: {type: public, auth: {method: none}, grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"], scopes: ["notes:read"], resources: [notes]}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}`})...)
	if admits == "none" { // the tenant thinks better of it
		w.changeTenant(t, `"public_client_assertions":"cnf"`, `"public_client_assertions":"none"`)
	}
	return w
}

// TestPublicClient: who proves nothing is admitted only with an assertion that is bound to a key that he proves.
func TestPublicClient(t *testing.T) {
	h := newHolder(t)
	ask := func(w *world, options ...idptest.Option) ask {
		return w.ask(t, append(options, idptest.WithClientID("phone"))...).with("client_id", "phone").with("client_secret")
	}
	t.Run("bound", func(t *testing.T) {
		w := public(t, "cnf")
		a := ask(w, idptest.WithJKT(h.thumbprint))
		a.proofs = []string{h.proof(t, w.now, nil)}
		response, _ := w.granted(t, a)
		if e := w.journal.last(t); response.TokenType != "DPoP" || e.Event.Principal.Kind != "client" || len(e.Redemptions) != 2 {
			t.Errorf("%s, %+v", response.TokenType, e.Event.Principal)
		}
	})
	t.Run("bound, and refused by policy", func(t *testing.T) {
		w := public(t, "cnf")
		a := ask(w, idptest.WithJKT(h.thumbprint)).with("scope", "notes:write")
		a.proofs = []string{h.proof(t, w.now, nil)}
		w.refused(t, a, oauth.CodeScopeEmpty) // he proved the key: his refusals are recorded like anybody's, and use the proof up
		if e := w.journal.last(t); e.Event.Type != audit.TypeTokenRefused || len(w.lane.events) != 0 || len(spaces(e)) != 1 {
			t.Errorf("event %+v", e.Event)
		}
	})
	t.Run("bound, not proved", func(t *testing.T) {
		w := public(t, "cnf")
		w.refused(t, ask(w, idptest.WithJKT(h.thumbprint)), oauth.CodeCNFUnproved)
		if event := w.lane.last(t); len(w.journal.entries) != 0 || event.IdP != "acme" || event.Decision != "" {
			t.Errorf("event %+v", event)
		}
	})
	t.Run("not bound", func(t *testing.T) {
		w := public(t, "cnf")
		a := ask(w)
		a.proofs = []string{h.proof(t, w.now, nil)}
		if refusal := w.refused(t, a, oauth.CodeClientPublic); refusal.wire.Error != "unauthorized_client" {
			t.Errorf("answered %+v", refusal.wire)
		}
	})
	t.Run("not admitted", func(t *testing.T) {
		w := public(t, "none")
		a := ask(w, idptest.WithJKT(h.thumbprint))
		a.proofs = []string{h.proof(t, w.now, nil)}
		w.refused(t, a, oauth.CodeClientPublic)
		if len(w.journal.entries) != 0 || len(w.lane.events) != 1 {
			t.Error("not in the lane")
		}
	})
}
