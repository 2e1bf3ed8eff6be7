package token

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Platforms and an IdP beside the world's own, each with an entry, and what their tokens may do. {forge}, {cluster} and
// {realm} are their issuers.
const machines = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: github}
spec:
  preset: github-actions
  issuer: {forge}
  network: {allow_private_addresses: true}
  assertions: {profiles: [workload], algorithms: [ES256], clients: [build], resources: [notes], scopes: [notes:read, notes:write]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: cluster}
spec:
  preset: kubernetes
  issuer: {cluster}
  network: {allow_private_addresses: true}
  assertions: {profiles: [workload], algorithms: [ES256], reuse: single_use, clients: [build], resources: [notes], scopes: [notes:read]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: realm}
spec:
  preset: keycloak
  issuer: {realm}
  network: {allow_private_addresses: true}
  assertions: {profiles: [jwt-bearer], algorithms: [ES256], clients: [claude], resources: [notes], scopes: [notes:read, notes:write]}
  claims: {groups: groups, groups_from: [claim], group_aliases: {/notes-editors: notes-editors}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: ada}
spec: {email: ada@acme.com, status: active, identities: [{idp: realm, sub: 5c1d3c9e-2b3b-4e5a-8b1f-3a9f2f7f0c11}]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: build}
spec:
  auth: {method: workload}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
  plan: free
  environment: ci
---
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-server}
spec: {auth: {method: client_secret_basic}}
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: release}
spec: {idp: github, client: build, resources: [notes], scopes: [notes:read, notes:write], match: {sub: "repo:acme/app:ref:refs/heads/main", "claims.repository_id": "718263540"}}
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: builder}
spec: {idp: cluster, client: build, resources: [notes], scopes: [notes:read], match: {'claims["kubernetes.io"].namespace': agents, 'claims["kubernetes.io"].serviceaccount.name': builder}}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: group-scopes
  data:
    grants: [{groups: [notes-editors], resource: notes, scopes: ["notes:write"]}]
    clients: [{clients: [build, export, pro, keyed], resource: notes, scopes: ["notes:write", "notes:read"]}]
---
`

// fleet is a world with machines in it.
type fleet struct {
	*harness.World
	forge, cluster, realm *idptest.Running
}

func newFleet(t *testing.T, o harness.Options, more string) fleet {
	t.Helper()
	f := fleet{forge: idptest.Start(t, idptest.Options{}), cluster: idptest.Start(t, idptest.Options{}), realm: idptest.Start(t, idptest.Options{})}
	resource := strings.Replace(harness.DefaultResource, "  default_scopes:", "  server: {client: notes-server}\n  default_scopes:", 1)
	objects := harness.DefaultIdP + harness.DefaultClient + resource + harness.DefaultPeople + machines + more
	o.Objects = strings.NewReplacer("{forge}", f.forge.Issuer(), "{cluster}", f.cluster.Issuer(), "{realm}", f.realm.Issuer()).Replace(objects)
	f.World = harness.Start(t, o)
	return f
}

func eachFleet(t *testing.T, more string, test func(t *testing.T, f fleet)) {
	t.Helper()
	harness.Each(t, func(t *testing.T, e harness.Engine) { test(t, newFleet(t, harness.Options{Engine: e}, more)) })
}

// bare is a request that shows an assertion and nothing else.
func bare(assertion string) *harness.Call {
	return &harness.Call{Header: http.Header{}, Form: url.Values{"grant_type": {harness.GrantType}, "assertion": {assertion}, "resource": {harness.Notes}}}
}

func TestWorkloads(t *testing.T) {
	eachFleet(t, "", func(t *testing.T, f fleet) {
		p, ours := f.Server(), idptest.WithAudience(f.Issuer)
		t.Run("GitHub Actions", func(t *testing.T) {
			assertion := f.forge.Workload(ours)
			a := f.Send(p, bare(assertion)).Granted(t)
			token := harness.Verify(t, a.AccessToken, p.Get("/.well-known/jwks.json").Body)
			got := fmt.Sprint(a.Scope, " ", token.Claims["sub"], " ", token.Claims["client_id"], " ", token.Claims["plan"], " ", token.Claims["environment"])
			if want := "notes:read notes:write build build free ci"; got != want || strings.Contains(a.Body, "refresh_token") {
				t.Errorf("%s, want %s", got, want)
			}
			f.Send(p, bare(assertion)).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
			f.Send(p, bare(f.forge.Workload(ours)).With("scope", "notes:read")).Granted(t)
			endpoint := f.forge.Workload(idptest.WithAudience(f.Issuer + "/token"))
			f.Send(p, bare(endpoint)).Granted(t)
		})
		t.Run("Kubernetes", func(t *testing.T) {
			for _, shape := range []string{"kubernetes", "kubernetes-1.28"} { // the older sends no jti
				assertion := f.cluster.Shaped(shape, idptest.WithClaim("aud", []string{f.Issuer}))
				if a := f.Send(p, bare(assertion)).Granted(t); a.Scope != "notes:read" {
					t.Errorf("%s: %s", shape, a.Scope)
				}
				f.Send(p, bare(assertion)).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
			}
		})
		t.Run("refused", func(t *testing.T) {
			for name, c := range map[string]struct {
				call        *harness.Call
				status      int
				error, code string
			}{
				"another repository":   {bare(f.forge.Workload(ours, idptest.WithClaim("repository_id", "1"))), 400, "invalid_grant", "workload_unmatched"},
				"another namespace":    {bare(f.cluster.Shaped("kubernetes", ours, idptest.WithClaim("kubernetes.io", map[string]any{"namespace": "other"}))), 400, "invalid_grant", "workload_unmatched"},
				"of nobody we know":    {bare(idptest.Start(t, idptest.Options{}).Workload(ours)), 400, "invalid_grant", "assertion_untrusted"},
				"for somebody else":    {bare(f.forge.Workload(idptest.WithAudience("https://other.example"))), 400, "invalid_grant", "aud_not_us"},
				"scope of no rule":     {bare(f.cluster.Shaped("kubernetes", ours)).With("scope", "notes:write"), 400, "invalid_scope", "scope_empty"},
				"beside a client":      {bare(f.forge.Workload(ours)).Basic(harness.ClientID, f.Secret), 400, "invalid_grant", "client_id_mismatch"},
				"beside a wrong one":   {bare(f.forge.Workload(ours)).Basic(harness.ClientID, "x"), 401, "invalid_client", "client_authentication_failed"},
				"an ID-JAG":            {bare(f.IdP.IDJAG(idptest.Alice)), 401, "invalid_client", "client_authentication_required"},
				"a plain assertion":    {bare(f.realm.Shaped("keycloak-user", ours)), 401, "invalid_client", "client_authentication_required"},
				"its name and no more": {bare(f.forge.Workload(ours)).With("client_id", "build"), 401, "invalid_client", "client_authentication_failed"},
				"asks for itself":      {bare("").With("grant_type", "client_credentials").With("client_id", "build"), 401, "invalid_client", "client_authentication_failed"},
			} {
				t.Run(name, func(t *testing.T) { f.Send(p, c.call).Refused(t, c.status, c.error, c.code) })
			}
		})
	})
}

func TestPlainAssertion(t *testing.T) {
	eachFleet(t, "", func(t *testing.T, f fleet) {
		p := f.Server()
		call := func(options ...idptest.Option) *harness.Call {
			return bare(f.realm.Shaped("keycloak-user", append([]idptest.Option{idptest.WithAudience(f.Issuer)}, options...)...)).Basic(harness.ClientID, f.Secret)
		}
		a := f.Send(p, call()).Granted(t)
		token := harness.Verify(t, a.AccessToken, p.Get("/.well-known/jwks.json").Body)
		ada, err := p.Admin.Get(t.Context(), "User", "ada")
		if err != nil {
			t.Fatal(err)
		}
		if a.Scope != "notes:read notes:write" || token.Claims["sub"] != ada.Metadata.UID || token.Claims["client_id"] != harness.ClientID || token.Claims["acr"] != "1" {
			t.Errorf("%s for %v", a.Scope, token.Claims)
		}
		f.Send(p, call(idptest.WithAudience(f.Issuer+"/token"))).Granted(t)
		f.Send(p, call(idptest.WithClaim("groups", []string{"/others"}))).Refused(t, 400, "invalid_grant", "policy_denied")
		f.Send(p, call(idptest.WithClaim("sub", "nobody"))).Refused(t, 400, "invalid_grant", "subject_unmatched")
		f.Send(p, call(idptest.WithClaim("typ", "ID"))).Refused(t, 400, "invalid_grant", "id_token_presented")
		f.Send(p, bare(f.IdP.Plain(idptest.Alice)).Basic(harness.ClientID, f.Secret)).Refused(t, 400, "invalid_grant", "typ_missing")
	})
}

// introspected is what the resource's server is told of a token.
func (f fleet) introspected(t *testing.T, secret, token string) map[string]any {
	t.Helper()
	c := &harness.Call{Header: http.Header{}, Form: url.Values{"token": {token}}, Path: "/introspect"}
	return document(t, f.Send(f.Server(), c.Basic("notes-server", secret)))
}

// The tokens of machines count as long as their client, their IdP and their resource do.
func TestMachinesAreIntrospected(t *testing.T) {
	eachFleet(t, services(harness.NewSigner(t, "client-1")), func(t *testing.T, f fleet) {
		server := f.NewSecret("", "notes-server")
		ofWorkload := f.Send(f.Server(), bare(f.forge.Workload(idptest.WithAudience(f.Issuer)))).Granted(t).AccessToken
		ofService := f.Send(f.Server(), forItself().Basic("export", f.NewSecret("", "export"))).Granted(t).AccessToken
		for token, subject := range map[string]string{ofWorkload: "build", ofService: "export"} {
			if m := f.introspected(t, server, token); m["active"] != true || m["sub"] != subject || m["client_id"] != subject || m["plan"] != "free" {
				t.Errorf("%v", m)
			}
		}
		if _, err := f.Server().Admin.Delete(t.Context(), "IdentityProvider", "github", false); err != nil {
			t.Fatal(err)
		}
		if m := f.introspected(t, server, ofWorkload); m["active"] != false {
			t.Errorf("after its IdP is gone: %v", m)
		}
		if m := f.introspected(t, server, ofService); m["active"] != true {
			t.Errorf("of no IdP: %v", m)
		}
	})
}

// services are clients that ask for themselves, and a guard by which a plan is limited to scopes.
func services(key *harness.Signer) string {
	client := func(name, spec string) string {
		return "\napiVersion: chancery/v1\nkind: Client\nmetadata: {name: " + name + "}\nspec:\n  grant_types: [client_credentials]\n  scopes: [notes:read, notes:write]\n" +
			"  resources: [notes]\n" + spec + "---\n"
	}
	return client("export", "  auth: {method: client_secret_basic}\n  plan: free\n  environment: production\n") +
		client("pro", "  auth: {method: client_secret_post}\n  plan: pro\n") +
		client("keyed", "  auth: {method: private_key_jwt, jwks: "+key.Set()+"}\n  plan: pro\n") +
		client("stranger", "  auth: {method: client_secret_post}\n  plan: pro\n") +
		client("planless", "  auth: {method: client_secret_post}\n") + `
apiVersion: chancery/v1
kind: Policy
metadata: {name: plans}
spec:
  role: guard
  applies_to: {resources: [notes]}
  template: plan-scopes
  data: {plans: [{plans: [free], resource: notes, scopes: ["notes:read"]}, {plans: [pro], resource: notes, scopes: ["notes:read", "notes:write"]}]}
---
`
}

func forItself() *harness.Call {
	return &harness.Call{Header: http.Header{}, Form: url.Values{"grant_type": {"client_credentials"}, "scope": {"notes:read notes:write"}}}
}

func TestClientCredentials(t *testing.T) {
	key := harness.NewSigner(t, "client-1")
	eachFleet(t, services(key), func(t *testing.T, f fleet) {
		p := f.Server()
		t.Run("the free plan gets less, and a reason", func(t *testing.T) {
			secret := f.NewSecret("", "export")
			a := f.Send(p, forItself().Basic("export", secret)).Granted(t)
			token := harness.Verify(t, a.AccessToken, p.Get("/.well-known/jwks.json").Body)
			got := fmt.Sprint(a.Scope, " ", a.Resource, " ", token.Claims["sub"], " ", token.Claims["client_id"], " ", token.Claims["plan"], " ", token.Claims["environment"])
			if want := "notes:read " + harness.Notes + " export export free production"; got != want || strings.Contains(a.Body, "refresh_token") {
				t.Errorf("%s, want %s", got, want)
			}
			if told := f.Run("explain", a.Header.Get("Chancery-Trace"), "--output", "json"); told.Status != 0 || !strings.Contains(told.Stdout, "plan_limits_scope") || !strings.Contains(told.Stdout, "plan free does not list notes:write") {
				t.Errorf("%s", told)
			}
			if told := f.Run("explain", a.Header.Get("Chancery-Trace")); told.Status != 0 || !strings.Contains(told.Stdout, "plan free allows notes:read") {
				t.Errorf("%s", told)
			}
			a = f.Send(p, forItself().With("scope").Basic("export", secret)).Granted(t)
			if a.Scope != "notes:read" { // default_scopes
				t.Errorf("%s", a.Scope)
			}
			f.Send(p, forItself().With("scope", "notes:write").Basic("export", secret)).Refused(t, 400, "invalid_scope", "scope_empty")
		})
		t.Run("another plan gets all", func(t *testing.T) {
			a := f.Send(p, forItself().With("client_id", "pro").With("client_secret", f.NewSecret("", "pro"))).Granted(t)
			if a.Scope != "notes:read notes:write" {
				t.Errorf("%s", a.Scope)
			}
		})
		t.Run("by a client assertion that names it", func(t *testing.T) {
			assertion := key.ClientAssertion("keyed", f.Issuer, nil)
			call := forItself().With("resource", harness.Notes).With("client_assertion_type", assertionType).With("client_assertion", assertion)
			token := harness.Decode(t, f.Send(p, call).Granted(t).AccessToken)
			if token.Claims["sub"] != "keyed" || token.Claims["client_id"] != "keyed" {
				t.Errorf("%v", token.Claims)
			}
			f.Send(p, call).Refused(t, 401, "invalid_client", "client_authentication_failed")
		})
		t.Run("bound to its key", func(t *testing.T) {
			call := forItself().With("client_assertion_type", assertionType).With("client_assertion", key.ClientAssertion("keyed", f.Issuer, nil))
			proof := harness.NewSigner(t, "")
			call.Header.Set("DPoP", proof.Proof(f.Issuer+"/token", nil))
			a := f.Send(p, call).Granted(t)
			if cnf := harness.Decode(t, a.AccessToken).Claims["cnf"]; a.TokenType != "DPoP" || fmt.Sprint(cnf) != fmt.Sprint(map[string]any{"jkt": proof.Thumbprint()}) {
				t.Errorf("%s %v", a.TokenType, cnf)
			}
		})
		t.Run("refused", func(t *testing.T) {
			stranger, planless := f.NewSecret("", "stranger"), f.NewSecret("", "planless")
			by := func(name, secret string) *harness.Call {
				return forItself().With("client_id", name).With("client_secret", secret)
			}
			for name, c := range map[string]struct {
				call        *harness.Call
				status      int
				error, code string
			}{
				"nobody":                 {forItself(), 401, "invalid_client", "client_authentication_required"},
				"another grant's client": {forItself().Basic(harness.ClientID, f.Secret), 400, "unauthorized_client", "client_grant_not_allowed"},
				"not listed for itself":  {by("stranger", stranger), 400, "access_denied", "policy_denied"},
				"without a plan":         {by("planless", planless), 400, "access_denied", "policy_denied"},
				"another resource":       {by("stranger", stranger).With("resource", "https://mcp.acme.example/other"), 400, "invalid_target", "resource_not_allowed"},
			} {
				t.Run(name, func(t *testing.T) { f.Send(p, c.call).Refused(t, c.status, c.error, c.code) })
			}
		})
	})
}

// T8: a workload's token is used once whichever replica it comes to, by jti or, where a platform sends none, by what it signed.
func TestWorkloadOnceAcrossReplicas(t *testing.T) {
	f := newFleet(t, harness.Options{Engine: harness.Postgres, Replicas: 2}, "")
	ours := idptest.WithAudience(f.Issuer)
	for name, assertion := range map[string]string{"jti": f.forge.Workload(ours), "no jti": f.cluster.Shaped("kubernetes-1.28", ours)} {
		t.Run(name, func(t *testing.T) {
			first, second := f.Replicas[0], f.Replicas[1]
			f.Send(first, bare(assertion)).Granted(t)
			f.Send(second, bare(assertion)).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
			f.Send(first, bare(assertion)).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
		})
	}
}
