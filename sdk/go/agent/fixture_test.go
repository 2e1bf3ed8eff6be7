package agent

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	notes  = "https://notes.acme.com/mcp"
	secret = "s3cr3t/with +%"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

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

// call is a request that the fake server got.
type call struct {
	form   url.Values
	header http.Header
}

// server is an authorization server that answers what a test says.
type server struct {
	url string

	mu       sync.Mutex
	calls    []call
	metadata map[string]any
	status   int
	header   http.Header
	answer   map[string]any
	raw      string              // instead of answer
	before   func(n int, c call) // may change the answer
	wait     chan struct{}       // if it is set, answers wait for it
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{status: 200, header: http.Header{}, answer: map[string]any{
		"access_token": "tok-1", "token_type": "Bearer", "expires_in": 600, "scope": "notes:read",
	}}
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	s.url = listening.URL
	s.metadata = map[string]any{"issuer": s.url, "token_endpoint": s.url + "/token"}
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(s.metadata)
		return
	}
	_ = r.ParseForm()
	c := call{form: r.PostForm, header: r.Header.Clone()}
	s.calls = append(s.calls, c)
	if wait := s.wait; wait != nil {
		s.mu.Unlock()
		<-wait
		s.mu.Lock()
	}
	if s.before != nil {
		s.before(len(s.calls), c)
	}
	maps.Copy(w.Header(), s.header)
	w.WriteHeader(s.status)
	if s.raw != "" {
		_, _ = w.Write([]byte(s.raw))
		return
	}
	_ = json.NewEncoder(w).Encode(s.answer)
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *server) last(t *testing.T) call {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) == 0 {
		t.Fatal("nothing was asked")
	}
	return s.calls[len(s.calls)-1]
}

func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func assertions(t *testing.T) AssertionSource {
	t.Helper()
	return AssertionFunc(func(_ context.Context, r AssertionRequest) (string, error) { return "assertion-for-" + r.Resource, nil })
}

func (s *server) agent(t *testing.T, change func(*Config)) (*Agent, *clock) {
	t.Helper()
	c := &clock{at: noon}
	config := Config{Issuer: s.url, Client: ClientSecretBasic("notes agent", secret), Assertions: assertions(t), Now: c.now}
	if change != nil {
		change(&config)
	}
	a, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

// part reads a part of a JWT.
func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a JWT", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
