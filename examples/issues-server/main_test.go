package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/agent"
)

const link = "http://127.0.0.1:8080/interact/lnk_1"

type refusing struct{ err error }

func (r refusing) Borrow(context.Context, string, agent.Borrowing) (agent.Lease, error) {
	return agent.Lease{}, r.err
}

// session is a client of the tool, behind a door that is open: what guards it is tried elsewhere.
func session(t *testing.T, s *server, options *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	m := mcp.NewServer(&mcp.Implementation{Name: "issues", Version: "1"}, nil)
	mcp.AddTool(m, &mcp.Tool{Name: "whoami"}, s.whoami)
	at := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return m }, nil))
	t.Cleanup(at.Close)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, options)
	connected, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: at.URL, HTTPClient: &http.Client{Transport: sends("at-1")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connected.Close() })
	return connected
}

// sends puts an access token into each request.
type sends string

func (s sends) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(s))
	return http.DefaultTransport.RoundTrip(r)
}

func TestConnectionRequired(t *testing.T) {
	s := &server{lender: refusing{&agent.Error{OAuth: "interaction_required", Code: "connection_required", InteractionURI: link}}, wanted: agent.Borrowing{Provider: "github"}}
	t.Run("a client that shows URLs", func(t *testing.T) {
		c := session(t, s, &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}}})
		_, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
		refusal, ok := errors.AsType[*jsonrpc.Error](err)
		if !ok || refusal.Code != mcp.CodeURLElicitationRequired || !strings.Contains(string(refusal.Data), link) {
			t.Errorf("answered %v", err)
		}
	})
	t.Run("one that does not", func(t *testing.T) {
		got, err := session(t, s, nil).CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
		if err != nil || !got.IsError || len(got.Content) != 1 {
			t.Fatalf("answered %+v, %v", got, err)
		}
		if text, ok := got.Content[0].(*mcp.TextContent); !ok || !strings.Contains(text.Text, link) {
			t.Errorf("answered %+v", got.Content[0])
		}
	})
}

// A refusal that no person can mend is no invitation.
func TestRefused(t *testing.T) {
	s := &server{lender: refusing{&agent.Error{OAuth: "access_denied", Code: "vend_not_allowed"}}}
	got, err := session(t, s, nil).CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
	if err == nil && !got.IsError {
		t.Errorf("answered %+v", got)
	}
}
