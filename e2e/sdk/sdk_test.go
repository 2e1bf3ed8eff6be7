// Package sdk lets other people's client talk to a real server: the Go MCP SDK,
// unmodified, signs in at the IdP, exchanges, redeems and calls a tool on a
// protected MCP server that trusts the server's published keys. It is tests only.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func TestMain(m *testing.M) { harness.Main(m) }

const callback = "http://127.0.0.1/callback"

func TestEnterpriseHandler(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		resource := protected(t)
		w := harness.Start(t, harness.Options{
			Engine:  e,
			Objects: strings.ReplaceAll(harness.DefaultObjects, harness.Notes, resource.uri),
		})
		resource.trust(w.Issuer)
		w.IdP.AddAudience(idptest.Audience{Issuer: w.Issuer, Resources: []string{resource.uri}, Scopes: []string{"notes:read", "notes:write"}})
		w.IdP.AddClient(idptest.Client{ID: "0oa1claude", Secret: "at+the/idp %", RedirectURIs: []string{callback}, IDs: map[string]string{w.Issuer: harness.ClientID}})

		t.Run("without a token", func(t *testing.T) {
			response, err := http.Post(resource.uri, "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			challenge := response.Header.Get("WWW-Authenticate")
			if response.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, w.Issuer+"/.well-known/oauth-protected-resource/notes") {
				t.Fatalf("%d %s", response.StatusCode, challenge)
			}
			if m := w.Server().Get("/.well-known/oauth-protected-resource/notes"); !strings.Contains(m.Body, resource.uri) {
				t.Errorf("%s", m.Body)
			}
		})
		t.Run("alice", func(t *testing.T) {
			session, err := connect(t, w, resource.uri, "alice")
			if err != nil {
				t.Fatal(err)
			}
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			if err != nil || result.IsError {
				t.Fatal(result, err)
			}
			user, err := w.Server().Admin.Get(t.Context(), "User", "alice")
			if err != nil {
				t.Fatal(err)
			}
			said := fmt.Sprint(result.StructuredContent)
			if !strings.Contains(said, user.Metadata.UID) || !strings.Contains(said, "notes:write") {
				t.Errorf("the tool saw %s", said)
			}
		})
		t.Run("eve", func(t *testing.T) {
			if _, err := connect(t, w, resource.uri, "eve"); err == nil || !strings.Contains(err.Error(), "policy_denied") {
				t.Errorf("%v", err)
			}
		})
		t.Run("a token for somebody else", func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, resource.uri, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			foreign := w.IdP.IDToken("alice", "0oa1claude")
			request.Header.Set("Authorization", "Bearer "+foreign)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%d", response.StatusCode)
			}
		})
	})
}

// connect signs somebody in and opens a session; both legs happen when the server asks for a token.
func connect(t *testing.T, w *harness.World, resource, who string) (*mcp.ClientSession, error) {
	t.Helper()
	atIdP := credentials("0oa1claude", "at+the/idp %")
	signedIn, err := extauth.PerformOIDCLogin(t.Context(), &extauth.OIDCLoginConfig{
		IssuerURL: w.IdP.Issuer(), Credentials: atIdP, RedirectURL: callback, Scopes: []string{"openid", "email", "groups"}, LoginHint: who,
	}, browser)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := extauth.NewEnterpriseHandler(&extauth.EnterpriseHandlerConfig{
		IdPIssuerURL:     w.IdP.Issuer(),
		IdPCredentials:   atIdP,
		MCPAuthServerURL: w.Issuer,
		MCPResourceURI:   resource,
		MCPCredentials:   credentials(harness.ClientID, w.Secret),
		MCPScopes:        []string{"notes:read", "notes:write"},
		IDTokenFetcher:   func(context.Context) (*oauth2.Token, error) { return signedIn, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: resource, OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func credentials(id, secret string) *oauthex.ClientCredentials {
	return &oauthex.ClientCredentials{ClientID: id, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: secret}}
}

// browser follows an authorization URL up to the redirect and reads it.
func browser(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil {
		return nil, err
	}
	query := location.Query()
	if query.Get("error") != "" {
		return nil, errors.New(query.Get("error"))
	}
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state")}, nil
}

// server is an MCP server that knows its own name, whom it trusts and where the keys are.
type server struct {
	uri   string
	cache *jwks.Cache

	mu      sync.Mutex
	issuer  string
	handler http.Handler
}

func protected(t *testing.T) *server {
	t.Helper()
	s := &server{cache: jwks.NewCache(fetch.New(fetch.Policy{Mode: "allow"}), time.Now)}
	t.Cleanup(s.cache.Close)
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		handler := s.handler
		s.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(listening.Close)
	s.uri = listening.URL + "/mcp"
	return s
}

// trust names the issuer, which is known only when it runs.
func (s *server) trust(issuer string) {
	type nothing struct{}
	type seen struct {
		Subject string   `json:"subject"`
		Scopes  []string `json:"scopes"`
	}
	tools := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	mcp.AddTool(tools, &mcp.Tool{Name: "whoami"}, func(_ context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, seen, error) {
		return nil, seen{r.Extra.TokenInfo.UserID, r.Extra.TokenInfo.Scopes}, nil
	})
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return tools }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	guard := auth.RequireBearerToken(s.verify, &auth.RequireBearerTokenOptions{
		ResourceMetadataURL: issuer + "/.well-known/oauth-protected-resource/notes", Scopes: []string{"notes:read"},
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issuer, s.handler = issuer, guard(streamable)
}

func (s *server) verify(ctx context.Context, compact string, _ *http.Request) (*auth.TokenInfo, error) {
	keys, err := s.cache.Keys(ctx, "notes", jwks.Source{
		Issuer: s.issuer, URI: s.issuer + "/.well-known/jwks.json", Network: fetch.Network{AllowPrivateAddresses: true},
	}, "")
	if err != nil {
		return nil, err
	}
	verified, err := token.Verify(compact, token.Expectation{Issuer: s.issuer, Audience: s.uri, Ring: published(keys), Now: time.Now()})
	if err != nil {
		return nil, errors.Join(auth.ErrInvalidToken, err)
	}
	c := verified.Claims()
	return &auth.TokenInfo{Scopes: strings.Fields(c.Scope), Expiration: c.ExpiresAt, UserID: c.Subject}, nil
}

type published []jwks.Key

func (p published) Keys() []jwks.Key { return p }
