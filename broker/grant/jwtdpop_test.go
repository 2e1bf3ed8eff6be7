package grant_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

var bothGrants = change{`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:jwt-dpop"]`}

// TestSenderConstraint is the table of docs/grants.md: what an assertion's cnf and the request's proof come to, under each
// of the two grants.
func TestSenderConstraint(t *testing.T) {
	h, thief := newHolder(t), newHolder(t)
	jkt := idptest.WithJKT(h.thumbprint)
	jwk := idptest.WithClaim("cnf", map[string]any{"jwk": h.jwk})
	resourceWants := change{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {dpop: required}\n"}
	unproved, needed, nobody := oauth.CodeCNFUnproved, oauth.CodeDPoPProofRequired, oauth.CodeCNFRequired
	for name, c := range map[string]struct {
		changes      []change
		options      []idptest.Option
		by           *holder
		bearer, dpop oauth.Code // "": granted
		kind         string
	}{
		"jkt, proved":                     {options: []idptest.Option{jkt}, by: &h, kind: "DPoP"},
		"jkt, another key":                {options: []idptest.Option{jkt}, by: &thief, bearer: unproved, dpop: unproved},
		"jkt, no proof":                   {options: []idptest.Option{jkt}, bearer: unproved, dpop: needed},
		"jwk, proved":                     {options: []idptest.Option{jwk}, by: &h, kind: "DPoP"},
		"jwk, another key":                {options: []idptest.Option{jwk}, by: &thief, bearer: unproved, dpop: unproved},
		"jwk, no proof":                   {options: []idptest.Option{jwk}, bearer: unproved, dpop: needed},
		"none, proof":                     {by: &h, dpop: nobody, kind: "DPoP"},
		"none, none":                      {dpop: needed, kind: "Bearer"},
		"none, none, the resource wants":  {changes: []change{resourceWants}, bearer: needed, dpop: needed},
		"none, proof, the resource wants": {changes: []change{resourceWants}, by: &h, dpop: nobody, kind: "DPoP"},
		"x5t#S256, proof":                 {options: []idptest.Option{idptest.WithClaim("cnf", map[string]any{"x5t#S256": "x"})}, by: &h, bearer: oauth.CodeCNFUnsupported, dpop: oauth.CodeCNFUnsupported},
		"x5t#S256, no proof":              {options: []idptest.Option{idptest.WithClaim("cnf", map[string]any{"x5t#S256": "x"})}, bearer: oauth.CodeCNFUnsupported, dpop: needed},
		"jkt beside jwk":                  {options: []idptest.Option{idptest.WithClaim("cnf", map[string]any{"jkt": h.thumbprint, "jwk": h.jwk})}, by: &h, bearer: oauth.CodeCNFUnsupported, dpop: oauth.CodeCNFUnsupported},
	} {
		for grantType, code := range map[string]oauth.Code{oauth.GrantTypeJWTBearer: c.bearer, oauth.GrantTypeJWTDPoP: c.dpop} {
			t.Run(name+", "+grantType[len("urn:ietf:params:oauth:grant-type:"):], func(t *testing.T) {
				w := newWorld(t, append([]change{bothGrants}, c.changes...)...)
				a := w.ask(t, c.options...).with("grant_type", grantType)
				if c.by != nil {
					a.proofs = []string{c.by.proof(t, w.now, nil)}
				}
				if code != "" {
					refusal, want := w.refused(t, a, code), "invalid_grant"
					if code == needed {
						want = "invalid_dpop_proof"
					}
					if refusal.wire.Error != want || refusal.wire.Status != 400 {
						t.Errorf("answered %+v", refusal.wire)
					}
					return
				}
				response, minted := w.granted(t, a)
				thumbprint := ""
				if c.kind == "DPoP" {
					thumbprint = h.thumbprint
				}
				if response.TokenType != c.kind || minted.Claims().Thumbprint != thumbprint || w.journal.last(t).Token.GrantType != grantType {
					t.Errorf("%s bound to %q", response.TokenType, minted.Claims().Thumbprint)
				}
			})
		}
	}
}

// TestJWTDPoPIsAGrantOfItsOwn: a client that lists one of the two may not use the other.
func TestJWTDPoPIsAGrantOfItsOwn(t *testing.T) {
	h := newHolder(t)
	bound := func(w *world, grantType string) ask {
		a := w.ask(t, idptest.WithJKT(h.thumbprint)).with("grant_type", grantType)
		a.proofs = []string{h.proof(t, w.now, nil)}
		return a
	}
	w := newWorld(t)
	w.refused(t, bound(w, oauth.GrantTypeJWTDPoP), oauth.CodeClientGrantNotAllowed)
	w = newWorld(t, change{`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: ["urn:ietf:params:oauth:grant-type:jwt-dpop"]`})
	w.refused(t, bound(w, oauth.GrantTypeJWTBearer), oauth.CodeClientGrantNotAllowed)

	w = newWorld(t, bothGrants)
	a := bound(w, oauth.GrantTypeJWTDPoP)
	w.granted(t, a)
	a.proofs = []string{h.proof(t, w.now, func(c map[string]any) { c["jti"] = "proof-2" })}
	w.refused(t, a.with("grant_type", oauth.GrantTypeJWTBearer), oauth.CodeJTIReplayed) // used up under either name

	w = newWorld(t, bothGrants)
	w.refused(t, bound(w, oauth.GrantTypeJWTDPoP).with("client_id").with("client_secret"), oauth.CodeClientAuthenticationRequired)
	w.refused(t, bound(w, oauth.GrantTypeJWTDPoP).with("assertion"), oauth.CodeParameterMissing)
}

// TestWorkloadUnderJWTDPoP: a workload's token that is bound to its key.
func TestWorkloadUnderJWTDPoP(t *testing.T) {
	h := newHolder(t)
	w := floor(t, change{"{method: workload}\n  grant_types: [\"urn:ietf:params:oauth:grant-type:jwt-bearer\"]", "{method: workload}\n  grant_types: [\"urn:ietf:params:oauth:grant-type:jwt-dpop\"]"})
	a := w.run(t, idptest.WithJKT(h.thumbprint)).with("grant_type", oauth.GrantTypeJWTDPoP)
	a.proofs = []string{h.proof(t, w.now, nil)}
	if response, minted := w.granted(t, a); response.TokenType != "DPoP" || minted.Claims().Subject != "builds.acme.com" {
		t.Errorf("%s for %s", response.TokenType, minted.Claims().Subject)
	}
	w.refused(t, w.run(t), oauth.CodeClientGrantNotAllowed)
}
