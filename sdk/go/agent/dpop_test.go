package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"
)

func boundAgent(t *testing.T, s *server, change func(*Config)) *Agent {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s.answer["token_type"] = "DPoP"
	a, _ := s.agent(t, func(c *Config) {
		c.DPoP = key
		if change != nil {
			change(c)
		}
	})
	return a
}

func TestTokenIsBound(t *testing.T) {
	s := newServer(t)
	a := boundAgent(t, s, nil)
	token, err := a.Token(t.Context(), notes)
	if err != nil || token.TokenType != "DPoP" {
		t.Fatal(token, err)
	}
	proof := s.last(t).header.Get("DPoP")
	header, claims := part(t, proof, 0), part(t, proof, 1)
	if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || claims["htm"] != "POST" || claims["htu"] != s.url+"/token" || claims["ath"] != nil || claims["jti"] == nil {
		t.Errorf("%v %v", header, claims)
	}
	if jwk, ok := header["jwk"].(map[string]any); !ok || jwk["d"] != nil {
		t.Error("the private key was sent")
	}
	s.answer["token_type"] = "Bearer"
	if token, err := a.Token(t.Context(), notes, "notes:read"); err == nil {
		t.Errorf("a bearer token was taken for a bound one: %v", token.TokenType)
	}
}

// A nonce is answered once; a server that wants one for ever is given up.
func TestNonceAtTokenEndpoint(t *testing.T) {
	s := newServer(t)
	good := s.answer
	a := boundAgent(t, s, nil)
	s.before = func(_ int, c call) {
		s.header.Set("DPoP-Nonce", "n2")
		s.status, s.answer = 200, good
		if part(t, c.header.Get("DPoP"), 1)["nonce"] != "n2" {
			s.status, s.answer = 400, map[string]any{"error": "use_dpop_nonce"}
		}
	}
	if _, err := a.Token(t.Context(), notes); err != nil || s.count() != 2 {
		t.Fatalf("%v after %d", err, s.count())
	}
	first, second := part(t, s.calls[0].header.Get("DPoP"), 1), part(t, s.calls[1].header.Get("DPoP"), 1)
	if first["jti"] == second["jti"] || second["nonce"] != "n2" {
		t.Errorf("%v %v", first, second)
	}
	if _, err := a.Token(t.Context(), notes, "notes:read"); err != nil || s.count() != 3 { // it is remembered
		t.Errorf("%v after %d", err, s.count())
	}
	s.before = func(int, call) { s.status, s.answer = 400, map[string]any{"error": "use_dpop_nonce"} }
	if _, err := a.Token(t.Context(), notes, "x"); err == nil || s.count() != 5 {
		t.Errorf("%v after %d", err, s.count())
	}
}

// api is a resource that answers what a test says.
type api struct {
	url string

	mu     sync.Mutex
	calls  []call
	bodies []string
	answer func(n int, w http.ResponseWriter, r *http.Request)
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{answer: func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }}
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.calls, a.bodies = append(a.calls, call{header: r.Header.Clone()}), append(a.bodies, string(body))
		a.answer(len(a.calls), w, r)
	}))
	t.Cleanup(listening.Close)
	a.url = listening.URL + "/mcp"
	return a
}

func post(t *testing.T, client *http.Client, to string, body io.Reader) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err == nil {
		t.Cleanup(func() { response.Body.Close() })
	}
	return response, err
}

func TestTransport(t *testing.T) {
	s, target := newServer(t), newAPI(t)
	a := boundAgent(t, s, func(c *Config) { c.ContentDigest = true })
	client, err := a.Client(target.url, "notes:read")
	if err != nil {
		t.Fatal(err)
	}
	response, err := post(t, client, target.url+"?cursor=1", strings.NewReader("hello"))
	if err != nil || response.StatusCode != 200 || target.bodies[0] != "hello" {
		t.Fatal(response, err)
	}
	got := target.calls[0].header
	claims := part(t, got.Get("DPoP"), 1)
	sum := sha256.Sum256([]byte("hello"))
	if got.Get("Authorization") != "DPoP tok-1" || claims["ath"] != hashOf("tok-1") || claims["htu"] != target.url || claims["htm"] != "POST" ||
		claims["content_digest"] != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
		t.Errorf("%v %v", got, claims)
	}
	// A body that can be read only once has no digest: nothing is sent.
	if _, err := post(t, client, target.url, io.MultiReader(strings.NewReader("a"))); err == nil || len(target.calls) != 1 {
		t.Error(err)
	}
}

// The token goes to the resource's own origin, wherever it is redirected.
func TestTransportKeepsTheTokenAtHome(t *testing.T) {
	s, target, evil := newServer(t), newAPI(t), newAPI(t)
	a, _ := s.agent(t, nil)
	client, err := a.Client(target.url)
	if err != nil {
		t.Fatal(err)
	}
	target.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, evil.url, http.StatusTemporaryRedirect)
	}
	for _, to := range []string{target.url, evil.url, strings.Replace(target.url, "http:", "https:", 1)} {
		if _, err := post(t, client, to, strings.NewReader("a")); err == nil || !strings.Contains(err.Error(), "is not sent to") {
			t.Errorf("%s: %v", to, err)
		}
	}
	if len(evil.calls) != 0 {
		t.Errorf("it got %v", evil.calls[0].header)
	}
	for _, bad := range []string{"http://notes.acme.com", "urn:a:b", ""} {
		if _, err := a.Client(bad); err == nil {
			t.Errorf("a client for %q", bad)
		}
	}
}

func TestTransportTriesOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		challenge, nonce string
		body             io.Reader
		calls, tokens    int
	}{
		"nonce":                   {`DPoP error="use_dpop_nonce"`, "n1", bytes.NewReader([]byte("a")), 2, 1},
		"invalid token":           {`DPoP error="invalid_token"`, "", strings.NewReader("a"), 2, 2},
		"a body read once":        {`DPoP error="invalid_token"`, "", io.MultiReader(strings.NewReader("a")), 1, 1},
		"step-up":                 {`DPoP error="insufficient_user_authentication"`, "", nil, 1, 1},
		"no error":                {`DPoP algs="ES256"`, "", nil, 1, 1},
		"another scheme":          {`Basic error="invalid_token"`, "", nil, 1, 1},
		"bearer says, then proof": {`Bearer scope="a", error="invalid_token"`, "", nil, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, target := newServer(t), newAPI(t)
			a := boundAgent(t, s, nil)
			target.answer = func(_ int, w http.ResponseWriter, _ *http.Request) { // for ever
				w.Header().Set("WWW-Authenticate", c.challenge)
				if c.nonce != "" {
					w.Header().Set("DPoP-Nonce", c.nonce)
				}
				w.WriteHeader(401)
			}
			client, err := a.Client(target.url)
			if err != nil {
				t.Fatal(err)
			}
			response, err := post(t, client, target.url, c.body)
			if err != nil || response.StatusCode != 401 {
				t.Fatal(response, err)
			}
			if len(target.calls) != c.calls || s.count() != c.tokens {
				t.Errorf("%d calls, %d tokens", len(target.calls), s.count())
			}
			if c.nonce != "" && part(t, target.calls[1].header.Get("DPoP"), 1)["nonce"] != c.nonce {
				t.Error("the nonce was not used")
			}
			if c.calls == 2 && part(t, target.calls[0].header.Get("DPoP"), 1)["jti"] == part(t, target.calls[1].header.Get("DPoP"), 1)["jti"] {
				t.Error("a proof was sent twice")
			}
		})
	}
}

// A scope that is refused is not asked for again and again: what worked before goes on.
func TestMCPHandlerForgetsScopesThatAreRefused(t *testing.T) {
	s := newServer(t)
	delete(s.answer, "scope")
	a, _ := s.agent(t, nil)
	h, err := a.MCPHandler(notes, "notes:read")
	if err != nil {
		t.Fatal(err)
	}
	s.change(func() {
		s.before = func(_ int, c call) {
			s.status = map[bool]int{true: 200, false: 400}[c.form.Get("scope") == "notes:read"]
		}
	})
	for _, scope := range []string{"notes:all", `a\"b`} {
		response := &http.Response{StatusCode: 403, Header: http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope", scope="` + scope + `"`}}, Body: http.NoBody}
		if err := h.Authorize(t.Context(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, notes, http.NoBody), response); err == nil {
			t.Errorf("%s was granted", scope)
		}
		source, err := h.TokenSource(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Token(); err != nil {
			t.Error(err)
		}
	}
}

func TestMCPHandler(t *testing.T) {
	s := newServer(t)
	delete(s.answer, "scope")
	a, _ := s.agent(t, nil)
	h, err := a.MCPHandler(notes, "notes:read")
	if err != nil {
		t.Fatal(err)
	}
	authorize := func(status int, challenge string) error {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, notes, http.NoBody)
		r.Header.Set("Authorization", "Bearer tok-1")
		response := &http.Response{StatusCode: status, Header: http.Header{"Www-Authenticate": {challenge}}, Body: http.NoBody}
		return h.Authorize(t.Context(), r, response)
	}
	token := func() *oauth2.Token {
		t.Helper()
		source, err := h.TokenSource(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := source.Token()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := token(); got.AccessToken != "tok-1" || s.count() != 1 {
		t.Fatal(got)
	}
	if err := authorize(401, `Bearer error="invalid_token"`); err != nil || s.count() != 2 {
		t.Errorf("%v after %d", err, s.count())
	}
	if err := authorize(403, `Bearer error="insufficient_scope", scope="notes:write notes:read"`); err != nil || s.count() != 3 {
		t.Errorf("%v after %d", err, s.count())
	}
	if got := strings.Fields(s.last(t).form.Get("scope")); !slices.Equal(got, []string{"notes:read", "notes:write"}) {
		t.Errorf("%v", got)
	}
	for name, c := range map[string]struct {
		status    int
		challenge string
	}{
		"nothing new":    {403, `Bearer error="insufficient_scope", scope="notes:write"`},
		"403 without":    {403, ``},
		"step-up":        {401, `Bearer error="insufficient_user_authentication", error_description="step_up_required: x", acr_values="phr", max_age="60"`},
		"invalid_reqest": {401, `Bearer error="invalid_request"`},
	} {
		err := authorize(c.status, c.challenge)
		if err == nil || s.count() != 3 {
			t.Errorf("%s: %v after %d", name, err, s.count())
		}
		if refusal, ok := err.(*Error); name == "step-up" && (!ok || !refusal.NeedsStepUp() || refusal.ACRValues[0] != "phr" || refusal.MaxAge.Seconds() != 60 || refusal.Code != "step_up_required") { //nolint:errorlint // as it is
			t.Errorf("%+v", err)
		}
	}
	if _, err := boundAgent(t, newServer(t), nil).MCPHandler(notes); err == nil {
		t.Error("the SDK would send a bound token as a bearer token")
	}
}

func TestResourceError(t *testing.T) {
	response := &http.Response{StatusCode: 403, Header: http.Header{"Www-Authenticate": {
		`Bearer realm="x"`, `DPoP error="insufficient_scope", error_description="scope_missing: a \"b\"", scope="a"`,
	}}}
	got := ResourceError(notes, response)
	if got == nil || got.OAuth != "insufficient_scope" || got.Code != "scope_missing" || got.Description != `scope_missing: a "b"` || got.Issuer != notes {
		t.Errorf("%+v", got)
	}
	if got := ResourceError(notes, &http.Response{StatusCode: 500, Header: http.Header{}}); got != nil {
		t.Errorf("%+v", got)
	}
}
