// Command issues-server is a protected MCP server whose tool calls on, to an API of
// somebody else, in the name of the person for whom the agent works. It has no
// credential of that API: it borrows one from Chancery for the access token that it
// was sent (docs/vending.md), and forgets it. Where the person has connected no
// account yet it asks for that, by a URL elicitation.
//
//	ISSUES_CLIENT_SECRET=… go run ./examples/issues-server -issuer http://127.0.0.1:8080
//
// The resource to register is http://127.0.0.1:9003/mcp, with the client of this server
// as its server.client.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/agent"
	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "issuer of the Chancery server, as its metadata has it")
	listen := flag.String("listen", "127.0.0.1:9003", "address to listen on")
	resource := flag.String("resource", "", "identifier of this server as it is registered (default http://LISTEN/mcp)")
	clientID := flag.String("client-id", "issues-server", "this server as a client of Chancery; its secret is in ISSUES_CLIENT_SECRET")
	provider := flag.String("provider", "github", "provider to borrow from")
	scope := flag.String("scope", "user:read", "key of its scope_map")
	api := flag.String("api", "https://api.github.com", "where its API is")
	flag.Parse()
	if *resource == "" {
		*resource = "http://" + *listen + "/mcp"
	}
	borrower, err := agent.NewBorrower(agent.BorrowerConfig{Issuer: *issuer, Client: agent.ClientSecretBasic(*clientID, os.Getenv("ISSUES_CLIENT_SECRET"))})
	if err != nil {
		log.Fatal(err)
	}
	s := &server{lender: borrower, wanted: agent.Borrowing{Provider: *provider, Scopes: []string{*scope}}, api: *api, http: &http.Client{Timeout: 10 * time.Second}}
	handler, err := s.protected(*issuer, *resource)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	listener := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = listener.Close()
	}()
	fmt.Println("issues-server", *resource)
	if err := listener.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Print(err)
	}
}

// lender is *agent.Borrower.
type lender interface {
	Borrow(ctx context.Context, accessToken string, w agent.Borrowing) (agent.Lease, error)
}

type server struct {
	lender lender
	wanted agent.Borrowing
	api    string
	http   *http.Client
}

func (s *server) protected(issuer, resource string) (http.Handler, error) {
	v, err := verifier.New(issuer, resource)
	if err != nil {
		return nil, err
	}
	tools := mcpverifier.ToolRequirements{"whoami": nil}
	m := mcp.NewServer(&mcp.Implementation{Name: "issues", Version: "1.0.0"}, nil)
	mcp.AddTool(m, &mcp.Tool{Name: "whoami", Description: "The account that you connected"}, s.whoami)
	m.AddReceivingMiddleware(mcpverifier.Tools(tools))
	// With sessions: what the client can do (URL elicitation) is said at their beginning.
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return m }, nil)
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpverifier.Require(v, tools)(streamable))
	mux.Handle(v.MetadataPath(), v.MetadataHandler())
	return mux, nil
}

// whoami asks the API who the account is. The token that the agent sent goes to Chancery alone, and never on.
func (s *server) whoami(ctx context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, map[string]any, error) {
	brought, err := bearer(request)
	if err != nil {
		return nil, nil, err
	}
	lease, err := s.lender.Borrow(ctx, brought, s.wanted)
	if err != nil {
		return s.connect(request, err)
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api+"/user", http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	lease.Authorize(call)
	response, err := s.http.Do(call)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("the API answered %d", response.StatusCode)
	}
	var account map[string]any
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&account); err != nil {
		return nil, nil, errors.New("the API's answer is not JSON")
	}
	return nil, map[string]any{"login": account["login"], "narrowed": lease.Narrowed}, nil
}

// connect asks for what only the person can do. A client that shows URLs is told to (MCP, URL mode elicitation); another one
// gets the URL in the answer.
func (s *server) connect(request *mcp.CallToolRequest, err error) (*mcp.CallToolResult, map[string]any, error) {
	refusal, ok := errors.AsType[*agent.Error](err)
	if !ok || !refusal.NeedsInteraction() || refusal.InteractionURI == "" {
		return nil, nil, err
	}
	message := "Connect your " + s.wanted.Provider + " account, then call the tool again"
	if showsURLs(request) {
		return nil, nil, mcp.URLElicitationRequiredError([]*mcp.ElicitParams{{
			Mode: "url", Message: message, URL: refusal.InteractionURI, ElicitationID: path.Base(refusal.InteractionURI),
		}})
	}
	return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: message + ": " + refusal.InteractionURI}}}, nil, nil
}

func showsURLs(request *mcp.CallToolRequest) bool {
	params := request.Session.InitializeParams()
	return params != nil && params.Capabilities != nil && params.Capabilities.Elicitation != nil && params.Capabilities.Elicitation.URL != nil
}

var errNoToken = errors.New("no bearer token: one that is bound to a key cannot be exchanged by a server")

// bearer is the access token of the request, which was verified before the tool was called.
func bearer(request *mcp.CallToolRequest) (string, error) {
	if request.Extra == nil {
		return "", errNoToken
	}
	scheme, token, _ := strings.Cut(request.Extra.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	return strings.TrimSpace(token), nil
}
