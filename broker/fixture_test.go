package broker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	publicURL = "https://auth.acme.com"
	tokenText = "the-access-token-itself"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const objects = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:write": {}, "notes:read": {}}, token: {dpop: required}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: bare}
spec: {uri: "https://mcp.acme.com/bare"}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: old}
spec: {uri: "https://mcp.acme.com/old", disabled: true, scopes: {"old:read": {}}}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: acme}
spec: {}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki, tenant: acme}
spec: {uri: "https://mcp.acme.com/wiki", scopes: {"wiki:read": {}}}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: served}
spec: {}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: wiki-server, tenant: served}
spec: {auth: {method: client_secret_basic, secret: {env: X}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki, tenant: served}
spec: {uri: "https://mcp.acme.com/wiki", scopes: {"wiki:read": {}}, server: {client: wiki-server}}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: gone}
spec: {status: suspended}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: phones}
spec: {public_client_assertions: cnf}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: builds}
spec: {}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: forge, tenant: builds}
spec: {preset: generic, issuer: "https://forge.example", assertions: {profiles: [workload]}}
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: build, tenant: builds}
spec: {idp: forge, client: build, match: {"claims.repository": acme/app}}
`

// house is the face with fakes behind it.
type house struct {
	*broker.Server
	tokens   *tokens
	about    *about
	pictures *pictures
	ready    error
	keys     error
	observed []observation
	log      *bytes.Buffer
	mu       sync.Mutex
}

type observation struct {
	route  string
	status int
}

func (h *house) Request(route string, status int, _ time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.observed = append(h.observed, observation{route, status})
}

func (h *house) JWKS(_ context.Context, t tenant.UID) ([]byte, error) {
	return []byte(`{"keys":[],"of":"` + t.String() + `"}`), h.keys
}

// tokens answers what a test says.
type tokens struct {
	response grant.Response
	err      error
	do       func(grant.Request)
	mu       sync.Mutex
	got      grant.Request
	away     []error
}

func (k *tokens) Token(_ context.Context, r grant.Request) (grant.Response, error) {
	k.mu.Lock()
	k.got = r
	k.mu.Unlock()
	if k.do != nil {
		k.do(r)
	}
	return k.response, k.err
}

func (k *tokens) TurnAway(_ grant.Request, err error) { k.away = append(k.away, err) }

// about answers what a test says of a token that somebody holds.
type about struct {
	body []byte
	err  error
	got  introspect.Request
	away []error
}

func (a *about) Introspect(_ context.Context, r introspect.Request) ([]byte, error) {
	a.got = r
	return a.body, a.err
}

func (a *about) Revoke(_ context.Context, r introspect.Request) error {
	a.got = r
	return a.err
}

func (a *about) TurnAway(_ introspect.Request, err error) { a.away = append(a.away, err) }

// pictures counts what is looked up.
type pictures struct {
	source *snapshot.Source
	mu     sync.Mutex
	asked  []string
	err    error
}

func (p *pictures) Get(ctx context.Context, name string) (*snapshot.Tenant, error) {
	p.mu.Lock()
	p.asked = append(p.asked, name)
	p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	return p.source.Get(ctx, name)
}

func newHouse(t *testing.T, changes ...func(*broker.Config)) *house {
	t.Helper()
	clock := func() time.Time { return now }
	_, source := snapshottest.New(t, publicURL, clock, objects)
	h := &house{
		tokens: &tokens{response: grant.Response{
			AccessToken: tokenText, TokenType: "Bearer", ExpiresIn: 10 * time.Minute, Scope: "notes:read", Resource: "https://mcp.acme.com/notes",
		}},
		about:    &about{body: []byte(`{"active":true}`)},
		pictures: &pictures{source: source}, log: &bytes.Buffer{},
	}
	config := broker.Config{
		PublicURL: publicURL, Pictures: h.pictures, Tokens: h.tokens, Introspection: h.about, JWKS: h, Observer: h, InFlight: 4,
		Ready: func(context.Context) error { return h.ready }, Now: clock,
		Log: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(&config)
	}
	var err error
	h.Server, err = broker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func form() url.Values {
	return url.Values{"grant_type": {oauth.GrantTypeJWTBearer}, "assertion": {"a.b.c"}, "client_id": {"agent"}, "client_secret": {"the-client-secret"}}
}

// post is a valid token request; change edits it.
func (h *house) post(t *testing.T, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(form().Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	return h.serve(r)
}

func (h *house) get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	return h.serve(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
}

func (h *house) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func members(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("no JSON: %s", w.Body)
	}
	return m
}

// wantRefusal holds an answer against RFC 6749 §5.2 and our code.
func wantRefusal(t *testing.T, w *httptest.ResponseRecorder, status int, oauthError string, code oauth.Code) {
	t.Helper()
	m := members(t, w)
	description, _ := m["error_description"].(string)
	uri, _ := m["error_uri"].(string)
	if w.Code != status || m["error"] != oauthError || !strings.HasPrefix(description, string(code)+": ") {
		t.Errorf("answered %d %s, want %d %s %s", w.Code, w.Body, status, oauthError, code)
	}
	if !strings.Contains(uri, "/errors/"+string(code)+"?trace="+w.Header().Get("Chancery-Trace")) {
		t.Errorf("error_uri %q", uri)
	}
	if w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		t.Errorf("headers %v", w.Header())
	}
	if strings.ContainsAny(description, "\"\\") {
		t.Errorf("description %q (RFC 6749 §5.2)", description)
	}
}
