package mcpverifier_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

// A session outlives the request that began it. What a call may do is told by the token of
// that call, and never by the one that the session began with.
func TestToolsWithinSession(t *testing.T) {
	url, token := issuer(t)
	v, err := verifier.New(url, resource, verifier.WithScopes("notes:read"))
	if err != nil {
		t.Fatal(err)
	}
	tools := mcpverifier.ToolRequirements{"list": nil, "add": {verifier.RequireScopes("notes:write")}}
	for name, peeked := range map[string]mcpverifier.ToolRequirements{"with a look before": tools, "without": nil} {
		t.Run(name, func(t *testing.T) {
			var scopes string
			server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
			for name := range tools {
				mcp.AddTool(server, &mcp.Tool{Name: name}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
					token, _ := mcpverifier.Token(r)
					if _, kept := verifier.FromContext(ctx); kept {
						t.Error("the context of a session offers its first token")
					}
					scopes = strings.Join(token.Claims().Scopes, " ")
					return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "called"}}}, nil, nil
				})
			}
			server.AddReceivingMiddleware(mcpverifier.Tools(tools))
			handler := mcpverifier.Require(v, peeked)(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{JSONResponse: true}))
			session := ""
			send := func(scope, body string) *httptest.ResponseRecorder {
				w := httptest.NewRecorder()
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader(body))
				r.Host = "127.0.0.1"
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Accept", "application/json, text/event-stream")
				r.Header.Set("Authorization", "Bearer "+token(scope))
				if session != "" {
					r.Header.Set("Mcp-Session-Id", session)
					r.Header.Set("Mcp-Protocol-Version", "2025-06-18")
				}
				handler.ServeHTTP(w, r)
				return w
			}
			began := send("notes:read notes:write", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`)
			if session = began.Header().Get("Mcp-Session-Id"); session == "" {
				t.Fatalf("no session: %d %s", began.Code, began.Body)
			}
			send("notes:read", `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
			if w := send("notes:read", callOf("add")); strings.Contains(w.Body.String(), "called") {
				t.Errorf("a token without notes:write adds: %d %s", w.Code, w.Body)
			}
			if w := send("notes:read", callOf("list")); !strings.Contains(w.Body.String(), "called") || scopes != "notes:read" {
				t.Errorf("the tool saw a token of %q: %d %s", scopes, w.Code, w.Body)
			}
		})
	}
}
