package verifier

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func (i *issuer) passes(t *testing.T, v *Verifier, kid string) (status int) {
	t.Helper()
	a := i.attempt()
	a.token.header["kid"] = kid
	a.token.claims["exp"] = i.clock.now().Add(time.Minute).Unix()
	a.token.claims["iat"] = i.clock.now().Unix()
	return send(t, v, a.request()).status
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

func (i *issuer) expect(t *testing.T, v *Verifier, kid string, status, fetches int) {
	t.Helper()
	if got := i.passes(t, v, kid); got != status || i.count() != fetches {
		t.Errorf("%s: %d after %d fetches, want %d after %d", kid, got, i.count(), status, fetches)
	}
}

// Strangers choose the kid: they cause two fetches a minute, no more.
func TestUnknownKeyFetchesWithCooldown(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	i.expect(t, v, "k1", 200, 1)
	i.expect(t, v, "new", 401, 1) // within the cooldown of the first
	i.clock.add(keysCooldown)
	i.expect(t, v, "new", 401, 2)
	i.expect(t, v, "newer", 401, 2)
	i.change(func() { i.keys = append(i.keys, jwk(t, i.key.Public(), "new")) })
	i.clock.add(keysCooldown - time.Second)
	i.expect(t, v, "new", 401, 2)
	i.clock.add(time.Second)
	i.expect(t, v, "new", 200, 3)
}

// What was fetched last is kept when the issuer is away, for a day.
func TestLastKeysAreKept(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	i.expect(t, v, "k1", 200, 1)
	i.change(func() { i.status = 500 })
	i.clock.add(time.Hour)
	i.expect(t, v, "k1", 200, 1)
	i.clock.add(keysLast)
	i.expect(t, v, "k1", 503, 1)
	i.change(func() { i.status = 200 })
	i.clock.add(keysCooldown)
	i.expect(t, v, "k1", 200, 2)
}

// A key that was withdrawn while no requests came is not taken by the first that does.
func TestWithdrawnKeyAfterIdleness(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	i.expect(t, v, "k1", 200, 1)
	i.change(func() { i.keys = []map[string]any{jwk(t, i.key.Public(), "k2")} })
	i.clock.add(keysStale + time.Second)
	i.expect(t, v, "k1", 401, 2)
	i.expect(t, v, "k2", 200, 2)
}

// A key that nobody knows while the issuer is away may be new: that is no answer about
// the token.
func TestUnknownKeyWhileIssuerIsAway(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	i.expect(t, v, "k1", 200, 1)
	i.change(func() { i.status = 500 })
	i.clock.add(keysCooldown)
	i.expect(t, v, "new", 503, 1)
	i.expect(t, v, "new", 503, 1) // within the cooldown too
	i.expect(t, v, "k1", 200, 1)
	i.change(func() { i.status = 200 })
	i.clock.add(keysCooldown)
	i.expect(t, v, "new", 401, 2)
}

// A key that the issuer withdrew is gone after the next fetch.
func TestWithdrawnKey(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	i.expect(t, v, "k1", 200, 1)
	i.change(func() { i.keys = []map[string]any{jwk(t, newKey(t).Public(), "k2")} })
	i.clock.add(keysFresh + time.Second)
	i.expect(t, v, "k2", 401, 2) // fetches; the signature is another's
	i.expect(t, v, "k1", 401, 2)
}

func TestOldKeysAreRenewedBehindRequests(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	i.expect(t, v, "k1", 200, 1)
	i.clock.add(keysFresh + time.Second)
	if got := i.passes(t, v, "k1"); got != 200 {
		t.Fatal(got)
	}
	v.keys.mu.Lock()
	running := v.keys.running
	v.keys.mu.Unlock()
	if running != nil {
		<-running
	}
	if i.count() != 2 {
		t.Errorf("%d fetches", i.count())
	}
}

func TestFetchesAreShared(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	var wg sync.WaitGroup
	for range 32 {
		r := i.attempt().request()
		wg.Go(func() {
			if _, err := v.Verify(r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if i.count() != 1 {
		t.Errorf("%d fetches", i.count())
	}
}

// Nothing that an issuer publishes about somebody else, or badly, is believed; without
// keys the answer is 503, not that the token is bad.
func TestDiscoveryRefused(t *testing.T) {
	for name, change := range map[string]func(*issuer){
		"away":                    func(i *issuer) { i.status = 503 },
		"redirects":               func(i *issuer) { i.status = 302 },
		"issuer another":          func(i *issuer) { i.metadata["issuer"] = "https://evil.example" },
		"issuer with slash":       func(i *issuer) { i.metadata["issuer"] = i.url + "/" },
		"issuer absent":           func(i *issuer) { delete(i.metadata, "issuer") },
		"issuer number":           func(i *issuer) { i.metadata["issuer"] = 1 },
		"issuer in capitals":      func(i *issuer) { i.metadata["ISSUER"] = i.url },
		"jwks_uri absent":         func(i *issuer) { delete(i.metadata, "jwks_uri") },
		"jwks_uri http":           func(i *issuer) { i.metadata["jwks_uri"] = "http://evil.example/jwks" },
		"jwks_uri file":           func(i *issuer) { i.metadata["jwks_uri"] = "file:///etc/passwd" },
		"jwks_uri number":         func(i *issuer) { i.metadata["jwks_uri"] = 1 },
		"no keys":                 func(i *issuer) { i.keys = nil },
		"too many keys":           func(i *issuer) { i.keys = many(i, 51) },
		"private keys only":       func(i *issuer) { i.keys[0]["d"] = "AAAA" },
		"symmetric keys only":     func(i *issuer) { i.keys = []map[string]any{{"kty": "oct", "k": "AAAA", "kid": "k1"}} },
		"two keys with one kid":   func(i *issuer) { i.keys = append(i.keys, jwk(i.t, newKey(i.t).Public(), "k1")) },
		"keys for encryption":     func(i *issuer) { i.keys[0]["use"] = "enc" },
		"keys that do not verify": func(i *issuer) { i.keys[0]["key_ops"] = []string{"sign"} },
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			change(i)
			s := send(t, i.verifier(), i.attempt().request())
			if s.reached || s.status != 503 || len(s.challenges) != 0 || s.body["error_description"] != "keys_unavailable: the keys of the issuer cannot be fetched" {
				t.Errorf("%d %v", s.status, s.body)
			}
		})
	}
}

func many(i *issuer, n int) []map[string]any {
	keys := make([]map[string]any, n)
	for k := range keys {
		keys[k] = i.keys[0]
	}
	return keys
}

// A key says itself what it is for: another algorithm, or another curve, does not fit.
func TestKeyThatDoesNotFit(t *testing.T) {
	i := newIssuer(t)
	larger, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.keys = append(i.keys, jwk(t, larger.Public(), "k384"))
	i.expect(t, i.verifier(), "k384", 401, 1)
}

func TestMetadataHandler(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(WithResourceName("Notes"), WithScopesSupported("notes:write", "notes:read"))
	if v.MetadataPath() != "/.well-known/oauth-protected-resource/mcp" {
		t.Error(v.MetadataPath())
	}
	call := func(method string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		v.MetadataHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, v.MetadataPath(), http.NoBody))
		return w
	}
	w := call("GET")
	var got struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name"`
		Required *bool    `json:"dpop_bound_access_tokens_required"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Resource != resource || len(got.Servers) != 1 || got.Servers[0] != i.url || len(got.Scopes) != 2 || got.Methods[0] != "header" || got.Name != "Notes" || got.Required == nil || *got.Required {
		t.Errorf("%+v", got)
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v", w.Header())
	}
	if call("OPTIONS").Code != 204 || call("POST").Code != 405 {
		t.Error("methods")
	}
}

func TestMetadataPath(t *testing.T) {
	for at, want := range map[string]string{
		"https://a.example":         "/.well-known/oauth-protected-resource",
		"https://a.example/":        "/.well-known/oauth-protected-resource",
		"https://a.example/mcp":     "/.well-known/oauth-protected-resource/mcp",
		"https://a.example/x/y":     "/.well-known/oauth-protected-resource/x/y",
		"https://a.example/x%2Fy/z": "/.well-known/oauth-protected-resource/x%2Fy/z",
	} {
		v, err := New("https://auth.acme.com", at)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.MetadataPath(); got != want {
			t.Errorf("%s: %s", at, got)
		}
	}
}
