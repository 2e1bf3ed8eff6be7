package dev

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

// notes is a small MCP server that accepts Chancery's tokens and nothing else. It knows the issuer and its own resource
// identifier, and fetches the issuer's public keys; it has no secret and shares no memory with the issuer. All that guards
// it is the SDK's verifier.
type notes struct {
	guard *verifier.Verifier

	mu    sync.Mutex
	texts map[string]string
}

func newNotes(issuer, resource string, now func() time.Time) (*notes, error) {
	guard, err := verifier.New(issuer, resource,
		verifier.WithClock(now),
		verifier.WithScopes(ScopeRead),
		verifier.WithImpliedScopes(ScopeWrite, ScopeRead),
		verifier.WithScopesSupported(ScopeRead, ScopeWrite),
		verifier.WithResourceMetadata(issuer+"/.well-known/oauth-protected-resource/notes"),
	)
	if err != nil {
		return nil, err
	}
	return &notes{
		guard: guard,
		texts: map[string]string{"lunch": "Tuesday, the place by the river", "budget": "ask Bob before Friday"},
	}, nil
}

// handler is the MCP endpoint behind RFC 9728's challenge: a request without a good token learns where to get one, and a
// call of a tool that needs more learns what.
func (n *notes) handler() http.Handler {
	tools := mcpverifier.ToolRequirements{
		"whoami":     nil,
		"list_notes": nil,
		"add_note":   {verifier.RequireScopes(ScopeWrite)},
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "Show for whom and for what the token is"}, whoami)
	mcp.AddTool(server, &mcp.Tool{Name: "list_notes", Description: "List the notes"}, n.list)
	mcp.AddTool(server, &mcp.Tool{Name: "add_note", Description: "Add a note"}, n.add)
	server.AddReceivingMiddleware(mcpverifier.Tools(tools))
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpverifier.Require(n.guard, tools)(streamable))
	mux.Handle(n.guard.MetadataPath(), n.guard.MetadataHandler()) // for clients that look here before they are challenged
	return mux
}

type nothing struct{}

type note struct {
	Title string `json:"title" jsonschema:"the note's title"`
	Text  string `json:"text" jsonschema:"the note's text"`
}

type listed struct {
	Notes []note `json:"notes"`
}

// bearer is what a server sees of who calls: what is in the token, and nothing else.
type bearer struct {
	Subject string   `json:"subject"`
	Client  string   `json:"client"`
	Scopes  []string `json:"scopes"`
}

func whoami(_ context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, bearer, error) {
	token, ok := mcpverifier.Token(request)
	if !ok {
		return nil, bearer{}, errors.New("there is no token")
	}
	claims := token.Claims()
	return nil, bearer{Subject: claims.Subject, Client: claims.ClientID, Scopes: claims.Scopes}, nil
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

func (n *notes) add(_ context.Context, _ *mcp.CallToolRequest, in note) (*mcp.CallToolResult, nothing, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts[in.Title] = in.Text
	return nil, nothing{}, nil
}
