package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/oauth2"
)

// MCPHandler fits auth.OAuthHandler of the MCP Go SDK's client transport. Its tokens are
// bearer tokens, which is all that the SDK sends: with DPoP, give the transport
// [Agent.Client] as its HTTPClient instead.
type MCPHandler struct {
	agent    *Agent
	resource string

	mu     sync.Mutex
	scopes []string
}

// MCPHandler makes a handler for one MCP server. scopes may grow: when the server says
// insufficient_scope, what it names is asked for as well.
func (a *Agent) MCPHandler(resource string, scopes ...string) (*MCPHandler, error) {
	if a.config.DPoP != nil {
		return nil, errors.New("agent: the MCP SDK sends bearer tokens; use Client for tokens that are bound to a key")
	}
	if _, err := newWant(resource, scopes); err != nil {
		return nil, err
	}
	return &MCPHandler{agent: a, resource: resource, scopes: slices.Clone(scopes)}, nil
}

// TokenSource implements auth.OAuthHandler.
func (h *MCPHandler) TokenSource(ctx context.Context) (oauth2.TokenSource, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.agent.TokenSource(ctx, h.resource, h.scopes...), nil
}

// Authorize implements auth.OAuthHandler: it is called with a 401 or 403, and gets a
// token that may do better, or says why there is none.
func (h *MCPHandler) Authorize(ctx context.Context, r *http.Request, response *http.Response) error {
	defer func() { _ = response.Body.Close() }()
	challenge := readChallenge(response)
	h.mu.Lock()
	scopes := slices.Clone(h.scopes)
	h.mu.Unlock()
	switch challenge["error"] {
	case "insufficient_scope": // the union of before and now
		before := len(scopes)
		for scope := range strings.FieldsSeq(challenge["scope"]) {
			if !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
		if len(scopes) == before {
			return fmt.Errorf("%s wants scopes that the token has: %q", h.resource, challenge["scope"])
		}
	case "invalid_token", "":
		if response.StatusCode == http.StatusForbidden {
			return fmt.Errorf("%s answered 403, which another token would not change", h.resource)
		}
		sent := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		h.agent.Forget(&oauth2.Token{AccessToken: sent})
	default:
		return resourceError(h.resource, response.StatusCode, challenge)
	}
	if _, err := h.agent.Token(ctx, h.resource, scopes...); err != nil {
		return err // and what was asked for before is asked for again
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, scope := range scopes {
		if !slices.Contains(h.scopes, scope) {
			h.scopes = append(h.scopes, scope)
		}
	}
	return nil
}
