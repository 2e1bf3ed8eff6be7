package sdk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// machines are two programs that act for nobody: one has a secret, one a key.
const machines = `
apiVersion: chancery/v1
kind: Client
metadata: {name: batch}
spec:
  auth: {method: client_secret_basic}
  grant_types: [client_credentials]
  scopes: [notes:read]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: signer}
spec:
  auth: {method: private_key_jwt, jwks: %s}
  grant_types: [client_credentials]
  scopes: [notes:read]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: machines}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: allow-listed-clients
  data: {allow: [{resource: notes, clients: [batch, signer], scopes: ["notes:read"]}]}
---`

// TestClientCredentials: the official SDKs' providers for programs that act for nobody, by secret and by key.
func TestClientCredentials(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		resource := protected(t)
		key := newKey(t)
		objects := harness.DefaultClient + harness.DefaultResource + fmt.Sprintf(machines, key.set)
		w := harness.Start(t, harness.Options{Engine: e, Objects: strings.ReplaceAll(objects, harness.Notes, resource.uri)})
		secret := w.NewSecret("", "batch")
		resource.trust(w.Issuer)
		bySecret := task{
			"mode": "client-credentials", "resource": resource.uri, "issuer": w.Issuer, "client_id": "batch", "client_secret": secret, "scope": "notes:read",
		}
		byKey := task{
			"mode": "private-key-jwt", "resource": resource.uri, "issuer": w.Issuer, "client_id": "signer", "private_key": key.pem, "scope": "notes:read",
		}
		for _, l := range []language{typeScript(), python()} {
			t.Run(l.name, func(t *testing.T) {
				t.Run("secret", func(t *testing.T) { l.do(t, bySecret).shows(t, "batch", "notes:read") })
				t.Run("key", func(t *testing.T) { l.do(t, byKey).shows(t, "signer", "notes:read") })
				t.Run("somebody else's key", func(t *testing.T) {
					if o := l.do(t, byKey.with(task{"private_key": newKey(t).pem})); o.Error == "" {
						t.Errorf("%+v", o)
					}
				})
				t.Run("a wrong secret", func(t *testing.T) {
					if o := l.do(t, bySecret.with(task{"client_secret": "wrong"})); o.Error == "" {
						t.Errorf("%+v", o)
					}
				})
			})
		}
		t.Run("Go", func(t *testing.T) {
			handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{Credentials: credentials("batch", secret)})
			if err != nil {
				t.Fatal(err)
			}
			session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: resource.uri, OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			if err != nil || !strings.Contains(fmt.Sprint(result.StructuredContent), "batch") {
				t.Fatal(result, err)
			}
		})
	})
}

type signingKey struct{ pem, set string }

func newKey(t *testing.T) signingKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), Algorithm: "ES256", Use: "sig", KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{pem: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), set: string(set)}
}
