// Package transittest is a double of Vault for tests: the parts of its HTTP API
// that vault/transit speaks (Transit with derived keys, KV v2, logins, tokens),
// over real HTTP, with switches for what goes wrong there. Its semantics are those
// of Vault and OpenBao; the contract suite of vault/transit holds it to them
// wherever a real server is given.
package transittest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// RootToken may do everything.
const RootToken = "hvs.root-of-the-double" //nolint:gosec // of a double

// Server is the double. Its members may be changed while it runs, by the methods.
type Server struct {
	URL string

	mu      sync.Mutex
	keys    map[string]*key
	secrets map[string]map[string]any // KV v2, by mount/path
	tokens  map[string]*token
	roles   map[string]string // role_id → secret_id
	wrong   Wrong
	delay   time.Duration
	drop    bool
	closed  string // operations that the policy lacks, those with this in their path
	calls   map[string]int
}

// Wrong is what goes wrong.
type Wrong string

// What can go wrong; the empty one is nothing.
const (
	Sealed    Wrong = "sealed"
	Standby   Wrong = "standby"
	Throttled Wrong = "throttled"
	Failing   Wrong = "failing"
)

type token struct {
	ttl     time.Duration // as it is said; 0: without end. A token ends by Revoke
	revoked bool
	denied  bool // it has no policy any more
}

// Start runs a double with a Transit mount "transit" and a derived key "chancery" until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := New()
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	s.URL = listener.URL
	return s
}

// New makes a double that is served by somebody else.
func New() *Server {
	s := &Server{
		keys: map[string]*key{"transit/chancery": newKey(true)}, secrets: map[string]map[string]any{}, calls: map[string]int{},
		tokens: map[string]*token{RootToken: {}}, roles: map[string]string{"chancery": "secret-of-the-role"},
	}
	return s
}

// Break makes everything fail in one way; "" mends it.
func (s *Server) Break(w Wrong) { s.set(func() { s.wrong = w }) }

// Slow makes every answer wait.
func (s *Server) Slow(d time.Duration) { s.set(func() { s.delay = d }) }

// Drop cuts every connection without an answer, as a server does that is not there.
func (s *Server) Drop(drop bool) { s.set(func() { s.drop = drop }) }

// DenyPath takes the operations with a part in their path out of every policy but the root's; "" gives them back.
func (s *Server) DenyPath(part string) { s.set(func() { s.closed = part }) }

// Issue makes a token that may use the keys and secrets; a ttl of 0 has no end. It is not the root's: Deny and RevokeAll
// touch it.
func (s *Server) Issue(ttl time.Duration) string {
	value := "hvs." + rand.Text()
	s.set(func() { s.tokens[value] = &token{ttl: ttl} })
	return value
}

// Restore brings a revoked token back, in the place of a new one under the same name.
func (s *Server) Restore(value string) {
	s.set(func() {
		if t := s.tokens[value]; t != nil {
			t.revoked = false
		}
	})
}

// Revoke ends a token.
func (s *Server) Revoke(value string) {
	s.set(func() {
		if t := s.tokens[value]; t != nil {
			t.revoked = true
		}
	})
}

// RevokeAll ends all tokens but the root's.
func (s *Server) RevokeAll() {
	s.set(func() {
		for value, t := range s.tokens {
			t.revoked = value != RootToken
		}
	})
}

// Deny takes every policy from all tokens but the root's, or gives them back.
func (s *Server) Deny(denied bool) {
	s.set(func() {
		for value, t := range s.tokens {
			t.denied = denied && value != RootToken
		}
	})
}

// AddKey makes another key in mount transit.
func (s *Server) AddKey(name string, derived, exportable bool) {
	k := newKey(derived)
	k.exportable = exportable
	s.set(func() { s.keys["transit/"+name] = k })
}

// Rotate gives a key a new version, and bounds what still decrypts.
func (s *Server) Rotate(name string, minDecrypt int) {
	s.set(func() {
		k := s.keys["transit/"+name]
		k.rotate()
		k.minDecrypt = max(1, minDecrypt)
	})
}

// MinDecrypt bounds which versions still decrypt.
func (s *Server) MinDecrypt(name string, version int) {
	s.set(func() { s.keys["transit/"+name].minDecrypt = version })
}

// Put stores a KV v2 secret, by mount/path.
func (s *Server) Put(path string, values map[string]any) {
	s.set(func() { s.secrets[path] = values })
}

// Calls counts the requests whose path has a part.
func (s *Server) Calls(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for path, count := range s.calls {
		if strings.Contains(path, part) {
			n += count
		}
	}
	return n
}

func (s *Server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	delay, drop := s.delay, s.drop
	s.calls[r.URL.Path]++
	s.mu.Unlock()
	if drop {
		panic(http.ErrAbortHandler)
	}
	sent, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20)) // before any wait, so that a caller who leaves is noticed
	if err != nil {
		fail(w, http.StatusBadRequest, "error reading input")
		return
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken(w) {
		return
	}
	body := map[string]any{}
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		if err := json.Unmarshal(sent, &body); err != nil {
			fail(w, http.StatusBadRequest, "failed to parse JSON input")
			return
		}
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	if s.login(w, path, body) {
		return
	}
	t := s.tokens[r.Header.Get("X-Vault-Token")]
	if t == nil || t.revoked {
		fail(w, http.StatusForbidden, "permission denied", "invalid token")
		return
	}
	if s.self(w, path, r.Header.Get("X-Vault-Token"), t) {
		return
	}
	if t.denied || (s.closed != "" && strings.Contains(path, s.closed) && r.Header.Get("X-Vault-Token") != RootToken) {
		fail(w, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
		return
	}
	s.engine(w, r, path, body)
}

// broken answers for a server that is not well.
func (s *Server) broken(w http.ResponseWriter) bool {
	switch s.wrong {
	case Sealed:
		fail(w, http.StatusServiceUnavailable, "Vault is sealed")
	case Standby:
		fail(w, http.StatusInternalServerError, "local node not active but active cluster node not found")
	case Throttled:
		fail(w, http.StatusTooManyRequests, "request path \"transit/decrypt/chancery\": rate limit quota exceeded")
	case Failing:
		fail(w, http.StatusInternalServerError, "internal error")
	default:
		return false
	}
	return true
}

// login serves auth/…/login.
func (s *Server) login(w http.ResponseWriter, path string, body map[string]any) bool {
	switch path {
	case "auth/approle/login":
		role, _ := body["role_id"].(string)
		secret, _ := body["secret_id"].(string)
		if want, ok := s.roles[role]; !ok || want != secret {
			fail(w, http.StatusBadRequest, "invalid role or secret ID")
			return true
		}
	case "auth/kubernetes/login":
		if body["role"] != "chancery" || body["jwt"] != "a service account's token" {
			fail(w, http.StatusForbidden, "permission denied")
			return true
		}
	default:
		return false
	}
	value := "hvs." + rand.Text()
	s.tokens[value] = &token{ttl: time.Hour}
	write(w, map[string]any{"auth": map[string]any{"client_token": value, "lease_duration": 3600, "renewable": true}})
	return true
}

// self serves what a token may ask about itself.
func (s *Server) self(w http.ResponseWriter, path, value string, t *token) bool {
	switch path {
	case "auth/token/lookup-self":
		write(w, map[string]any{"data": map[string]any{"id": value, "ttl": int(t.ttl.Seconds()), "renewable": t.ttl > 0, "policies": []string{"default", "chancery"}}})
	case "auth/token/renew-self":
		write(w, map[string]any{"auth": map[string]any{"client_token": value, "lease_duration": int(t.ttl.Seconds()), "renewable": true}})
	default:
		return false
	}
	return true
}

func (s *Server) engine(w http.ResponseWriter, r *http.Request, path string, body map[string]any) {
	parts := strings.Split(path, "/")
	if len(parts) >= 3 && parts[1] == "data" && r.Method == http.MethodGet { // KV v2
		values, ok := s.secrets[parts[0]+"/"+strings.Join(parts[2:], "/")]
		if !ok {
			fail(w, http.StatusNotFound)
			return
		}
		write(w, map[string]any{"data": map[string]any{"data": values, "metadata": map[string]any{"version": 1}}})
		return
	}
	if len(parts) < 3 || parts[0] != "transit" {
		fail(w, http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", path))
		return
	}
	k := s.keys["transit/"+parts[2]]
	switch {
	case parts[1] == "keys" && len(parts) == 3 && k == nil && r.Method == http.MethodGet:
		fail(w, http.StatusNotFound)
	case k == nil:
		fail(w, http.StatusBadRequest, "encryption key not found")
	case parts[1] == "keys" && len(parts) == 3:
		write(w, map[string]any{"data": k.describe(parts[2])})
	case parts[1] == "keys" && parts[3] == "rotate":
		k.rotate()
		w.WriteHeader(http.StatusNoContent)
	case parts[1] == "keys" && parts[3] == "config":
		if v, ok := body["min_decryption_version"].(float64); ok {
			k.minDecrypt = int(v)
		}
		w.WriteHeader(http.StatusNoContent)
	case parts[1] == "encrypt", parts[1] == "decrypt", parts[1] == "rewrap":
		k.serve(w, parts[1], body)
	default:
		fail(w, http.StatusNotFound, "unsupported path")
	}
}

func fail(w http.ResponseWriter, status int, errs ...string) {
	if errs == nil {
		errs = []string{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": errs})
}

func write(w http.ResponseWriter, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
