package verifier

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	resource    = "https://notes.acme.com/mcp"
	metadataURL = "https://notes.acme.com/.well-known/oauth-protected-resource/mcp"
	algs        = `algs="ES256 ES384 EdDSA PS256 RS256"`
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// clock is moved by tests.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// issuer is an authorization server that publishes metadata and keys.
type issuer struct {
	t     *testing.T
	clock *clock
	url   string
	key   *ecdsa.PrivateKey

	mu       sync.Mutex
	metadata map[string]any
	keys     []map[string]any
	status   int
	fetches  int
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, clock: &clock{at: noon}, key: newKey(t), status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(server.Close)
	i.url = server.URL
	i.metadata = map[string]any{"issuer": i.url, "jwks_uri": i.url + "/jwks"}
	i.keys = []map[string]any{jwk(t, i.key.Public(), "k1")}
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.status != http.StatusOK {
		w.WriteHeader(i.status)
		return
	}
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		_ = json.NewEncoder(w).Encode(i.metadata)
	case "/jwks":
		i.fetches++
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": i.keys})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (i *issuer) change(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *issuer) verifier(options ...Option) *Verifier {
	i.t.Helper()
	v, err := New(i.url, resource, append([]Option{WithClock(i.clock.now), WithScopes("notes:read")}, options...)...)
	if err != nil {
		i.t.Fatal(err)
	}
	return v
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwk(t *testing.T, public crypto.PublicKey, id string) map[string]any {
	t.Helper()
	raw, err := (&jose.JSONWebKey{Key: public, KeyID: id}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func thumbprint(t *testing.T, public crypto.PublicKey) string {
	t.Helper()
	digest, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(digest)
}

// jwt is a token before it is signed; tests break one thing of it.
type jwt struct {
	header map[string]any
	claims map[string]any
	key    *ecdsa.PrivateKey
	raw    string // instead of the claims
	change func(compact string) string
}

func (j *jwt) compact(t *testing.T) string {
	t.Helper()
	head, err := json.Marshal(j.header)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(j.raw)
	if j.raw == "" {
		if body, err = json.Marshal(j.claims); err != nil {
			t.Fatal(err)
		}
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, j.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	compact := input + "." + base64.RawURLEncoding.EncodeToString(signature)
	if j.change != nil {
		compact = j.change(compact)
	}
	return compact
}

// attempt is a request with a token, and with a proof if it is bound.
type attempt struct {
	t       *testing.T
	token   *jwt
	proof   *jwt // nil for a bearer token
	holder  *ecdsa.PrivateKey
	scheme  string
	method  string
	url     string
	body    string
	headers http.Header
	finish  func(*http.Request)
}

func (i *issuer) attempt() *attempt {
	return &attempt{
		t: i.t, scheme: "Bearer", method: http.MethodPost, url: resource, body: `{"a":1}`, headers: http.Header{},
		token: &jwt{
			key:    i.key,
			header: map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": "k1"},
			claims: map[string]any{
				"iss": i.url, "sub": "usr_1", "aud": resource, "client_id": "cli_1", "jti": "tok_1",
				"iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(), "scope": "notes:read",
				"tenant": "default", "plan": "pro", "environment": "production", "acr": "phr", "auth_time": noon.Add(-time.Minute).Unix(),
			},
		},
	}
}

// bound is an attempt with a token that is bound to a key, and a proof.
func (i *issuer) bound() *attempt {
	a := i.attempt()
	a.scheme, a.holder = "DPoP", newKey(i.t)
	a.token.claims["cnf"] = map[string]any{"jkt": thumbprint(i.t, a.holder.Public())}
	a.proof = &jwt{
		key:    a.holder,
		header: map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk(i.t, a.holder.Public(), "")},
		claims: map[string]any{"jti": "proof-1", "htm": http.MethodPost, "htu": resource, "iat": noon.Unix()},
	}
	return a
}

func (a *attempt) request() *http.Request {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), a.method, a.url, strings.NewReader(a.body))
	r.Host = "inside.cluster.local:8080" // not believed
	maps.Copy(r.Header, a.headers)
	token := a.token.compact(a.t)
	r.Header.Set("Authorization", a.scheme+" "+token)
	if a.proof != nil {
		if _, set := a.proof.claims["ath"]; !set {
			digest := sha256.Sum256([]byte(token))
			a.proof.claims["ath"] = base64.RawURLEncoding.EncodeToString(digest[:])
		}
		r.Header.Set("DPoP", a.proof.compact(a.t))
	}
	if a.finish != nil {
		a.finish(r)
	}
	return r
}

// seen is what a client sees.
type seen struct {
	status     int
	challenges []string
	header     http.Header
	body       map[string]string
	reached    bool // the handler
	read       string
	token      *Token
}

func send(t *testing.T, v *Verifier, r *http.Request, needs ...Requirement) seen {
	t.Helper()
	var s seen
	handler := v.Require(needs...)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.reached = true
		body, _ := io.ReadAll(r.Body)
		s.read = string(body)
		s.token, _ = FromContext(r.Context())
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	s.status, s.header, s.challenges = w.Code, w.Header(), w.Header().Values("WWW-Authenticate")
	if !s.reached {
		if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&s.body); err != nil {
			t.Fatalf("the body is not JSON: %s", w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("a refusal may be stored")
		}
	}
	return s
}

// want is a refusal: the challenge follows from it.
type want struct {
	status      int
	scheme      string
	code        string
	description string
	scope       string // "notes:read" when empty
	more        string // parameters of a step-up
}

func (s seen) must(t *testing.T, w want) {
	t.Helper()
	if s.reached {
		t.Fatal("the request was let through")
	}
	if w.scope == "" {
		w.scope = "notes:read"
	}
	challenge := w.scheme + ` error="` + w.code + `", error_description="` + w.description + `", scope="` + w.scope + `", ` + w.more + `resource_metadata="` + metadataURL + `"`
	if w.scheme == "DPoP" {
		challenge += ", " + algs
	}
	if s.status != w.status || len(s.challenges) != 1 || s.challenges[0] != challenge {
		t.Errorf("got  %d %q\nwant %d %q", s.status, s.challenges, w.status, challenge)
	}
	if s.body["error"] != w.code || s.body["error_description"] != w.description {
		t.Errorf("body %v", s.body)
	}
}
