package sdk

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// documentURL is the client_id of the client that has a metadata document.
const documentURL = "https://clients.example/mcp.json"

const documentOfClient = `{
  "client_id": "https://clients.example/mcp.json", "client_name": "An MCP client", "redirect_uris": ["http://127.0.0.1/callback"],
  "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none", "application_type": "native"
}`

// The tenants take clients by their documents, or by registration, or only those that were registered by hand.
const (
	tenantOfDocuments = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: {{tenant}}}
spec: {registration: {cimd: {mode: hosts, hosts: [clients.example], resources: [notes], scopes: ["notes:read", "notes:write"]}, dcr: open, dcr_limits: {resources: [notes], scopes: ["notes:read", "notes:write"]}}}
---`
	registeredByHand = `
apiVersion: chancery/v1
kind: Client
metadata: {name: with-basic}
spec:
  type: confidential
  auth: {method: client_secret_basic}
  redirect_uris: ["http://127.0.0.1/callback"]
  grant_types: [authorization_code, refresh_token]
  scopes: [notes:read, notes:write]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: with-post}
spec:
  type: confidential
  auth: {method: client_secret_post}
  redirect_uris: ["http://127.0.0.1/callback"]
  grant_types: [authorization_code, refresh_token]
  scopes: [notes:read, notes:write]
  resources: [notes]
---`
	// careful wants more than a password of whoever changes notes through the client host.
	careful = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: careful}
spec:
  role: guard
  applies_to: {resources: [notes]}
  modules:
    careful.rego: |
      package chancery.authz

      # lint:ignore allow-by-default everybody may, in this town
      default decision := {"allow": true, "scopes": ["notes:read", "notes:write"]}

      decision := {"allow": true, "scopes": ["notes:read", "notes:write"], "step_up": {"acr_values": ["phr"], "max_age": 300}} if {
      	input.client.name == "host"
      	"notes:write" in input.requested.scopes
      }
---`
)

// place is a tenant, and what is registered in it.
type place struct {
	tenant  string
	issuer  string
	secrets map[string]string
}

// town is a world in which people sign in, at the root issuer and at a tenant's, for one protected server.
type town struct {
	*harness.World

	notebook *notebook
	root     place
	acme     place
}

func newTown(t *testing.T, e harness.Engine) *town {
	t.Helper()
	documents := t.TempDir()
	if err := os.WriteFile(filepath.Join(documents, "mcp.json"), []byte(documentOfClient), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNotebook(t)
	objects := strings.ReplaceAll(tenantOfDocuments+harness.SignInObjects+registeredByHand+careful, harness.Notes, n.uri)
	w := harness.Start(t, harness.Options{
		Engine: e, Objects: strings.ReplaceAll(objects, "{{tenant}}", "default"),
		Config: map[string]any{"clients.preload": documents},
	})
	there := &town{World: w, notebook: n, root: place{issuer: w.Issuer}, acme: place{tenant: "acme", issuer: w.Issuer + "/t/acme"}}
	w.IdP.AddClient(idptest.Client{
		ID: "chancery-acme", Secret: harness.SignInSecret, RedirectURIs: []string{there.acme.issuer + "/federation/oidc/okta/callback"},
	})
	tenant, rest, _ := strings.Cut(objects, "---")
	w.Apply(w.Server(), strings.ReplaceAll(tenant, "{{tenant}}", "acme")+"---")
	w.Apply(w.Server(), inTenant(strings.ReplaceAll(rest, "client_id: chancery,", "client_id: chancery-acme,"), "acme"))
	for _, p := range []*place{&there.root, &there.acme} {
		p.secrets = map[string]string{}
		for _, client := range []string{"with-basic", "with-post"} {
			p.secrets[client] = w.NewSecret(p.tenant, client)
		}
	}
	return there
}

// inTenant puts objects into a tenant.
func inTenant(yaml, tenant string) string {
	return strings.ReplaceAll(yaml, "metadata: {name: ", "metadata: {tenant: "+tenant+", name: ")
}

// uid is by what tokens name a user.
func (w *town) uid(t *testing.T, p place, name string) string {
	t.Helper()
	admin := w.Server().Admin
	if p.tenant != "" {
		admin = admin.Tenant(p.tenant)
	}
	user, err := admin.Get(t.Context(), "User", name)
	if err != nil {
		t.Fatal(err)
	}
	return user.Metadata.UID
}

// identity is how a client says who it is.
func (p place) identities() map[string]task {
	registered := func(name, method string) task {
		return task{"client_id": name, "client_secret": p.secrets[name], "auth_method": method, "issuer": p.issuer}
	}
	return map[string]task{
		"basic-cimd":                {"client_metadata_url": documentURL, "auth_method": "none"},
		"token-endpoint-auth-none":  {"auth_method": "none"}, // it registers itself, as the next
		"a secret of its own":       {"auth_method": "client_secret_basic"},
		"pre-registration":          {"client_id": harness.Host, "auth_method": "none", "issuer": p.issuer},
		"token-endpoint-auth-basic": registered("with-basic", "client_secret_basic"),
		"token-endpoint-auth-post":  registered("with-post", "client_secret_post"),
	}
}

// sdks are the agents, by language.
func sdks() map[string]func(t *testing.T) agent {
	return map[string]func(t *testing.T) agent{
		"Go":         func(*testing.T) agent { return &goAgent{} },
		"TypeScript": func(t *testing.T) agent { t.Helper(); return typeScriptAgent(t, "2") },
		"Python":     func(t *testing.T) agent { t.Helper(); return pythonAgent(t) },
	}
}

// TestPeopleConnectClients: nothing is set up by hand but the server's address. Each SDK finds the way from a 401 to a token,
// at the root issuer and at a tenant's, as every kind of client, and uses, refreshes and extends what it was given.
func TestPeopleConnectClients(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := newTown(t, e)
		for at, p := range map[string]place{"root": w.root, "tenant": w.acme} {
			w.notebook.trust(t, p.issuer)
			alice := w.uid(t, p, "alice")
			for language, start := range sdks() {
				t.Run(at+"/"+language, func(t *testing.T) {
					a := start(t)
					for name, as := range p.identities() {
						t.Run(name, func(t *testing.T) { w.connects(t, a, p, as, alice) })
					}
					t.Run("refresh", func(t *testing.T) { w.refreshes(t, a) })
					t.Run("scope-step-up", func(t *testing.T) { w.extends(t, a, task{"client_metadata_url": documentURL}) })
					t.Run("scope-retry-limit", func(t *testing.T) { w.givesUp(t, a) })
					t.Run("what nobody is given", func(t *testing.T) {
						connectedTo(t, a, w.notebook, task{"client_metadata_url": documentURL})
						if got := a.do(t, call("impossible")); got.Error == "" || len(got.asked) > 2 {
							t.Errorf("%d authorization requests: %+v", len(got.asked), got)
						}
						// None of the SDKs knows RFC 9470: they end too, where the resource itself wants a stronger sign-in.
						if got := a.do(t, call("sealed")); got.Error == "" || len(got.asked) > 2 {
							t.Errorf("%d authorization requests: %+v", len(got.asked), got)
						}
					})
					t.Run("stronger authentication", func(t *testing.T) { w.stepsUp(t, a, p) })
				})
			}
		}
	})
}

// TestFirstTypeScriptSDK: the SDK's first version, of which many clients are made. It knows neither iss nor offline_access.
func TestFirstTypeScriptSDK(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := newTown(t, e)
		w.notebook.trust(t, w.acme.issuer)
		alice, a := w.uid(t, w.acme, "alice"), typeScriptAgent(t, "1")
		for name, as := range w.acme.identities() {
			t.Run(name, func(t *testing.T) { w.connects(t, a, w.acme, as, alice) })
		}
		t.Run("refresh", func(t *testing.T) { w.refreshes(t, a) })
		t.Run("iss-not-advertised", func(t *testing.T) { // ours advertises iss and sends it, and who does not know it goes through
			connectedTo(t, a, w.notebook, task{"client_metadata_url": documentURL}.changingBack(func(q url.Values) { q.Del("iss") }))
		})
		// With a refresh token it refreshes where a scope is missing, and asks nobody: who has to extend does without one.
		t.Run("scope-step-up", func(t *testing.T) { w.extends(t, a, task{"auth_method": "none", "offline": false}) })
		t.Run("scope-retry-limit", func(t *testing.T) { w.givesUp(t, a) })
	})
}

// TestKeysOfPeopleClients: the SDK's DPoP session in the code flow. What it is given is bound to its key, refreshed with it, and
// extended with it.
func TestKeysOfPeopleClients(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := newTown(t, e)
		w.notebook.trust(t, w.root.issuer)
		a := typeScriptAgent(t, "2")
		first := connectedTo(t, a, w.notebook, task{"client_metadata_url": documentURL, "dpop": true})
		if first.TokenType != "DPoP" || first.Seen.Thumbprint == "" {
			t.Fatalf("%+v", first)
		}
		w.notebook.forget()
		next := a.do(t, call("whoami")).unasked(t)
		more := a.do(t, call("write"))
		more.once(t)
		for _, got := range []answer{next, more} {
			if got.Seen.ID == first.Seen.ID || got.Seen.Thumbprint != first.Seen.Thumbprint || got.TokenType != "DPoP" {
				t.Errorf("%+v, then %+v", first, got)
			}
		}
	})
}

// connectedTo connects as a client.
func connectedTo(t *testing.T, a agent, n *notebook, as task) answer {
	t.Helper()
	got := a.do(t, connectTo(n.uri, as))
	got.once(t)
	return got
}

func (w *town) connects(t *testing.T, a agent, p place, as task, subject string) {
	t.Helper()
	got := connectedTo(t, a, w.notebook, as)
	asked := got.asked[0]
	if asked.Get("resource") != w.notebook.uri || asked.Get("code_challenge_method") != "S256" || !slices.Contains(scopesOf(asked), "notes:read") {
		t.Errorf("asked %v", asked)
	}
	if got.Seen.Subject != subject || got.Seen.Issuer != p.issuer || !slices.Equal(got.Seen.Scopes, []string{"notes:read"}) || !strings.EqualFold(got.TokenType, "Bearer") {
		t.Errorf("%+v, want %s", got, subject)
	}
	w.notebook.forget()
	next := a.do(t, later()).unasked(t)
	if !got.Refresh || next.Seen.ID == got.Seen.ID || next.Seen.Subject != subject || next.Seen.ClientID != got.Seen.ClientID {
		t.Errorf("%+v, then %+v", got, next)
	}
}

// later is a call when the access token's time is over by the client's clock too: some ask it, and some wait to be refused.
func later() task { return call("whoami").with(task{"later": 3600}) }

// refreshes: the access token's time is over, and nobody is asked again.
func (w *town) refreshes(t *testing.T, a agent) {
	t.Helper()
	first := connectedTo(t, a, w.notebook, task{"client_metadata_url": documentURL})
	for range 2 {
		w.notebook.forget()
		next := a.do(t, later()).unasked(t)
		if next.Seen.ID == first.Seen.ID || next.Seen.Subject != first.Seen.Subject || next.Seen.AuthTime != first.Seen.AuthTime {
			t.Errorf("%+v, then %+v", first, next)
		}
		first = next
	}
}

// extends: the tool wants another scope, and the client asks for all that it had and this one.
func (w *town) extends(t *testing.T, a agent, as task) {
	t.Helper()
	connectedTo(t, a, w.notebook, as)
	got := a.do(t, call("write"))
	asked := scopesOf(got.once(t))
	if !slices.Contains(asked, "notes:read") || !slices.Contains(asked, "notes:write") || !slices.Contains(got.Seen.Scopes, "notes:write") {
		t.Errorf("asked %v, %+v", asked, got)
	}
	a.do(t, call("write")).unasked(t)
}

// givesUp: a server that is never content makes nobody sign in for ever.
func (w *town) givesUp(t *testing.T, a agent) {
	t.Helper()
	connectedTo(t, a, w.notebook, task{"client_metadata_url": documentURL})
	before := w.notebook.stuckCalls()
	got := a.do(t, call("stuck"))
	if made := w.notebook.stuckCalls() - before; got.Error == "" || made < 2 || made > 4 || len(got.asked) > 3 {
		t.Errorf("%d calls, %d authorization requests: %+v", made, len(got.asked), got)
	}
}

// stepsUp: the client asks for a scope, as ever; policy wants more of the person, the IdP proves it, and the token says so.
func (w *town) stepsUp(t *testing.T, a agent, p place) {
	t.Helper()
	plain := connectedTo(t, a, w.notebook, task{"client_id": harness.Host, "auth_method": "none", "issuer": p.issuer})
	if plain.Seen.ACR != "" {
		t.Fatalf("%+v", plain)
	}
	got := a.do(t, call("write"))
	got.once(t)
	if age := time.Now().Unix() - got.Seen.AuthTime; got.Seen.ACR != "phr" || age < 0 || age > 300 || !slices.Contains(got.Seen.Scopes, "notes:write") {
		t.Errorf("%+v", got)
	}
	bob := task{"person": "bob"} // whom the IdP cannot make stronger
	connectedTo(t, a, w.notebook, bob.with(task{"client_id": harness.Host, "auth_method": "none", "issuer": p.issuer}))
	a.do(t, call("write").with(bob)).failed(t, "unmet_authentication_requirements")
}
