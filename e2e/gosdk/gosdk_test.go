// Package gosdk holds our own Go SDK against the real server: agents that do both
// legs, with bearer tokens and with keys, and resources that its verifier guards. It
// is tests only, and reaches the server as anybody does.
package gosdk

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/sdk/go/agent"
	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

func TestMain(m *testing.M) { harness.Main(m) }

const callback = "http://127.0.0.1/callback"

var _ auth.OAuthHandler = (*agent.MCPHandler)(nil)

// api is a resource that our own SDK guards. Its address is known before its issuer.
type api struct {
	uri string

	mu      sync.Mutex
	handler http.Handler
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		handler := a.handler
		a.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(listening.Close)
	a.uri = listening.URL + "/mcp"
	return a
}

func (a *api) guard(t *testing.T, issuer string, options ...verifier.Option) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(issuer, a.uri, append([]verifier.Option{verifier.WithScopes("notes:read")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (a *api) serve(handler http.Handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handler = handler
}

// whoami answers with the claims of the token.
func whoami(w http.ResponseWriter, r *http.Request) {
	token, _ := verifier.FromContext(r.Context())
	_ = json.NewEncoder(w).Encode(token.Claims())
}

// company is a world with an API in it, and an agent that is registered at both sides.
func company(t *testing.T, e harness.Engine, a *api) *harness.World {
	t.Helper()
	w := harness.Start(t, harness.Options{Engine: e, Objects: strings.ReplaceAll(harness.DefaultObjects, harness.Notes, a.uri)})
	w.IdP.AddAudience(idptest.Audience{Issuer: w.Issuer, Resources: []string{a.uri}, Scopes: []string{"notes:read", "notes:write"}})
	w.IdP.AddClient(idptest.Client{ID: "0oa1claude", Secret: "at+the/idp %", RedirectURIs: []string{callback}, IDs: map[string]string{w.Issuer: harness.ClientID}})
	return w
}

// newAgent acts for somebody.
func newAgent(t *testing.T, w *harness.World, who string, change func(*agent.Config)) *agent.Agent {
	t.Helper()
	idp, err := agent.NewIdP(agent.IdPConfig{
		Issuer: w.IdP.Issuer(), Client: agent.ClientSecretBasic("0oa1claude", "at+the/idp %"),
		Subject: func(context.Context) (agent.Subject, error) {
			return agent.IDToken(w.IdP.IDToken(who, "0oa1claude")), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := agent.Config{Issuer: w.Issuer, Client: agent.ClientSecretBasic(harness.ClientID, w.Secret), Assertions: idp}
	if change != nil {
		change(&config)
	}
	made, err := agent.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func get(t *testing.T, client *http.Client, from string) (status int, body string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, from, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read), response.Header
}

// Our agent and our verifier against the real server, with bearer tokens.
func TestOwnSDKWithBearerTokens(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		a := newAPI(t)
		w := company(t, e, a)
		v := a.guard(t, w.Issuer)
		a.serve(v.Require()(http.HandlerFunc(whoami)))
		t.Run("alice", func(t *testing.T) {
			var legs []agent.Leg
			alice := newAgent(t, w, "alice", func(c *agent.Config) { c.Observe = func(l agent.Leg) { legs = append(legs, l) } })
			client, err := alice.Client(a.uri, "notes:read", "notes:write")
			if err != nil {
				t.Fatal(err)
			}
			status, body, _ := get(t, client, a.uri)
			var claims verifier.Claims
			if err := json.Unmarshal([]byte(body), &claims); err != nil || status != 200 {
				t.Fatal(status, body)
			}
			user, err := w.Server().Admin.Get(t.Context(), "User", "alice")
			if err != nil {
				t.Fatal(err)
			}
			if claims.Subject != user.Metadata.UID || claims.Audience != a.uri || claims.Tenant != "default" || !slices.Contains(claims.Scopes, "notes:write") {
				t.Errorf("%+v", claims)
			}
			get(t, client, a.uri) // with the same token
			if len(legs) != 2 || legs[0].Number != 1 || legs[1].Trace == "" || legs[1].Lifetime <= 0 || legs[0].Lifetime <= 0 {
				t.Errorf("%+v", legs)
			}
		})
		t.Run("eve", func(t *testing.T) {
			_, err := newAgent(t, w, "eve", nil).Token(t.Context(), a.uri, "notes:read")
			refusal, ok := errors.AsType[*agent.Error](err)
			if !ok || refusal.Code != "policy_denied" || refusal.Status != 400 || !strings.HasPrefix(refusal.Trace, "trc_") || refusal.URI == "" {
				t.Errorf("%v", err)
			}
		})
		t.Run("a wrong secret", func(t *testing.T) {
			_, err := newAgent(t, w, "alice", func(c *agent.Config) { c.Client = agent.ClientSecretPost(harness.ClientID, "wrong") }).Token(t.Context(), a.uri)
			refusal, ok := errors.AsType[*agent.Error](err)
			if !ok || refusal.OAuth != "invalid_client" || refusal.Status != 401 || strings.Contains(err.Error(), "wrong\"") {
				t.Errorf("%v", err)
			}
		})
		t.Run("an ID token is no access token", func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.uri, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+w.IdP.IDToken("alice", "0oa1claude"))
			_, err = v.Verify(r)
			refusal, ok := errors.AsType[*verifier.Error](err)
			if !ok || refusal.Status != 401 || refusal.Reason != "typ_not_at_jwt" {
				t.Errorf("%v", err)
			}
		})
		t.Run("a token for another resource", func(t *testing.T) {
			token, err := newAgent(t, w, "alice", nil).Token(t.Context(), a.uri, "notes:read")
			if err != nil {
				t.Fatal(err)
			}
			other, err := verifier.New(w.Issuer, "https://mail.acme.example/mcp")
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mcp", http.NoBody)
			token.SetAuthHeader(r)
			_, err = other.Verify(r)
			if refusal, ok := errors.AsType[*verifier.Error](err); !ok || refusal.Reason != "aud_not_us" {
				t.Errorf("%v", err)
			}
		})
	})
}

// A key at both ends: private_key_jwt and DPoP, with nonces and digests at the resource.
func TestOwnSDKWithDPoP(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: signer.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
		if err != nil {
			t.Fatal(err)
		}
		a := newAPI(t)
		w := company(t, e, a)
		w.Apply(w.Server(), strings.Replace(strings.ReplaceAll(harness.DefaultClient, harness.Notes, a.uri),
			"{method: client_secret_post}", "{method: private_key_jwt, jwks: "+string(set)+"}", 1))
		nonceSecret := sha256.Sum256([]byte(t.Name()))
		v := a.guard(t, w.Issuer, verifier.WithDPoPRequired(), verifier.WithNonces(nonceSecret[:]), verifier.WithContentDigest(0))
		a.serve(v.Require()(http.HandlerFunc(whoami)))
		key, err := agent.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		alice := newAgent(t, w, "alice", func(c *agent.Config) {
			c.Client, c.DPoP, c.ContentDigest = agent.PrivateKeyJWT(harness.ClientID, signer, "k1"), key, true
		})
		client, err := alice.Client(a.uri, "notes:read")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			status, body, header := get(t, client, a.uri+"?page=1")
			if status != 200 || !strings.Contains(body, key.Thumbprint()) {
				t.Fatal(status, body, header)
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.uri, strings.NewReader(`{"hello":"world"}`))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 {
			t.Errorf("with a body: %d %s", response.StatusCode, response.Header)
		}
		t.Run("stolen", func(t *testing.T) {
			token, err := alice.Token(t.Context(), a.uri, "notes:read")
			if err != nil || token.TokenType != "DPoP" {
				t.Fatal(token, err)
			}
			for _, scheme := range []string{"Bearer", "DPoP"} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mcp", http.NoBody)
				r.Header.Set("Authorization", scheme+" "+token.AccessToken)
				_, err = v.Verify(r)
				refusal, ok := errors.AsType[*verifier.Error](err)
				if !ok || refusal.Status != 401 || !strings.HasPrefix(refusal.Challenges()[0], "DPoP ") {
					t.Errorf("%s: %v", scheme, err)
				}
			}
		})
	})
}

// The MCP SDK at both ends, with our handler in the client and our guard in the server.
func TestOwnSDKWithMCP(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		a := newAPI(t)
		w := company(t, e, a)
		type nothing struct{}
		tools := mcpverifier.ToolRequirements{"read": nil, "write": {verifier.RequireScopes("notes:write")}}
		server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
		for _, name := range []string{"read", "write", "closed"} {
			mcp.AddTool(server, &mcp.Tool{Name: name}, func(ctx context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, map[string]string, error) {
				token, ok := mcpverifier.Token(r)
				if !ok {
					return nil, nil, errors.New("no token")
				}
				return nil, map[string]string{"sub": token.Claims().Subject}, nil
			})
		}
		server.AddReceivingMiddleware(mcpverifier.Tools(tools))
		streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
		a.serve(mcpverifier.Require(a.guard(t, w.Issuer, verifier.WithImpliedScopes("notes:write", "notes:read")), tools)(streamable))

		connect := func(t *testing.T, transport *mcp.StreamableClientTransport) *mcp.ClientSession {
			t.Helper()
			transport.Endpoint, transport.DisableStandaloneSSE, transport.MaxRetries = a.uri, true, -1
			session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(t.Context(), transport, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = session.Close() })
			return session
		}
		call := func(t *testing.T, session *mcp.ClientSession, tool string) (string, error) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool})
			if err != nil {
				return "", err
			}
			return fmt.Sprint(result.IsError, result.StructuredContent), nil
		}
		t.Run("bearer", func(t *testing.T) {
			var asked [][]string
			alice := newAgent(t, w, "alice", func(c *agent.Config) {
				c.Observe = func(l agent.Leg) {
					if l.Number == 2 {
						asked = append(asked, l.Scopes)
					}
				}
			})
			handler, err := alice.MCPHandler(a.uri, "notes:read")
			if err != nil {
				t.Fatal(err)
			}
			session := connect(t, &mcp.StreamableClientTransport{OAuthHandler: handler})
			for _, tool := range []string{"read", "write"} { // write: 403 insufficient_scope, more scopes, again
				if got, err := call(t, session, tool); err != nil || !strings.Contains(got, "usr_") {
					t.Errorf("%s: %s %v", tool, got, err)
				}
			}
			if len(asked) != 2 || !slices.Contains(asked[1], "notes:write") {
				t.Errorf("%v", asked)
			}
			if got, err := call(t, session, "closed"); err == nil {
				t.Errorf("a tool that nobody opened: %s", got)
			}
		})
		t.Run("DPoP", func(t *testing.T) {
			key, err := agent.NewKey()
			if err != nil {
				t.Fatal(err)
			}
			client, err := newAgent(t, w, "alice", func(c *agent.Config) { c.DPoP, c.ContentDigest = key, true }).Client(a.uri, "notes:read")
			if err != nil {
				t.Fatal(err)
			}
			session := connect(t, &mcp.StreamableClientTransport{HTTPClient: client})
			if got, err := call(t, session, "read"); err != nil || !strings.Contains(got, "usr_") {
				t.Errorf("%s %v", got, err)
			}
			if got, err := call(t, session, "write"); err == nil {
				t.Errorf("without the scope: %s", got)
			}
		})
	})
}
