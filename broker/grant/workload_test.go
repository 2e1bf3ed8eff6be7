package grant_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// with adds objects to the configuration.
func with(objects string) change {
	const place = "---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: wiki}"
	return change{place, "---\n" + objects + "\n" + place}
}

const buildClient = `apiVersion: chancery/v1
kind: Client
metadata: {name: build}
spec:
  client_id: builds.acme.com
  auth: {method: workload}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "notes:write", "wiki:read"]
  resources: [notes, wiki]
  plan: free
  environment: ci`

const buildRule = `apiVersion: chancery/v1
kind: Workload
metadata: {name: release}
spec: {idp: acme, client: build, resources: [notes], scopes: ["notes:read"], match: {sub: "repo:acme/app:ref:refs/heads/main", "claims.repository_id": "718263540"}}`

// floor is a world with a platform whose workloads are clients.
func floor(t *testing.T, changes ...change) *world {
	t.Helper()
	return newWorld(t, append([]change{
		{"profiles: [id-jag]", "profiles: [id-jag, workload]"}, {"clients: [agent]", "clients: [agent, build]"}, with(buildClient), with(buildRule),
	}, changes...)...)
}

// run is a valid request of the workload, which shows nothing but its token.
func (w *world) run(t *testing.T, options ...idptest.Option) ask {
	t.Helper()
	return w.present(t, must1(w.idp.Workload(options...)))
}

func (w *world) present(t *testing.T, assertion string) ask {
	t.Helper()
	return ask{trace: "trc_1", form: map[string][]string{"grant_type": {oauth.GrantTypeJWTBearer}, "assertion": {assertion}}}
}

// seenByPolicy is what policy saw of the last request.
func (w *world) seenByPolicy(t *testing.T) map[string]any {
	t.Helper()
	var in map[string]any
	must(t, json.Unmarshal(w.journal.last(t).Decision.Input, &in))
	return in
}

func member(in map[string]any, path ...string) string {
	var at any = in
	for _, name := range path {
		members, _ := at.(map[string]any)
		at = members[name]
	}
	return fmt.Sprint(at)
}

// TestWorkload holds every fact of one grant to a workload.
func TestWorkload(t *testing.T) {
	w := floor(t)
	response, minted := w.granted(t, w.run(t, idptest.WithClaim("jti", "run-1"), idptest.WithClaim("act", map[string]any{"sub": "bot"})))
	if response.TokenType != "Bearer" || response.Scope != "notes:read" || response.Resource != notesURI {
		t.Errorf("response %+v", response)
	}
	c := minted.Claims()
	if c.Subject != "builds.acme.com" || c.ClientID != "builds.acme.com" || c.Plan != "free" || c.Environment != "ci" || c.ACR != "" || !c.AuthTime.IsZero() {
		t.Errorf("claims %+v", c)
	}
	e := w.journal.last(t)
	if e.Token.Subject != "builds.acme.com" || e.Token.IdPUID == "" || e.Token.ClientUID == "" || e.Token.GrantType != oauth.GrantTypeJWTBearer {
		t.Errorf("remembered token %+v", e.Token)
	}
	if event := e.Event; event.Principal.Kind != "client" || event.Principal.Name != "build" || event.OnBehalf != "" || event.IdP != "acme" ||
		event.AssertionID != "run-1" || event.Type != audit.TypeTokenIssued {
		t.Errorf("event %+v", event)
	}
	if !slices.ContainsFunc(e.Event.Checks, func(c audit.Check) bool { return c.Name == "workload" && c.OK && c.Expected == "release" }) ||
		!slices.ContainsFunc(e.Event.Checks, func(c audit.Check) bool { return c.Name == "client" && c.Received == "build by workload" }) {
		t.Errorf("checks %+v", e.Event.Checks)
	}
	in := w.seenByPolicy(t)
	for _, absent := range []string{"user", "subject"} {
		if _, there := in[absent]; there {
			t.Errorf("policy saw %s: %v", absent, in[absent])
		}
	}
	for want, path := range map[string][]string{
		"workload":                          {"actor", "kind"},
		"1":                                 {"actor", "depth"},
		"release":                           {"workload", "name"},
		"repo:acme/app:ref:refs/heads/main": {"workload", "sub"},
		"map[auth_method:workload dpop:false environment:ci id:builds.acme.com name:build plan:free scopes:[notes:read notes:write wiki:read] type:confidential]": {"client"},
		"acme/app":     {"assertion", "claims", "repository"},
		"acme":         {"issuer", "name"},
		"[notes:read]": {"asserted", "scopes"},
	} {
		if got := member(in, path...); got != want {
			t.Errorf("%v is %s, want %s", path, got, want)
		}
	}
}

// TestWorkloadIsRefused: one thing wrong, one code; and whether it was known who asked when it was found.
func TestWorkloadIsRefused(t *testing.T) {
	h := newHolder(t)
	secret := change{"auth: {method: workload}", "auth: {method: client_secret_post, secret: {env: BUILD_SECRET}}"}
	another := with(`apiVersion: chancery/v1
kind: Workload
metadata: {name: other}
spec: {idp: acme, client: build, match: {"claims.repository": acme/app}}`)
	public := with(`apiVersion: chancery/v1
kind: Client
metadata: {name: phone}
spec: {type: public, scopes: ["notes:read"], resources: [notes]}`)
	for name, c := range map[string]struct {
		changes  []change
		options  []idptest.Option
		edit     func(a ask) ask
		code     oauth.Code
		error    string
		recorded bool
	}{
		"another repository":      {options: []idptest.Option{idptest.WithClaim("repository_id", "1")}, code: oauth.CodeWorkloadUnmatched, error: "invalid_grant"},
		"another branch":          {options: []idptest.Option{idptest.WithClaim("sub", "repo:acme/app:ref:refs/heads/evil")}, code: oauth.CodeWorkloadUnmatched, error: "invalid_grant"},
		"a claim is missing":      {options: []idptest.Option{idptest.WithoutClaim("repository_id")}, code: oauth.CodeWorkloadUnmatched, error: "invalid_grant"},
		"a claim is a list":       {options: []idptest.Option{idptest.WithClaim("repository_id", []string{"718263540"})}, code: oauth.CodeWorkloadUnmatched, error: "invalid_grant"},
		"no rule":                 {changes: []change{{buildRule + "\n---", ""}}, code: oauth.CodeWorkloadUnmatched, error: "invalid_grant"},
		"the rule is disabled":    {changes: []change{{"spec: {idp: acme, client: build,", "spec: {disabled: true, idp: acme, client: build,"}}, code: oauth.CodeWorkloadUnmatched, error: "invalid_grant"},
		"the rule of another IdP": {changes: []change{{"spec: {idp: acme, client: build,", "spec: {idp: other, client: build,"}}, code: oauth.CodeWorkloadUnmatched, error: "invalid_grant"},
		"two rules":               {changes: []change{another}, code: oauth.CodeWorkloadAmbiguous, error: "invalid_grant"},

		"no such client":          {changes: []change{{"idp: acme, client: build", "idp: acme, client: nobody"}}, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"client_id for its name":  {changes: []change{{"idp: acme, client: build", "idp: acme, client: builds-acme-com"}}, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"client disabled":         {changes: []change{{"  auth: {method: workload}", "  disabled: true\n  auth: {method: workload}"}}, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"client expired":          {changes: []change{{"  auth: {method: workload}", "  expires_at: 2026-11-21T12:00:00Z\n  auth: {method: workload}"}}, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"client without grant":    {changes: []change{{"{method: workload}\n  grant_types: [\"urn:ietf:params:oauth:grant-type:jwt-bearer\"]", "{method: workload}"}}, code: oauth.CodeClientGrantNotAllowed, error: "unauthorized_client", recorded: true},
		"client not of the entry": {changes: []change{{"clients: [agent, build]", "clients: [agent]"}}, code: oauth.CodeIssuerClientNotAllowed, error: "invalid_grant", recorded: true},
		"client needs a proof":    {changes: []change{{"  auth: {method: workload}", "  dpop: required\n  auth: {method: workload}"}}, code: oauth.CodeDPoPProofRequired, error: "invalid_dpop_proof", recorded: true},
		"authenticated as another": {
			edit: func(a ask) ask { return a.with("client_id", "agent").with("client_secret", secretText) },
			code: oauth.CodeClientIDMismatch, error: "invalid_grant", recorded: true,
		},
		"a wrong secret beside it": {
			changes: []change{secret}, edit: func(a ask) ask { return a.with("client_id", "builds.acme.com").with("client_secret", "x") },
			code: oauth.CodeClientAuthenticationFailed, error: "invalid_client",
		},
		"the client's name beside it":   {edit: func(a ask) ask { return a.with("client_id", "builds.acme.com") }, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"a public client's beside it":   {changes: []change{public}, edit: func(a ask) ask { return a.with("client_id", "phone") }, code: oauth.CodeClientPublic, error: "unauthorized_client"},
		"a client that is not there":    {edit: func(a ask) ask { return a.with("client_id", "nobody") }, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"two authentications beside it": {edit: func(a ask) ask { return a.with("client_secret", "x").with("client_assertion", "y") }, code: oauth.CodeTwoClientAuthentications, error: "invalid_request"},

		"resource outside the rule":   {edit: func(a ask) ask { return a.with("resource", wikiURI) }, code: oauth.CodeResourceNotAllowed, error: "invalid_target", recorded: true},
		"resource outside the client": {changes: []change{{"resources: [notes, wiki]\n  plan: free", "resources: [wiki]\n  plan: free"}}, edit: func(a ask) ask { return a.with("resource", notesURI) }, code: oauth.CodeResourceNotAllowed, error: "invalid_target", recorded: true},
		"resource outside the entry":  {changes: []change{{"resources: [notes, wiki, old], scopes", "resources: [wiki], scopes"}}, edit: func(a ask) ask { return a.with("resource", notesURI) }, code: oauth.CodeResourceNotAllowed, error: "invalid_target", recorded: true},
		"the rule names no resource":  {changes: []change{{"client: build, resources: [notes], scopes", "client: build, scopes"}}, code: oauth.CodeResourceUnsettled, error: "invalid_target", recorded: true},
		"two to choose from":          {changes: []change{{"client: build, resources: [notes]", "client: build, resources: [notes, wiki]"}}, code: oauth.CodeResourceUnsettled, error: "invalid_target", recorded: true},
		"the resource needs a proof":  {changes: []change{{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {dpop: required}\n"}}, code: oauth.CodeDPoPProofRequired, error: "invalid_dpop_proof", recorded: true},

		"scope outside the rule":    {edit: func(a ask) ask { return a.with("scope", "notes:write") }, code: oauth.CodeScopeEmpty, error: "invalid_scope", recorded: true},
		"scope outside the client":  {changes: []change{{"scopes: [\"notes:read\", \"notes:write\", \"wiki:read\"]\n  resources: [notes, wiki]\n  plan: free", "scopes: [\"wiki:read\"]\n  resources: [notes, wiki]\n  plan: free"}}, code: oauth.CodeScopeEmpty, error: "invalid_scope", recorded: true},
		"scope outside the entry":   {changes: []change{{"scopes: [\"notes:read\", \"notes:write\", \"wiki:read\"]}", "scopes: [\"wiki:read\"]}"}}, code: oauth.CodeScopeEmpty, error: "invalid_scope", recorded: true},
		"the rule names no scope":   {changes: []change{{"resources: [notes], scopes: [\"notes:read\"], match", "resources: [notes], match"}}, code: oauth.CodeScopeEmpty, error: "invalid_scope", recorded: true},
		"a claim is no scope":       {changes: []change{{"resources: [notes], scopes: [\"notes:read\"], match", "resources: [notes], match"}}, options: []idptest.Option{idptest.WithScope("notes:read")}, code: oauth.CodeScopeEmpty, error: "invalid_scope", recorded: true},
		"denied":                    {changes: []change{policyOf(`{"allow": false}`)}, code: oauth.CodePolicyDenied, error: "invalid_grant", recorded: true},
		"denied for want of a user": {changes: []change{policyOf(`{"allow": input.user.status == "active", "scopes": ["notes:read"]}`)}, code: oauth.CodePolicyUndefined, error: "invalid_grant", recorded: true},
		"a person must sign in":     {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:read"], "step_up": {"max_age": 300}}`)}, options: []idptest.Option{idptest.WithClaim("auth_time", now.Unix())}, code: oauth.CodePolicyDenied, error: "invalid_grant", recorded: true},

		"no assertion":            {edit: func(a ask) ask { return a.with("assertion") }, code: oauth.CodeParameterMissing, error: "invalid_request"},
		"expired":                 {options: []idptest.Option{idptest.WithClaim("exp", now.Unix()-100), idptest.WithClaim("iat", now.Unix()-200)}, code: oauth.CodeAssertionExpired, error: "invalid_grant"},
		"for somebody else":       {options: []idptest.Option{idptest.WithAudience("https://other.example")}, code: oauth.CodeAudNotUs, error: "invalid_grant"},
		"key unknown":             {options: []idptest.Option{idptest.WithHeader("kid", "other")}, code: oauth.CodeKeyUnknown, error: "invalid_grant"},
		"an ID token":             {options: []idptest.Option{idptest.WithClaim("nonce", "n")}, code: oauth.CodeIDTokenPresented, error: "invalid_grant"},
		"bound, not proved":       {options: []idptest.Option{idptest.WithJKT(h.thumbprint)}, code: oauth.CodeCNFUnproved, error: "invalid_grant"},
		"profile not of the IdP":  {changes: []change{{buildRule + "\n---", ""}, {"[id-jag, workload]", "[id-jag]"}}, code: oauth.CodeTypMissing, error: "invalid_grant"},
		"plain ones of the IdP":   {changes: []change{{buildRule + "\n---", ""}, {"[id-jag, workload]", "[id-jag, jwt-bearer]"}}, code: oauth.CodeClientAuthenticationRequired, error: "invalid_client"},
		"authorization_details":   {options: []idptest.Option{idptest.WithClaim("resource", "x")}, code: ""},
		"the IdP itself disabled": {changes: []change{{"  preset: generic\n", "  preset: generic\n  disabled: true\n"}}, code: oauth.CodeIssDisabled, error: "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			w := floor(t, c.changes...)
			a := w.run(t, c.options...)
			if c.edit != nil {
				a = c.edit(a)
			}
			if c.code == "" { // what a platform says under these names is its own matter
				w.granted(t, a)
				return
			}
			refusal := w.refused(t, a, c.code)
			if refusal.wire.Error != c.error {
				t.Errorf("answered %s", refusal.wire.Error)
			}
			if c.recorded {
				if len(w.lane.events) != 0 || len(w.journal.last(t).Redemptions) != 0 {
					t.Errorf("recorded %+v", w.journal.entries)
				}
				return
			}
			if event := w.lane.last(t); len(w.journal.entries) != 0 || event.Principal.Kind != "anonymous" || event.Code != string(c.code) || event.Decision != "" {
				t.Errorf("event %+v", event)
			}
		})
	}
}

// TestWorkloadErrorProfile: what is valid and not entitled is access_denied under idjag-06, what fits no rule is not.
func TestWorkloadErrorProfile(t *testing.T) {
	later := change{"clients: [agent, build], resources", "error_profile: idjag-06, clients: [agent, build], resources"}
	for code, c := range map[oauth.Code]struct {
		change change
		error  string
	}{
		oauth.CodePolicyDenied:           {policyOf(`{"allow": false}`), "access_denied"},
		oauth.CodeIssuerClientNotAllowed: {change{"clients: [agent, build]", "clients: [agent]"}, "access_denied"},
		oauth.CodeWorkloadUnmatched:      {change{"718263540", "1"}, "invalid_grant"},
	} {
		w := floor(t, later, c.change)
		if refusal := w.refused(t, w.run(t), code); refusal.wire.Error != c.error || refusal.wire.Status != 400 {
			t.Errorf("%s: %+v", code, refusal.wire)
		}
	}
}

// TestWorkloadOnce: by jti, and where a platform sends none, by what it signed.
func TestWorkloadOnce(t *testing.T) {
	w := floor(t)
	a := w.run(t)
	w.granted(t, a)
	w.refused(t, a, oauth.CodeJTIReplayed)
	w.granted(t, w.run(t))

	kube := change{
		`match: {sub: "repo:acme/app:ref:refs/heads/main", "claims.repository_id": "718263540"}`,
		`match: {'claims["kubernetes.io"].namespace': agents, 'claims["kubernetes.io"].serviceaccount.name': builder}`,
	}
	w = floor(t, kube, change{"algorithms: [ES256]", "algorithms: [ES256], max_lifetime: 10m"})
	bare := must1(w.idp.Shaped("kubernetes-1.28"))
	w.granted(t, w.present(t, bare))
	r := w.journal.last(t).Redemptions[0]
	if r.Space != ledger.SpaceAssertion || r.Key == sha256.Sum256([]byte(idpIssuer+"\x00")) {
		t.Errorf("redemption %+v", r)
	}
	w.refused(t, w.present(t, bare), oauth.CodeJTIReplayed)
	w.refused(t, w.present(t, must1(w.idp.Shaped("kubernetes-1.28"))), oauth.CodeJTIReplayed) // signed again: the same claims
	w.granted(t, w.present(t, must1(w.idp.Shaped("kubernetes-1.28", idptest.WithClaim("exp", now.Unix()+60)))))
	w.granted(t, w.present(t, must1(w.idp.Shaped("kubernetes"))))
}

// TestWorkloadComesAgain: reuse: client_bound, which the rule makes: with the same token and no key.
func TestWorkloadComesAgain(t *testing.T) {
	h := newHolder(t)
	w := floor(t, change{"clients: [agent, build], resources", "reuse: client_bound, clients: [agent, build], resources"})
	a := w.run(t)
	w.granted(t, a)
	w.granted(t, a)
	if used := w.journal.last(t).Redemptions; len(used) != 0 {
		t.Errorf("used up %v", used)
	}
	a.proofs = []string{h.proof(t, w.now, nil)}
	w.granted(t, a) // bound to a key of the caller's choice: used up
	a.proofs = []string{h.proof(t, w.now, func(c map[string]any) { c["jti"] = "proof-2" })}
	w.refused(t, a, oauth.CodeJTIReplayed)
}

// TestWorkloadThatAuthenticates as the client of its rule is that client by its own credential.
func TestWorkloadThatAuthenticates(t *testing.T) {
	w := floor(t, change{"auth: {method: workload}", "auth: {method: client_secret_post, secret: {env: BUILD_SECRET}}"})
	w.granted(t, w.run(t).with("client_id", "builds.acme.com").with("client_secret", secretText))
	if got := member(w.seenByPolicy(t), "client", "auth_method"); got != "client_secret_post" {
		t.Errorf("by %s", got)
	}
	w.granted(t, w.run(t))
	if got := member(w.seenByPolicy(t), "client", "auth_method"); got != "workload" {
		t.Errorf("by %s", got)
	}
}

// TestWorkloadWithKey: bound as everything else is.
func TestWorkloadWithKey(t *testing.T) {
	h := newHolder(t)
	for name, options := range map[string][]idptest.Option{"its own proof": nil, "bound": {idptest.WithJKT(h.thumbprint)}} {
		t.Run(name, func(t *testing.T) {
			w := floor(t)
			a := w.run(t, options...)
			a.proofs = []string{h.proof(t, w.now, nil)}
			if response, minted := w.granted(t, a); response.TokenType != "DPoP" || minted.Claims().Thumbprint != h.thumbprint {
				t.Errorf("%s bound to %s", response.TokenType, minted.Claims().Thumbprint)
			}
		})
	}
	w := floor(t)
	a := w.run(t, idptest.WithJKT(h.thumbprint), idptest.WithClaim("repository_id", "1"))
	a.proofs = []string{h.proof(t, w.now, nil)}
	w.refused(t, a, oauth.CodeWorkloadUnmatched)
	if len(w.journal.entries) != 0 { // a platform binds anybody's token to anybody's key: nobody is known by it
		t.Error("a flood of those would fill the disk")
	}
}

// TestClientIsNoUser: a client_id in the form of a user's id is no subject, even one that was applied before that was refused.
func TestClientIsNoUser(t *testing.T) {
	w := floor(t)
	w.rename(t, "build", "builds.acme.com", "Usr_01")
	w.refused(t, w.run(t), oauth.CodeClientGrantNotAllowed)

	w = service(t, change{"spec:\n  auth:", "spec:\n  client_id: an-agent\n  auth:"})
	w.rename(t, "agent", "an-agent", "usr_01")
	w.refused(t, own().with("client_id", "usr_01"), oauth.CodeClientGrantNotAllowed)
}

// rename gives a client another client_id behind the back of what checks it.
func (w *world) rename(t *testing.T, client, from, to string) {
	t.Helper()
	stored := must1(w.store.Get(t.Context(), must1(w.source.Get(t.Context(), "default")).UID, object.KindClient, client))
	stored.Spec = []byte(strings.Replace(string(stored.Spec), from, to, 1))
	stored.Keys = []object.Key{{Space: object.SpaceClientID, Value: to, Exclusive: true}}
	stored.Revision++
	_, err := w.store.Apply(t.Context(), object.Write{Tenant: stored.Tenant, Changes: []object.Change{{Stored: stored, Narrows: true}}})
	must(t, err)
}

// TestWorkloadHasNoGroups: neither of its token's claims nor of a directory, wherever the entry takes them from.
func TestWorkloadHasNoGroups(t *testing.T) {
	w := floor(t, change{"groups_from: [claim]", "groups_from: [claim, directory]"})
	w.granted(t, w.run(t, idptest.WithClaim("groups", []string{"staff"}), idptest.WithClaim("hasgroups", true)))
	if _, there := w.seenByPolicy(t)["user"]; there {
		t.Error("a workload is a user")
	}
}
