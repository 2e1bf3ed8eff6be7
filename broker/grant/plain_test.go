package grant_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// clerk is a world whose IdP signs plain assertions (RFC 7523).
func clerk(t *testing.T, changes ...change) *world {
	t.Helper()
	return newWorld(t, append([]change{{"profiles: [id-jag]", "profiles: [id-jag, jwt-bearer]"}}, changes...)...)
}

func (w *world) plain(t *testing.T, options ...idptest.Option) ask {
	t.Helper()
	return w.present(t, must1(w.idp.Plain(idptest.Alice, options...))).with("client_id", "agent").with("client_secret", secretText)
}

// TestPlain holds what differs from an ID-JAG: whom it may be addressed to, and that its entry asserts the scopes.
func TestPlain(t *testing.T) {
	for name, c := range map[string]struct {
		changes []change
		options []idptest.Option
		edit    func(a ask) ask
		scope   string
	}{
		"as it comes":                  {scope: "notes:read notes:write"},
		"to the token endpoint":        {options: []idptest.Option{idptest.WithAudience(issuer + "/token")}, scope: "notes:read notes:write"},
		"without client_id":            {options: []idptest.Option{idptest.WithoutClaim("client_id")}, scope: "notes:read notes:write"},
		"its scope is the IdP's word":  {options: []idptest.Option{idptest.WithScope("openid notes:admin")}, scope: "notes:read notes:write"},
		"the entry asserts less":       {changes: []change{{`scopes: ["notes:read", "notes:write", "wiki:read"]}`, `scopes: ["notes:read", "wiki:read"]}`}}, scope: "notes:read"},
		"the request names one":        {edit: func(a ask) ask { return a.with("scope", "notes:read notes:admin") }, scope: "notes:read"},
		"without resource, named":      {options: []idptest.Option{noResource}, edit: func(a ask) ask { return a.with("resource", notesURI) }, scope: "notes:read notes:write"},
		"without resource, only one":   {changes: []change{{"clients: [agent], resources: [notes, wiki, old]", "clients: [agent], resources: [notes]"}}, options: []idptest.Option{noResource}, scope: "notes:read notes:write"},
		"the policy takes what it may": {changes: []change{policyOf(`{"allow": true, "scopes": input.requested.scopes}`)}, scope: "notes:read notes:write"},
	} {
		t.Run(name, func(t *testing.T) {
			w := clerk(t, c.changes...)
			a := w.plain(t, c.options...)
			if c.edit != nil {
				a = c.edit(a)
			}
			response, minted := w.granted(t, a)
			alice := must1(w.store.Get(t.Context(), must1(w.source.Get(t.Context(), "default")).UID, "User", "alice"))
			if response.Scope != c.scope || response.Resource != notesURI || minted.Claims().Subject != alice.UID || minted.Claims().ClientID != "agent" {
				t.Errorf("%+v for %s", response, minted.Claims().Subject)
			}
			in := w.seenByPolicy(t)
			if member(in, "assertion", "profile") != "jwt-bearer" || member(in, "user", "sub") != "00u1alice" || member(in, "actor") != "<nil>" {
				t.Errorf("policy saw %v", in)
			}
			if used := w.journal.last(t).Redemptions; len(used) != 1 {
				t.Errorf("used up %v", used)
			}
		})
	}
}

// TestPlainIsRefused: one thing wrong, one code.
func TestPlainIsRefused(t *testing.T) {
	nobody := func(a ask) ask { return a.with("client_id").with("client_secret") }
	for name, c := range map[string]struct {
		changes []change
		options []idptest.Option
		edit    func(a ask) ask
		code    oauth.Code
		error   string
	}{
		"no client":                   {edit: nobody, code: oauth.CodeClientAuthenticationRequired, error: "invalid_client"},
		"no client, another's key":    {edit: nobody, options: []idptest.Option{idptest.WithHeader("kid", "other")}, code: oauth.CodeKeyUnknown, error: "invalid_grant"},
		"a wrong secret":              {edit: func(a ask) ask { return a.with("client_secret", "x") }, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"profile not of the IdP":      {changes: []change{{"[id-jag, jwt-bearer]", "[id-jag]"}}, code: oauth.CodeTypMissing, error: "invalid_grant"},
		"names another client":        {options: []idptest.Option{idptest.WithClientID("other")}, code: oauth.CodeClientIDMismatch, error: "invalid_grant"},
		"client not of the entry":     {changes: []change{{"clients: [agent]", "clients: [other]"}}, code: oauth.CodeIssuerClientNotAllowed, error: "invalid_grant"},
		"nobody here":                 {options: []idptest.Option{idptest.WithClaim("sub", "00u9")}, code: oauth.CodeSubjectUnmatched, error: "invalid_grant"},
		"an ID token":                 {options: []idptest.Option{idptest.WithClaim("nonce", "x")}, code: oauth.CodeIDTokenPresented, error: "invalid_grant"},
		"the entry asserts nothing":   {changes: []change{{`, scopes: ["notes:read", "notes:write", "wiki:read"]}`, "}"}}, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"its own word is no scope":    {changes: []change{{`, scopes: ["notes:read", "notes:write", "wiki:read"]}`, "}"}}, options: []idptest.Option{idptest.WithScope("notes:read")}, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"default_scopes is no scope":  {changes: []change{{`, scopes: ["notes:read", "notes:write", "wiki:read"]}`, ", absent_scope: default_scopes}"}}, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"resource not claimed":        {edit: func(a ask) ask { return a.with("resource", wikiURI) }, code: oauth.CodeResourceOutsideClaim, error: "invalid_target"},
		"resource not the entry's":    {options: []idptest.Option{idptest.WithResource("https://mcp.acme.com/payroll")}, code: oauth.CodeResourceUnknown, error: "invalid_grant"},
		"resource neither":            {options: []idptest.Option{noResource}, code: oauth.CodeResourceUnsettled, error: "invalid_target"},
		"groups left out":             {options: []idptest.Option{idptest.WithClaim("hasgroups", true)}, code: oauth.CodeGroupsOverage, error: "invalid_grant"},
		"bound, not proved":           {options: []idptest.Option{idptest.WithJKT("x")}, code: oauth.CodeCNFUnproved, error: "invalid_grant"},
		"authorization_details asked": {options: []idptest.Option{idptest.WithClaim("authorization_details", []any{map[string]any{"type": "x"}})}, code: oauth.CodeAuthorizationDetailsUnsupported, error: "invalid_authorization_details"},
	} {
		t.Run(name, func(t *testing.T) {
			w := clerk(t, c.changes...)
			a := w.plain(t, c.options...)
			if c.edit != nil {
				a = c.edit(a)
			}
			if refusal := w.refused(t, a, c.code); refusal.wire.Error != c.error {
				t.Errorf("answered %s", refusal.wire.Error)
			}
			if _, named := a.form["client_id"]; len(a.form["client_id"]) == 0 && named && len(w.journal.entries) != 0 {
				t.Error("a stranger's refusal is on the disk")
			}
		})
	}
}

// TestPlainComesAgain: reuse: client_bound is for what names its client, since any client of the entry could bring the rest.
func TestPlainComesAgain(t *testing.T) {
	reuse := change{"clients: [agent], resources", "reuse: client_bound, clients: [agent], resources"}
	w := clerk(t, reuse)
	a := w.plain(t)
	w.granted(t, a)
	w.granted(t, a)

	w = clerk(t, reuse)
	a = w.plain(t, idptest.WithoutClaim("client_id"))
	w.granted(t, a)
	w.refused(t, a, oauth.CodeJTIReplayed)
	a = w.plain(t, idptest.WithoutClaim("client_id"), idptest.WithoutClaim("jti"))
	w.granted(t, a)
	w.refused(t, a, oauth.CodeJTIReplayed)

	w = clerk(t)
	w.refused(t, w.plain(t, idptest.WithoutClaim("jti")), oauth.CodeClaimMissing)
}

// TestPlainOfPublicClient: with a key that it proves, where the tenant says so.
func TestPlainOfPublicClient(t *testing.T) {
	h := newHolder(t)
	w := public(t, "cnf", change{"profiles: [id-jag]", "profiles: [id-jag, jwt-bearer]"})
	ask := func(jti string, options ...idptest.Option) ask {
		a := w.plain(t, append(options, idptest.WithClientID("phone"))...).with("client_id", "phone").with("client_secret")
		a.proofs = []string{h.proof(t, w.now, func(c map[string]any) { c["jti"] = jti })}
		return a
	}
	if response, _ := w.granted(t, ask("p1", idptest.WithJKT(h.thumbprint))); response.TokenType != "DPoP" {
		t.Errorf("%+v", response)
	}
	w.refused(t, ask("p2"), oauth.CodeClientPublic)
}
