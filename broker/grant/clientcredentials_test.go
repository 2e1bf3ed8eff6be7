package grant_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
)

var serves = change{`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: [client_credentials]`}

// service is a world whose client asks for itself.
func service(t *testing.T, changes ...change) *world {
	t.Helper()
	return newWorld(t, append([]change{serves, {"  plan: pro", "  plan: pro\n  environment: production"}}, changes...)...)
}

// own is a valid request of the client for itself, for notes.
func own() ask {
	return ask{trace: "trc_1", form: map[string][]string{
		"grant_type": {oauth.GrantTypeClientCredentials}, "client_id": {"agent"}, "client_secret": {secretText}, "resource": {notesURI},
	}}
}

// TestClientCredentials holds every fact of one grant to a client.
func TestClientCredentials(t *testing.T) {
	w := service(t)
	response, minted := w.granted(t, own().with("scope", "notes:write notes:admin"))
	if response.TokenType != "Bearer" || response.Scope != "notes:write" || response.Resource != notesURI || response.ExpiresIn.Seconds() != 600 {
		t.Errorf("response %+v", response)
	}
	c := minted.Claims()
	if c.Subject != "agent" || c.ClientID != "agent" || c.Plan != "pro" || c.Environment != "production" || c.Tenant != "default" || c.ACR != "" || !c.AuthTime.IsZero() || c.AMR != nil {
		t.Errorf("claims %+v", c)
	}
	e := w.journal.last(t)
	if token := e.Token; token.Subject != "agent" || token.IdPUID != "" || token.ClientUID == "" || token.GrantType != "client_credentials" || token.ID != c.ID {
		t.Errorf("remembered token %+v", token)
	}
	if event := e.Event; event.Principal.Kind != "client" || event.Client != "agent" || event.OnBehalf != "" || event.IdP != "" || event.AssertionID != "" || event.Resource != "notes" {
		t.Errorf("event %+v", event)
	}
	if len(e.Redemptions) != 0 {
		t.Errorf("used up %v", spaces(e))
	}
	in := w.seenByPolicy(t)
	for _, absent := range []string{"user", "subject", "issuer", "assertion", "asserted", "workload"} {
		if _, there := in[absent]; there {
			t.Errorf("policy saw %s: %v", absent, in[absent])
		}
	}
	for want, path := range map[string][]string{
		"client":                    {"actor", "kind"},
		"0":                         {"actor", "depth"},
		"client_credentials":        {"grant_type"},
		"[notes:write notes:admin]": {"requested", "scopes"},
		"[notes:read notes:write]":  {"available_scopes"},
		"pro":                       {"client", "plan"},
		"production":                {"client", "environment"},
		"client_secret_post":        {"client", "auth_method"},
		"enterprise":                {"tenant", "plan"},
	} {
		if got := member(in, path...); got != want {
			t.Errorf("%v is %s, want %s", path, got, want)
		}
	}
	if got := w.seen.granted; len(got) != 1 || got[0] != "client_credentials||" {
		t.Errorf("counted %v", got)
	}
}

// TestClientCredentialsSettle: one of the client's resources, and the resource's default_scopes where none are named.
func TestClientCredentialsSettle(t *testing.T) {
	only := change{"resources: [notes, wiki, old]\n  plan", "resources: [notes, old]\n  plan"}
	for name, c := range map[string]struct {
		changes        []change
		edit           func(a ask) ask
		resource, want string // and scope
	}{
		"default scopes":       {edit: func(a ask) ask { return a }, resource: notesURI, want: "notes:read"},
		"a scope that implies": {changes: []change{{"  scopes: [\"notes:read\", \"notes:write\", \"wiki:read\"]\n", "  scopes: [\"notes:write\"]\n"}}, edit: func(a ask) ask { return a }, resource: notesURI, want: "notes:read"},
		"another resource":     {edit: func(a ask) ask { return a.with("resource", wikiURI).with("scope", "wiki:read") }, resource: wikiURI, want: "wiki:read"},
		"the only one":         {changes: []change{only}, edit: func(a ask) ask { return a.with("resource") }, resource: notesURI, want: "notes:read"},
		"an assertion beside":  {edit: func(a ask) ask { return a.with("assertion", "x") }, resource: notesURI, want: "notes:read"},
	} {
		t.Run(name, func(t *testing.T) {
			w := service(t, c.changes...)
			if response, _ := w.granted(t, c.edit(own())); response.Resource != c.resource || response.Scope != c.want {
				t.Errorf("%+v", response)
			}
		})
	}
}

// TestClientCredentialsIsRefused: one thing wrong, one code.
func TestClientCredentialsIsRefused(t *testing.T) {
	public := with(`apiVersion: chancery/v1
kind: Client
metadata: {name: phone}
spec: {type: public, scopes: ["notes:read"], resources: [notes]}`)
	for name, c := range map[string]struct {
		changes []change
		edit    func(a ask) ask
		code    oauth.Code
		error   string
		lane    bool
	}{
		"no client":    {edit: func(a ask) ask { return a.with("client_id").with("client_secret") }, code: oauth.CodeClientAuthenticationRequired, error: "invalid_client", lane: true},
		"no secret":    {edit: func(a ask) ask { return a.with("client_secret") }, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client", lane: true},
		"wrong secret": {edit: func(a ask) ask { return a.with("client_secret", "x") }, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client", lane: true},
		"public":       {changes: []change{public}, edit: func(a ask) ask { return a.with("client_id", "phone").with("client_secret") }, code: oauth.CodeClientPublic, error: "unauthorized_client", lane: true},
		"public, admitted elsewhere": {
			changes: []change{public, {"spec: {plan: enterprise}", "spec: {plan: enterprise, public_client_assertions: cnf}"}},
			edit:    func(a ask) ask { return a.with("client_id", "phone").with("client_secret") }, code: oauth.CodeClientPublic, error: "unauthorized_client", lane: true,
		},
		"not its grant":           {changes: []change{{"grant_types: [client_credentials]", `grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`}}, code: oauth.CodeClientGrantNotAllowed, error: "unauthorized_client"},
		"no grants":               {changes: []change{{"  grant_types: [client_credentials]\n", ""}}, code: oauth.CodeClientGrantNotAllowed, error: "unauthorized_client"},
		"needs a proof":           {changes: []change{{"  plan: pro\n", "  plan: pro\n  dpop: required\n"}}, code: oauth.CodeDPoPProofRequired, error: "invalid_dpop_proof"},
		"resource needs one":      {changes: []change{{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {dpop: required}\n"}}, code: oauth.CodeDPoPProofRequired, error: "invalid_dpop_proof"},
		"resource not its own":    {edit: func(a ask) ask { return a.with("resource", "https://mcp.acme.com/payroll") }, code: oauth.CodeResourceNotAllowed, error: "invalid_target"},
		"resource unknown":        {edit: func(a ask) ask { return a.with("resource", "https://evil.example/") }, code: oauth.CodeResourceNotAllowed, error: "invalid_target"},
		"resource disabled":       {edit: func(a ask) ask { return a.with("resource", "https://mcp.acme.com/old") }, code: oauth.CodeResourceNotAllowed, error: "invalid_target"},
		"resource by its name":    {edit: func(a ask) ask { return a.with("resource", "notes") }, code: oauth.CodeResourceNotAllowed, error: "invalid_target"},
		"two resources":           {edit: func(a ask) ask { return a.with("resource", notesURI, wikiURI) }, code: oauth.CodeResourceUnsettled, error: "invalid_target"},
		"two to choose from":      {edit: func(a ask) ask { return a.with("resource") }, code: oauth.CodeResourceUnsettled, error: "invalid_target"},
		"none to choose from":     {changes: []change{{"  resources: [notes, wiki, old]\n", ""}}, edit: func(a ask) ask { return a.with("resource") }, code: oauth.CodeResourceUnsettled, error: "invalid_target"},
		"none to ask for":         {changes: []change{{"  resources: [notes, wiki, old]\n", ""}}, code: oauth.CodeResourceNotAllowed, error: "invalid_target"},
		"no scope of its own":     {changes: []change{{"  scopes: [\"notes:read\", \"notes:write\", \"wiki:read\"]\n", ""}}, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"scope not its own":       {edit: func(a ask) ask { return a.with("scope", "notes:admin") }, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"scope of another":        {edit: func(a ask) ask { return a.with("scope", "wiki:read") }, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"scope malformed":         {edit: func(a ask) ask { return a.with("scope", "notes:read  x") }, code: oauth.CodeScopeMalformed, error: "invalid_scope"},
		"no default scopes":       {edit: func(a ask) ask { return a.with("resource", wikiURI) }, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"denied":                  {changes: []change{policyOf(`{"allow": false}`)}, code: oauth.CodePolicyDenied, error: "access_denied"},
		"the policy wants a user": {changes: []change{policyOf(`{"allow": input.user.guest == false, "scopes": input.resource.scopes}`)}, code: oauth.CodePolicyUndefined, error: "access_denied"},
		"a person must sign in":   {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:read"], "step_up": {"acr_values": ["phr"]}}`)}, code: oauth.CodePolicyDenied, error: "access_denied"},
		"an approval":             {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:read"], "approval": {"group": "security"}}`)}, code: oauth.CodePolicyDenied, error: "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := service(t, c.changes...)
			a := own()
			if c.edit != nil {
				a = c.edit(a)
			}
			if refusal := w.refused(t, a, c.code); refusal.wire.Error != c.error {
				t.Errorf("answered %s", refusal.wire.Error)
			}
			if c.lane != (len(w.lane.events) == 1) || c.lane == (len(w.journal.entries) == 1) {
				t.Errorf("%d in the lane, %d recorded", len(w.lane.events), len(w.journal.entries))
			}
			if !c.lane && w.journal.last(t).Event.Type != audit.TypeTokenRefused {
				t.Errorf("event %+v", w.journal.last(t).Event)
			}
		})
	}
}

// TestClientCredentialsByAssertion: the body names no client, sub of the client assertion does; it is used up by any answer.
func TestClientCredentialsByAssertion(t *testing.T) {
	h := newHolder(t)
	w := keyed(t, h, serves)
	ask := func(jti string) ask {
		return own().with("client_id").with("client_secret").
			with("client_assertion_type", oauth.AssertionTypeJWT).with("client_assertion", h.clientAssertion(t, w, jti))
	}
	a := ask("c1")
	a.proofs = []string{h.proof(t, w.now, nil)}
	response, minted := w.granted(t, a)
	if got := spaces(w.journal.last(t)); len(got) != 2 || got[0] != ledger.SpaceClientAssertion || got[1] != ledger.SpaceProof ||
		response.TokenType != "DPoP" || minted.Claims().Subject != "agent" || minted.Claims().Thumbprint != h.thumbprint {
		t.Errorf("used up %v, %s for %s", got, response.TokenType, minted.Claims().Subject)
	}
	w.refused(t, ask("c1"), oauth.CodeClientAssertionReplayed)
	w.refused(t, ask("c2").with("scope", "notes:admin"), oauth.CodeScopeEmpty)
	w.refused(t, ask("c2"), oauth.CodeClientAssertionReplayed)
	w.refused(t, ask("c3").with("client_id", "other"), oauth.CodeClientAuthenticationFailed)
}

// TestClaimsOfNobody: what a resource wants in its tokens of a person is not in a client's.
func TestClaimsOfNobody(t *testing.T) {
	w := service(t, change{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {claims: [groups, email]}\n"})
	_, minted := w.granted(t, own())
	for _, name := range []string{"groups", "email"} {
		if v, there := minted.Value(name); there {
			t.Errorf("%s is %v", name, v)
		}
	}
}
