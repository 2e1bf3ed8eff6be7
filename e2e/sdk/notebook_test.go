package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

// notebook is a protected MCP server of which a test can change what it says about itself.
type notebook struct {
	uri string

	mu      sync.Mutex
	handler http.Handler
	place   placing
	used    map[string]bool // access tokens that came
	gone    map[string]bool // of them: those that count no more
	stuck   int             // calls of the tool stuck
}

// placing is where a server has its metadata and what it says there, and in its challenges. The zero value is the usual one.
type placing struct {
	path     string         // of the metadata; where RFC 9728 §3.1 places it when ""
	untold   bool           // challenges do not name the metadata
	unscoped bool           // neither challenges nor the metadata name a scope
	scopes   []string       // scopes_supported of the metadata, instead of all of them; challenges name none
	members  map[string]any // of the metadata, replaced
}

// What each tool needs besides notes:read. No token has what "impossible" needs; stuck wants more whatever it is given.
func toolNeeds() mcpverifier.ToolRequirements {
	return mcpverifier.ToolRequirements{
		"whoami": nil, "write": {verifier.RequireScopes("notes:write")}, "impossible": {verifier.RequireScopes("notes:impossible")}, "stuck": nil,
		"sealed": {verifier.RequireACR("phr"), verifier.RequireMaxAge(5 * time.Minute)},
	}
}

// seenByTool is what a tool was told of the token that it was called with.
type seenByTool struct {
	Subject    string   `json:"subject"`
	ClientID   string   `json:"client_id"`
	Issuer     string   `json:"issuer"`
	Scopes     []string `json:"scopes"`
	ID         string   `json:"id"`
	ACR        string   `json:"acr"`
	AuthTime   int64    `json:"auth_time"`
	Thumbprint string   `json:"thumbprint"`
}

func newNotebook(t *testing.T) *notebook {
	t.Helper()
	n := &notebook{used: map[string]bool{}, gone: map[string]bool{}}
	listening := httptest.NewServer(n)
	t.Cleanup(listening.Close)
	n.uri = listening.URL + "/mcp"
	return n
}

// trust names the issuer whose tokens are taken from now on, and no other's.
func (n *notebook) trust(t *testing.T, issuer string) {
	t.Helper()
	v, err := verifier.New(issuer, n.uri, verifier.WithScopes("notes:read"), verifier.WithScopesSupported("notes:write"),
		verifier.WithImpliedScopes("notes:write", "notes:read"))
	if err != nil {
		t.Fatal(err)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "notebook", Version: "1"}, nil)
	for tool := range toolNeeds() {
		mcp.AddTool(server, &mcp.Tool{Name: tool}, tell)
	}
	server.AddReceivingMiddleware(mcpverifier.Tools(toolNeeds()))
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	routes := http.NewServeMux()
	routes.Handle("/mcp", n.forgetful(mcpverifier.Require(v, toolNeeds())(n.insatiable(streamable))))
	routes.Handle("/", n.metadata(v.MetadataPath(), v.MetadataHandler()))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handler, n.place = routes, placing{}
}

func tell(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, seenByTool, error) {
	token, ok := mcpverifier.Token(r)
	if !ok {
		return nil, seenByTool{}, errors.New("no token")
	}
	c := token.Claims()
	seen := seenByTool{Subject: c.Subject, ClientID: c.ClientID, Issuer: c.Issuer, Scopes: c.Scopes, ID: c.ID, ACR: c.ACR, Thumbprint: c.Thumbprint}
	slices.Sort(seen.Scopes)
	if !c.AuthTime.IsZero() {
		seen.AuthTime = c.AuthTime.Unix()
	}
	return nil, seen, nil
}

// put places the metadata somewhere else.
func (n *notebook) put(p placing) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.place = p
}

// forget refuses every token that came until now, as if its time were over.
func (n *notebook) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for token := range n.used {
		n.gone[token] = true
	}
}

func (n *notebook) stuckCalls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stuck
}

func (n *notebook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	handler, place := n.handler, n.place
	n.mu.Unlock()
	handler.ServeHTTP(&challenging{ResponseWriter: w, place: place, origin: "http://" + r.Host}, r)
}

// challenging says in challenges what the placing wants said.
type challenging struct {
	http.ResponseWriter

	place  placing
	origin string
}

func (c *challenging) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *challenging) WriteHeader(status int) {
	for i, challenge := range c.Header()["Www-Authenticate"] {
		scheme, parameters, _ := strings.Cut(challenge, " ")
		kept := slices.DeleteFunc(strings.Split(parameters, ", "), func(p string) bool {
			return (c.place.untold || c.place.path != "") && strings.HasPrefix(p, "resource_metadata=") ||
				(c.place.unscoped || c.place.scopes != nil) && strings.HasPrefix(p, "scope=") && status == http.StatusUnauthorized
		})
		if c.place.path != "" && !c.place.untold {
			kept = append(kept, `resource_metadata="`+c.origin+c.place.path+`"`)
		}
		c.Header()["Www-Authenticate"][i] = strings.TrimSpace(scheme + " " + strings.Join(kept, ", "))
	}
	c.ResponseWriter.WriteHeader(status)
}

// metadata serves the document where the placing has it, and nowhere else.
func (n *notebook) metadata(usual string, document http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		place := n.place
		n.mu.Unlock()
		if at := place.path; at == "" && r.URL.Path != usual || at != "" && r.URL.Path != at {
			http.NotFound(w, r)
			return
		}
		recorded := httptest.NewRecorder()
		document.ServeHTTP(recorded, r)
		var members map[string]any
		_ = json.Unmarshal(recorded.Body.Bytes(), &members)
		if place.unscoped {
			delete(members, "scopes_supported")
		}
		if place.scopes != nil {
			members["scopes_supported"] = place.scopes
		}
		maps.Copy(members, place.members)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(members)
	})
}

// forgetful stands in front of the guard.
func (n *notebook) forgetful(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		n.mu.Lock()
		gone := n.gone[token]
		if token != "" {
			n.used[token] = true
		}
		n.mu.Unlock()
		if gone {
			r.Header.Del("Authorization")
		}
		next.ServeHTTP(w, r)
	})
}

// insatiable refuses the tool stuck, whatever the token says, and asks for a scope that it may have.
func (n *notebook) insatiable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var call struct {
			Method string
			Params struct{ Name string }
		}
		if json.Unmarshal(body, &call) == nil && call.Method == "tools/call" && call.Params.Name == "stuck" {
			n.mu.Lock()
			n.stuck++
			n.mu.Unlock()
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="notes:write"`)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
