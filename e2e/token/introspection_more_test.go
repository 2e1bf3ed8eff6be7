package token

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestIntrospectionOfTenants: two tenants with a resource of one URI and servers of one name each know their own tokens only.
func TestIntrospectionOfTenants(t *testing.T) {
	server := func(tenant string) string {
		return `
apiVersion: chancery/v1
kind: Client
metadata: {name: wiki-server` + tenant + `}
spec: {auth: {method: client_secret_post}}
---`
	}
	theirs := strings.Replace(acme, `"wiki:read": {}}}`, `"wiki:read": {}}, server: {client: wiki-server}}`, 1) + "\n---" + server(", tenant: acme")
	ours := server("") + `
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}
spec: {uri: "https://mcp.acme.example/wiki", scopes: {"wiki:read": {}}, server: {client: wiki-server}}
---`
	each(t, harness.DefaultObjects+ours+theirs, func(t *testing.T, w *harness.World) {
		p := w.Server()
		secret, foreign := w.NewSecret("acme", "wiki-server"), w.NewSecret("", "wiki-server")
		call := w.NewCall(w.IdP.IDJAG(idptest.Alice, idptest.WithResource("https://mcp.acme.example/wiki"), idptest.WithScope("wiki:read"),
			idptest.WithAudience(w.Issuer+"/t/acme"))).Basic(harness.ClientID, w.NewSecret("acme", harness.ClientID))
		call.Path = "/t/acme/token"
		token := w.Send(p, call).Granted(t).AccessToken
		if a := w.Send(p, about("/t/acme/introspect", "wiki-server", secret, token)); !strings.HasPrefix(a.Body, `{"active":true,`) {
			t.Errorf("its own tenant: %d %s", a.Status, a.Body)
		}
		if a := w.Send(p, about("/introspect", "wiki-server", foreign, token)); a.Body != `{"active":false}` {
			t.Errorf("another tenant: %d %s", a.Status, a.Body)
		}
		w.Send(p, about("/t/acme/introspect", "wiki-server", foreign, token)).Refused(t, 401, "invalid_client", "client_authentication_failed")
		w.Send(p, about("/t/nobody/introspect", "wiki-server", secret, token)).Refused(t, 404, "invalid_request", "tenant_unknown")
		if a := w.Send(p, about("/revoke", harness.ClientID, w.Secret, token)); a.Status != http.StatusOK {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		if a := w.Send(p, about("/t/acme/introspect", "wiki-server", secret, token)); !strings.HasPrefix(a.Body, `{"active":true,`) {
			t.Errorf("another tenant's client ended it: %s", a.Body)
		}
	})
}

// I2: a client assertion is good for one request at one endpoint, on whatever replica.
func TestAssertionsAtIntrospection(t *testing.T) {
	key := harness.NewSigner(t, "server-1")
	objects := strings.Replace(harness.DefaultObjects, "  default_scopes", "  server: {client: keyed-server}\n  default_scopes", 1) + `
apiVersion: chancery/v1
kind: Client
metadata: {name: keyed-server}
spec: {auth: {method: private_key_jwt, jwks: ` + key.Set() + `}}
---`
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2, Objects: objects})
	token := w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t).AccessToken
	at := func(path, assertion string) *harness.Call {
		return &harness.Call{Path: path, Header: http.Header{}, Form: url.Values{
			"token": {token}, "client_assertion": {assertion}, "client_assertion_type": {assertionType}, "grant_type": {harness.GrantType}, "assertion": {"x"},
		}}
	}
	first := key.ClientAssertion("keyed-server", w.Issuer, nil)
	if a := w.Send(w.Replicas[0], at("/introspect", first)); !strings.HasPrefix(a.Body, `{"active":true,`) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/introspect", "/revoke", "/token"} {
		for _, p := range w.Replicas {
			if a := w.Send(p, at(path, first)); a.Status != http.StatusUnauthorized || a.Error != "invalid_client" {
				t.Errorf("a second time at %s: %d %s", path, a.Status, a.Body)
			}
		}
	}
	for _, wrong := range []string{w.Issuer + "/introspect", w.Issuer + "/token", "https://other.example"} {
		a := w.Send(w.Replicas[1], at("/introspect", key.ClientAssertion("keyed-server", wrong, nil)))
		a.Refused(t, 401, "invalid_client", "client_authentication_failed")
	}
	if a := w.Send(w.Replicas[1], at("/introspect", key.ClientAssertion("keyed-server", w.Issuer, nil))); !strings.HasPrefix(a.Body, `{"active":true,`) {
		t.Errorf("a fresh one: %d %s", a.Status, a.Body)
	}
}
