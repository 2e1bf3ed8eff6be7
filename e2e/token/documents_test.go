package token

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const acme = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: acme}
spec: {display_name: Acme}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta, tenant: acme}
spec:
  preset: generic
  issuer: {{idp}}
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [claude], resources: [wiki], scopes: [wiki:read]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude, tenant: acme}
spec:
  auth: {method: client_secret_basic}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [wiki:read]
  resources: [wiki]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki, tenant: acme}
spec: {uri: "https://mcp.acme.example/wiki", scopes: {"wiki:read": {}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: old, tenant: acme}
spec: {uri: "https://mcp.acme.example/old", scopes: {"old:read": {}}, disabled: true}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice, tenant: acme}
spec: {status: active, identities: [{idp: okta, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: everything, tenant: acme}
spec:
  role: grant
  modules: {"p.rego": "package chancery.authz\ndecision := {\"allow\": true, \"scopes\": input.available_scopes}\n"}
---
`

func document(t *testing.T, a harness.Answer) map[string]any {
	t.Helper()
	if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(a.Body), &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestDocuments(t *testing.T) {
	each(t, harness.DefaultObjects+acme, func(t *testing.T, w *harness.World) {
		p := w.Server()
		places := map[string]string{ // path → issuer
			"/.well-known/oauth-authorization-server":        w.Issuer,
			"/.well-known/openid-configuration":              w.Issuer,
			"/.well-known/oauth-authorization-server/t/acme": w.Issuer + "/t/acme", // RFC 8414 §3.1
			"/.well-known/openid-configuration/t/acme":       w.Issuer + "/t/acme", // RFC 8414 §5
			"/t/acme/.well-known/openid-configuration":       w.Issuer + "/t/acme", // OpenID Connect Discovery §4
			"/t/acme/.well-known/oauth-authorization-server": w.Issuer + "/t/acme",
		}
		bodies := map[string]string{}
		for path, issuer := range places {
			a := p.Get(path)
			m := document(t, a)
			if m["issuer"] != issuer || m["token_endpoint"] != issuer+"/token" || m["jwks_uri"] != issuer+"/.well-known/jwks.json" {
				t.Errorf("%s: %s", path, a.Body)
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: no CORS", path)
			}
			if before, seen := bodies[issuer]; seen && before != a.Body {
				t.Errorf("%s differs from the issuer's other documents", path)
			}
			bodies[issuer] = a.Body
			if strings.Contains(a.Body, w.IdP.Issuer()) {
				t.Errorf("%s lists a trusted issuer", path)
			}
		}
		m := document(t, p.Get("/.well-known/oauth-authorization-server"))
		for name, want := range map[string][]string{
			"grant_types_supported":                  {harness.GrantType, "urn:ietf:params:oauth:grant-type:jwt-dpop", "client_credentials"},
			"authorization_grant_profiles_supported": {"urn:ietf:params:oauth:grant-profile:id-jag"},
			"code_challenge_methods_supported":       {"S256"},
			"scopes_supported":                       {"notes:read", "notes:write"},
		} {
			encoded, _ := json.Marshal(m[name])
			expected, _ := json.Marshal(want)
			if string(encoded) != string(expected) {
				t.Errorf("%s is %s, want %s", name, encoded, expected)
			}
		}
		methods, _ := json.Marshal(m["token_endpoint_auth_methods_supported"])
		for _, method := range []string{"client_secret_basic", "client_secret_post", "private_key_jwt"} {
			if !strings.Contains(string(methods), method) {
				t.Errorf("%s is not advertised: %s", method, methods)
			}
		}
		for _, absent := range []string{"registration_endpoint", "userinfo_endpoint"} {
			if _, there := m[absent]; there {
				t.Errorf("%s is advertised and not served", absent)
			}
		}
		for _, path := range []string{"/.well-known/oauth-authorization-server/t/nobody", "/t/nobody/.well-known/openid-configuration", "/t/nobody/.well-known/jwks.json"} {
			if a := p.Get(path); a.Status != http.StatusNotFound {
				t.Errorf("%s: %d", path, a.Status)
			}
		}
	})
}

// The document of a resource names our issuer byte for byte: that string becomes the audience of ID-JAGs (RFC 9728 §2).
func TestResourceDocuments(t *testing.T) {
	each(t, harness.DefaultObjects+acme, func(t *testing.T, w *harness.World) {
		p := w.Server()
		for path, want := range map[string][2]string{
			"/.well-known/oauth-protected-resource/notes":       {harness.Notes, w.Issuer},
			"/t/acme/.well-known/oauth-protected-resource/wiki": {"https://mcp.acme.example/wiki", w.Issuer + "/t/acme"},
		} {
			a := p.Get(path)
			m := document(t, a)
			servers, _ := m["authorization_servers"].([]any)
			if m["resource"] != want[0] || !slices.Equal(servers, []any{want[1]}) {
				t.Errorf("%s: %s", path, a.Body)
			}
		}
		for _, path := range []string{
			"/.well-known/oauth-protected-resource/wiki", "/.well-known/oauth-protected-resource/none",
			"/t/acme/.well-known/oauth-protected-resource/notes", "/t/acme/.well-known/oauth-protected-resource/old",
		} {
			if a := p.Get(path); a.Status != http.StatusNotFound {
				t.Errorf("%s: %d", path, a.Status)
			}
		}
	})
}

// A tenant has keys, clients, people and assertions of its own.
func TestTenantsAreApart(t *testing.T) {
	each(t, harness.DefaultObjects+acme, func(t *testing.T, w *harness.World) {
		p := w.Server()
		secret := w.NewSecret("acme", harness.ClientID)
		there := func(assertion string) harness.Answer {
			c := w.NewCall(assertion).Basic(harness.ClientID, secret)
			c.Path = "/t/acme/token"
			return w.Send(p, c)
		}
		options := []idptest.Option{idptest.WithResource("https://mcp.acme.example/wiki"), idptest.WithScope("wiki:read")}
		a := there(w.IdP.IDJAG(idptest.Alice, append(options, idptest.WithAudience(w.Issuer+"/t/acme"))...)).Granted(t)
		ours, theirs := p.Get("/.well-known/jwks.json").Body, p.Get("/t/acme/.well-known/jwks.json").Body
		token := harness.Verify(t, a.AccessToken, theirs)
		if token.Claims["iss"] != w.Issuer+"/t/acme" || token.Claims["tenant"] != "acme" {
			t.Errorf("%v", token.Claims)
		}
		if kid, _ := token.Header["kid"].(string); strings.Contains(ours, kid) {
			t.Error("two tenants share a key")
		}
		there(w.IdP.IDJAG(idptest.Alice, options...)).Refused(t, http.StatusBadRequest, "invalid_grant", "aud_not_us")
		w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithAudience(w.Issuer+"/t/acme"))).Refused(t, http.StatusBadRequest, "invalid_grant", "aud_not_us")
		// One jti of one issuer is another assertion in another tenant.
		same := idptest.WithClaim("jti", "shared")
		w.Redeem(w.IdP.IDJAG(idptest.Alice, same)).Granted(t)
		there(w.IdP.IDJAG(idptest.Alice, append(options, same, idptest.WithAudience(w.Issuer+"/t/acme"))...)).Granted(t)
	})
}
