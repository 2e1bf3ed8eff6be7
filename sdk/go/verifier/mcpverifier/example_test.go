package mcpverifier_test

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

// A protected MCP server: the endpoint needs notes:read, one tool needs more.
func Example() {
	v, err := verifier.New("https://auth.acme.com", "https://notes.acme.com/mcp", verifier.WithScopes("notes:read"))
	if err != nil {
		log.Fatal(err)
	}
	tools := mcpverifier.ToolRequirements{"list": nil, "delete": {verifier.RequireScopes("notes:write")}}
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "list"}, list)
	mcp.AddTool(server, &mcp.Tool{Name: "delete"}, list)
	server.AddReceivingMiddleware(mcpverifier.Tools(tools))
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpverifier.Require(v, tools)(handler))
	mux.Handle(v.MetadataPath(), v.MetadataHandler())
	log.Fatal((&http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe())
}

func list(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, map[string]string, error) {
	return nil, map[string]string{"lunch": "Tuesday"}, nil
}
