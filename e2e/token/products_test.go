package token

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const entraTenant = "323626f5-1bfe-48cd-8902-ddfdfd44e1ce"

// product is an entry with a product's preset, and what makes its tokens somebody's here: the claims of a Workload, or
// the identity of a user.
type product struct {
	shape, preset, issuer string
	assertions            string // more of the entry's rules
	match, identity       string
}

func products() []product {
	entraV2, entraV1 := "https://login.microsoftonline.com/"+entraTenant+"/v2.0", "https://sts.windows.net/"+entraTenant+"/"
	return []product{
		{shape: "github-actions", preset: "github-actions", issuer: "https://token.actions.githubusercontent.com", match: `claims.repository_id: "718263540", claims.ref: refs/heads/main`},
		{shape: "gitlab", preset: "gitlab", issuer: "https://gitlab.com", match: `claims.project_id: "20", claims.ref_protected: "true", claims.runner_id: 1`},
		{shape: "kubernetes", preset: "kubernetes", issuer: "https://kubernetes.default.svc.cluster.local", match: `'claims["kubernetes.io"].serviceaccount.name': builder, 'claims["kubernetes.io"].namespace': agents`},
		{shape: "kubernetes-1.28", preset: "kubernetes", issuer: "https://oidc.cluster.example", match: `sub: "system:serviceaccount:agents:builder"`},
		{shape: "spiffe", preset: "spiffe", issuer: "spiffe://acme.example", match: `sub: "spiffe://acme.example/agents/builder"`},
		{shape: "spiffe-oidc", preset: "spiffe", issuer: "https://oidc.acme.example", assertions: "tenants: [acme.example]", match: `sub: "spiffe://acme.example/agents/builder"`},
		{shape: "google-service-account", preset: "google", issuer: "https://accounts.google.com", match: `sub: "107517467455664443765", claims.email_verified: true`},
		{shape: "google-compute", preset: "google", issuer: "https://accounts.google.com", match: `sub: "107517467455664443765", claims.google.compute_engine.project_id: acme`},
		{shape: "entra-v2-app", preset: "entra", issuer: entraV2, match: `claims.oid: 12d1b58c-d6e1-4b90-a8de-e8a8cecfb46d`},
		{shape: "entra-v1-app", preset: "entra", issuer: entraV1, match: `claims.appid: 8a22dfd8-f315-4ee1-be84-c5f46a5b0b3c, claims.idtyp: app`},
		{shape: "entra-agent", preset: "entra", issuer: entraV1, match: `claims.appid: aaaaaaaa-1111-2222-3333-444444444444, claims.idtyp: app, claims.xms_par_app_azp: 30cf4c22-9985-4ef7-8756-91cc888176bd`},
		{shape: "entra-user", preset: "entra", issuer: entraV2, identity: "tenant: " + entraTenant + ", sub: 7d3f6b1a-50a0-4e9a-9a2d-1f4f3f1b2c3d"},
		{shape: "keycloak-service-account", preset: "keycloak", issuer: "https://sso.acme.example/realms/acme", match: `claims.azp: builder, claims.preferred_username: service-account-builder`},
		{shape: "keycloak-user", preset: "keycloak", issuer: "https://sso.acme.example/realms/acme", identity: "sub: 5c1d3c9e-2b3b-4e5a-8b1f-3a9f2f7f0c11"},
		{shape: "okta-service", preset: "okta", issuer: "https://acme.okta.com", match: `sub: 0oa1builder`},
		{shape: "okta-user", preset: "okta", issuer: "https://acme.okta.com", identity: "sub: alice@acme.com"},
		{shape: "pingone-user", preset: "ping", issuer: "https://auth.pingone.eu/b8c2d1e0-1111-4222-8333-444455556666/as", identity: "sub: 3c1d9f10-7a6b-4c5d-8e9f-0a1b2c3d4e5f"},
		{shape: "pingfederate", preset: "ping", issuer: "https://sso.acme.example", identity: "sub: alice"},
	}
}

// objects are the entry and whom its tokens speak of. The keys are the IdP's own: the issuer is a name that nothing
// listens on here.
func (p product) objects(profile federation.Profile, keys []byte) string {
	entry := fmt.Sprintf(`
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: product}
spec:
  preset: %s
  issuer: %s
  jwks: {inline: %s}
  assertions: {profiles: [%s], clients: [claude, build], resources: [notes], scopes: ["notes:read", "notes:write"], %s}
---`, p.preset, p.issuer, keys, profile, p.assertions)
	if profile == federation.ProfileJWTBearer {
		return entry + "\napiVersion: chancery/v1\nkind: User\nmetadata: {name: alice}\n" +
			"spec: {email: alice@acme.com, status: active, identities: [{idp: product, " + p.identity + "}]}\n---"
	}
	return entry + fmt.Sprintf(`
apiVersion: chancery/v1
kind: Client
metadata: {name: build}
spec:
  auth: {method: workload}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: release}
spec: {idp: product, client: build, resources: [notes], scopes: [notes:read], match: {%s}}
---`, p.match)
}

// Tokens in the form in which products send them are worth a token here, under their preset and for us alone.
func TestTokensOfProducts(t *testing.T) {
	const policy = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: allow-listed-clients
  data: {allow: [{clients: [build, claude], resource: notes, scopes: ["notes:read"]}]}
---`
	if listed := products(); len(listed) != len(idptest.Shapes()) {
		t.Fatalf("%d products, %d forms", len(listed), len(idptest.Shapes()))
	}
	for _, p := range products() {
		t.Run(p.shape, func(t *testing.T) {
			shape, found := idptest.ShapeNamed(p.shape)
			if !found {
				t.Fatal("no such form")
			}
			each(t, harness.DefaultClient+harness.DefaultResource+policy, func(t *testing.T, w *harness.World) {
				idp, err := idptest.New(idptest.Options{
					Issuer: "https://product.example", Algorithm: "RS256", Clients: []idptest.Client{{ID: harness.ClientID}},
					Audiences: []idptest.Audience{{Issuer: w.Issuer}}, Now: func() time.Time { return time.Now().Add(-time.Second) },
				})
				if err != nil {
					t.Fatal(err)
				}
				call := func(options ...idptest.Option) *harness.Call {
					if p.shape != "spiffe" {
						options = append(options, idptest.WithClaim("iss", p.issuer))
					}
					token, err := idp.Shaped(p.shape, options...)
					if err != nil {
						t.Fatal(err)
					}
					c := w.NewCall(token)
					if shape.Profile == federation.ProfileWorkload {
						c.With("client_id").With("client_secret")
					}
					return c
				}
				w.Apply(w.Server(), p.objects(shape.Profile, idp.Keys()))
				granted := w.Send(w.Server(), call()).Granted(t)
				if granted.Scope != "notes:read" || granted.Resource != harness.Notes {
					t.Errorf("scope %q for %q", granted.Scope, granted.Resource)
				}
				w.Send(w.Server(), call(idptest.WithAudience("https://other.example"))).Refused(t, http.StatusBadRequest, "invalid_grant", "aud_not_us")
			})
		})
	}
}
