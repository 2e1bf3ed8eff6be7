package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// notes is a small MCP server that accepts Chancery's tokens and nothing else. It knows the issuer and its own resource
// identifier, and fetches the issuer's public keys; it has no secret and shares no memory with the issuer.
type notes struct {
	issuer   string
	resource string
	keys     jwks.Source
	cache    *jwks.Cache
	now      func() time.Time

	mu    sync.Mutex
	texts map[string]string
}

func newNotes(issuer, resource string, now func() time.Time) *notes {
	return &notes{
		issuer: issuer, resource: resource, now: now,
		keys:  jwks.Source{Issuer: issuer, URI: issuer + "/.well-known/jwks.json", Network: fetch.Network{AllowPrivateAddresses: true}},
		cache: jwks.NewCache(fetch.New(fetch.Policy{Mode: "allow"}), now),
		texts: map[string]string{"lunch": "Tuesday, the place by the river", "budget": "ask Bob before Friday"},
	}
}

// handler is the MCP endpoint behind RFC 9728's challenge: a request without a good token learns where to get one.
func (n *notes) handler() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "list_notes", Description: "List the notes"}, n.list)
	mcp.AddTool(server, &mcp.Tool{Name: "add_note", Description: "Add a note"}, n.add)
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	guard := auth.RequireBearerToken(n.verify, &auth.RequireBearerTokenOptions{
		ResourceMetadataURL: n.issuer + "/.well-known/oauth-protected-resource/notes",
		Scopes:              []string{scopeRead},
	})
	return guard(streamable)
}

// verify is RFC 9068 §4: type, signature by a published key, issuer, audience exactly this resource, times.
func (n *notes) verify(ctx context.Context, compact string, _ *http.Request) (*auth.TokenInfo, error) {
	keys, err := n.cache.Keys(ctx, "notes", n.keys, "")
	if err != nil {
		return nil, err
	}
	t, err := token.Verify(compact, token.Expectation{Issuer: n.issuer, Audience: n.resource, Ring: published(keys), Now: n.now()})
	if err != nil {
		return nil, errors.Join(auth.ErrInvalidToken, err)
	}
	c := t.Claims()
	return &auth.TokenInfo{Scopes: strings.Fields(c.Scope), Expiration: c.ExpiresAt, UserID: c.Subject}, nil
}

// published makes a ring of keys that were fetched.
type published []jwks.Key

func (p published) Keys() []jwks.Key { return p }

type nothing struct{}

type note struct {
	Title string `json:"title" jsonschema:"the note's title"`
	Text  string `json:"text" jsonschema:"the note's text"`
}

type listed struct {
	Notes []note `json:"notes"`
}

func (n *notes) list(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, listed, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := listed{Notes: []note{}}
	for title, text := range n.texts {
		out.Notes = append(out.Notes, note{Title: title, Text: text})
	}
	slices.SortFunc(out.Notes, func(a, b note) int { return strings.Compare(a.Title, b.Title) })
	return nil, out, nil
}

func (n *notes) add(ctx context.Context, request *mcp.CallToolRequest, in note) (*mcp.CallToolResult, nothing, error) {
	info := auth.TokenInfoFromContext(ctx)
	if info == nil && request.Extra != nil {
		info = request.Extra.TokenInfo
	}
	if info == nil || !slices.Contains(info.Scopes, scopeWrite) {
		return nil, nothing{}, fmt.Errorf("insufficient_scope: %s is needed", scopeWrite)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts[in.Title] = in.Text
	return nil, nothing{}, nil
}
