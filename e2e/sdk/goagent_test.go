package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"
)

// goAgent is the Go SDK with its handler of the code flow.
type goAgent struct {
	browsing

	session *mcp.ClientSession
	token   *oauth2.Token // that it was given last
	late    bool          // its time is over
}

func (a *goAgent) do(t *testing.T, what task) answer {
	t.Helper()
	a.begin(what)
	a.late = what["later"] != nil
	seen, err := a.step(t, what)
	result := answer{Seen: seen, asked: a.asked}
	if err != nil {
		result.Error = err.Error()
	}
	if a.token != nil {
		result.TokenType, result.Refresh = a.token.TokenType, a.token.RefreshToken != ""
	}
	return result
}

func (a *goAgent) step(t *testing.T, what task) (seenByTool, error) {
	t.Helper()
	tool := "whoami"
	if what["do"] == "connect" {
		if err := a.connect(t, what); err != nil {
			return seenByTool{}, err
		}
	} else {
		tool = what.text("tool")
	}
	result, err := a.session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: what["arguments"]})
	if err != nil {
		return seenByTool{}, err
	}
	var seen seenByTool
	raw, err := json.Marshal(result.StructuredContent)
	if err != nil {
		return seenByTool{}, err
	}
	return seen, json.Unmarshal(raw, &seen)
}

func (a *goAgent) connect(t *testing.T, what task) error {
	t.Helper()
	a.token = nil
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: redirectURI, Client: &http.Client{Transport: hiding{what}}, RequestRefreshToken: what["offline"] != false,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			answered, err := a.open(ctx, t, args.URL)
			if err != nil {
				return nil, err
			}
			if answered.Get("error") != "" {
				return nil, errors.New(answered.Encode())
			}
			return &auth.AuthorizationResult{Code: answered.Get("code"), State: answered.Get("state"), Iss: answered.Get("iss")}, nil
		},
		NewTokenSource: func(ctx context.Context, c *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
			return &watched{agent: a, ctx: ctx, config: c, token: token}, nil
		},
	}
	switch {
	case what.text("client_metadata_url") != "":
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: what.text("client_metadata_url")}
	case what.text("client_id") != "":
		config.PreregisteredClient = &oauthex.ClientCredentials{ClientID: what.text("client_id")}
		if secret := what.text("client_secret"); secret != "" {
			config.PreregisteredClient.ClientSecretAuth = &oauthex.ClientSecretAuth{ClientSecret: secret}
		}
	default:
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			RedirectURIs: []string{redirectURI}, ClientName: "Go", GrantTypes: []string{"authorization_code", "refresh_token"},
			TokenEndpointAuthMethod: what.text("auth_method"),
		}}
	}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	if err != nil {
		return err
	}
	a.session, err = mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: what.text("resource"), OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	return err
}

// watched is the SDK's own token source, of which a test sees the tokens and can put the clock forward.
type watched struct {
	agent  *goAgent
	ctx    context.Context //nolint:containedctx // as the SDK hands it out
	config *oauth2.Config
	token  *oauth2.Token
}

// Token implements oauth2.TokenSource.
func (w *watched) Token() (*oauth2.Token, error) {
	if w.agent.late {
		w.agent.late = false
		old := *w.token
		old.Expiry = time.Unix(1, 0)
		fresh, err := w.config.TokenSource(w.ctx, &old).Token()
		if err != nil {
			return nil, err
		}
		w.token = fresh
	}
	w.agent.token = w.token
	return w.token, nil
}

// hiding answers 404 for what the task says is not there, and shows the initial access token where one registers.
type hiding struct{ task task }

func (h hiding) RoundTrip(r *http.Request) (*http.Response, error) {
	hidden, _ := h.task["hide"].([]string)
	if slices.ContainsFunc(hidden, func(path string) bool { return r.URL.Path == path }) {
		recorded := httptest.NewRecorder()
		http.NotFound(recorded, r)
		return recorded.Result(), nil
	}
	if token := h.task.text("initial_access_token"); token != "" && strings.HasSuffix(r.URL.Path, "/register") {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return http.DefaultTransport.RoundTrip(r)
}
