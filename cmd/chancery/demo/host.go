package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

// hostName and hostRedirect are what the host's document says. Nothing listens at the redirect URI: the browser tells.
const (
	hostName     = "Notes host"
	hostRedirect = "http://127.0.0.1/callback"
	hostPort     = "http://127.0.0.1:53682/callback" // of this run: on loopback any port will do (RFC 8252 §7.3)
)

// host is an MCP host that nobody registered: the official SDK's code flow, a document that says who it is, and the browser
// of the person who uses it.
type host struct {
	world    *world
	browser  *browser
	http     *http.Client
	document string // its client_id
	person   string // the sub of who signed in

	session *mcp.ClientSession
	config  *oauth2.Config // of the newest sign-in
	token   *oauth2.Token
}

// publish serves the host's client ID metadata document on a port of its own, and returns where it is.
func publish(ctx context.Context) (address string, stop func(), err error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = "http://" + listener.Addr().String() + "/notes-host.json"
	document, err := json.Marshal(map[string]any{
		"client_id": address, "client_name": hostName, "redirect_uris": []string{hostRedirect},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none",
	})
	if err != nil {
		return "", nil, errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes-host.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	return address, func() { _ = server.Close() }, nil
}

// newHost is the host on a machine where nobody has signed in yet; person and idp are what its browser's user picks.
func (s *show) newHost(person, idp string) (*host, error) {
	b, err := newBrowser(s.agent.tape, map[string]string{"person": person, "idp": idp, "decision": "allow", "way": "idp"})
	if err != nil {
		return nil, err
	}
	return &host{world: s.world, browser: b, http: dev.NoRedirects(s.agent.tape), document: s.document}, nil
}

// connect opens an MCP session. The SDK finds everything out from the server's challenge; all it is told is who it is. It
// takes documents at https alone for ClientIDMetadataDocumentConfig, so that the one on loopback is given as a client_id.
func (h *host) connect(ctx context.Context) error {
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient:      &oauthex.ClientCredentials{ClientID: h.document},
		RedirectURL:              hostPort,
		AuthorizationCodeFetcher: h.ask,
		Client:                   h.http,
		NewTokenSource: func(ctx context.Context, c *oauth2.Config, t *oauth2.Token) (oauth2.TokenSource, error) {
			h.config, h.token = c, t
			return c.TokenSource(ctx, t), nil
		},
	})
	if err != nil {
		return err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "notes-host", Version: "1.0.0"}, nil)
	h.session, err = client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: h.world.Resource, HTTPClient: h.http, OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	return err
}

// ask is where the SDK opens the browser.
func (h *host) ask(ctx context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	answer, err := h.browser.answer(ctx, a.URL, hostPort)
	if err != nil {
		return nil, err
	}
	if refused := answer.Get("error"); refused != "" {
		return nil, errors.New(refused + ": " + answer.Get("error_description"))
	}
	return &auth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
}

// call calls a tool and gives its text.
func (h *host) call(ctx context.Context, tool string, arguments map[string]any) (string, error) {
	result, err := h.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err
	}
	return textOf(result)
}

// refresh trades the refresh token for the next.
func (h *host) refresh(ctx context.Context) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, h.http)
	return h.config.TokenSource(ctx, &oauth2.Token{RefreshToken: h.token.RefreshToken}).Token()
}
