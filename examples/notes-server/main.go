// Command notes-server is a protected MCP server of one file: whoever has a token of
// a Chancery server for it may list notes, and whoever has notes:write may add one.
// It is the shortest program that guards tools, for people who want to protect their
// own. It keeps notes in memory, and is no part of the product.
//
//	go run ./examples/notes-server -issuer http://127.0.0.1:8080
//
// The resource to register is http://127.0.0.1:9002/mcp; -listen and -resource change it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "issuer of the Chancery server, as its metadata has it")
	listen := flag.String("listen", "127.0.0.1:9002", "address to listen on")
	resource := flag.String("resource", "", "identifier of this server as it is registered (default http://LISTEN/mcp)")
	flag.Parse()
	if *resource == "" {
		*resource = "http://" + *listen + "/mcp"
	}
	handler, err := protected(*issuer, *resource)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	fmt.Println("notes-server", *resource)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Print(err)
	}
}

// protected is everything that a server of one's own needs.
func protected(issuer, resource string) (http.Handler, error) {
	v, err := verifier.New(issuer, resource,
		verifier.WithScopes("notes:read"), verifier.WithImpliedScopes("notes:write", "notes:read"))
	if err != nil {
		return nil, err
	}
	tools := mcpverifier.ToolRequirements{
		"list_notes": nil, // what the server needs is enough
		"add_note":   {verifier.RequireScopes("notes:write")},
	}
	n := &notes{texts: map[string]string{"lunch": "Tuesday, the place by the river"}}
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "list_notes", Description: "List the notes"}, n.list)
	mcp.AddTool(server, &mcp.Tool{Name: "add_note", Description: "Add a note"}, n.add)
	server.AddReceivingMiddleware(mcpverifier.Tools(tools))
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpverifier.Require(v, tools)(streamable))
	mux.Handle(v.MetadataPath(), v.MetadataHandler())
	return mux, nil
}

type notes struct {
	mu    sync.Mutex
	texts map[string]string
}

type note struct {
	Title string `json:"title" jsonschema:"the note's title"`
	Text  string `json:"text" jsonschema:"the note's text"`
}

func (n *notes) list(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, map[string]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return nil, maps.Clone(n.texts), nil
}

func (n *notes) add(_ context.Context, request *mcp.CallToolRequest, in note) (*mcp.CallToolResult, map[string]string, error) {
	token, ok := mcpverifier.Token(request)
	if !ok {
		return nil, nil, errors.New("no token")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts[in.Title] = in.Text
	return nil, map[string]string{"added_by": token.Claims().Subject}, nil
}
