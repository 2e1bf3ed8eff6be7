package cimd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
)

const address = "https://app.example.com/oauth/client.json"

func acme() tenant.UID   { return tenant.MustParseUID("ten_acme") }
func globex() tenant.UID { return tenant.MustParseUID("ten_globex") }

// members of a document that is in order, as a public client's.
func members() map[string]any {
	return map[string]any{
		"client_id":                  address,
		"client_name":                "Notes Agent",
		"client_uri":                 "https://app.example.com/",
		"logo_uri":                   "https://cdn.example.net/logo.png?v=2",
		"tos_uri":                    "https://app.example.com/terms",
		"policy_uri":                 "https://app.example.com/privacy",
		"redirect_uris":              []any{"https://app.example.com/callback"},
		"grant_types":                []any{"authorization_code", "refresh_token"},
		"response_types":             []any{"code"},
		"token_endpoint_auth_method": "none",
		"application_type":           "web",
		"software_id":                "notes",
		"software_statement":         "not.a.token",
		"something_new":              map[string]any{"deep": []any{1, nil}},
	}
}

// confidential is members of a client that authenticates with a key.
func confidential(t testing.TB) map[string]any {
	m := members()
	m["token_endpoint_auth_method"] = "private_key_jwt"
	m["token_endpoint_auth_signing_alg"] = "ES256"
	m["jwks"] = map[string]any{"keys": []any{publicKey(t, "one")}}
	return m
}

func publicKey(t testing.TB, id string) map[string]any {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": encode(point[1:33]), "y": encode(point[33:])}
}

func with(m map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(m)
	changed[name] = value
	return changed
}

func without(m map[string]any, names ...string) map[string]any {
	changed := maps.Clone(m)
	for _, name := range names {
		delete(changed, name)
	}
	return changed
}

func encode(t testing.TB, m map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func url(t testing.TB, raw string) cimd.URL {
	t.Helper()
	u, err := cimd.ParseURL(raw, false)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func parse(t testing.TB, m map[string]any) *cimd.Document {
	t.Helper()
	d, err := cimd.Parse(encode(t, m), url(t, address))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// code is the code of a refusal, "" for none.
func code(t testing.TB, err error) oauth.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatalf("not a refusal: %v", err)
	}
	if _, known := oauth.Lookup(refusal.Code); !known {
		t.Fatalf("%s is not in the catalogue", refusal.Code)
	}
	return refusal.Code
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// web answers as a host would, without a network.
type web struct {
	mu     sync.Mutex
	asked  map[string]int
	answer func(rawURL string) (fetch.Response, error)
	seen   []fetch.Network
	before func() // called without the lock
}

func newWeb(answer func(rawURL string) (fetch.Response, error)) *web {
	return &web{asked: map[string]int{}, answer: answer}
}

// serving answers every URL with the document.
func serving(t testing.TB, m map[string]any) *web {
	body := encode(t, m)
	return newWeb(func(string) (fetch.Response, error) { return answer(body, ""), nil })
}

func answer(body []byte, cacheControl string) fetch.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	if cacheControl != "" {
		h.Set("Cache-Control", cacheControl)
	}
	return fetch.Response{Status: http.StatusOK, Header: h, Body: body}
}

func (w *web) Get(ctx context.Context, rawURL string, n fetch.Network, _ fetch.Limit) (fetch.Response, error) {
	w.mu.Lock()
	w.asked[rawURL]++
	w.seen = append(w.seen, n)
	reply, before := w.answer, w.before
	w.mu.Unlock()
	if before != nil {
		before()
	}
	if err := ctx.Err(); err != nil {
		return fetch.Response{}, err
	}
	return reply(rawURL)
}

func (w *web) reply(answer func(rawURL string) (fetch.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *web) document(t testing.TB, m map[string]any) {
	body := encode(t, m)
	w.reply(func(string) (fetch.Response, error) { return answer(body, ""), nil })
}

func (w *web) fail(err error) {
	w.reply(func(string) (fetch.Response, error) { return fetch.Response{}, err })
}

func (w *web) fetches() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	total := 0
	for _, n := range w.asked {
		total += n
	}
	return total
}

func rules() cimd.Rules {
	return cimd.Rules{
		Mode: cimd.ModeHosts, Hosts: []string{"app.example.com", "*.agents.example.net"},
		Scopes: []string{"notes:read"}, Resources: []string{"notes"},
	}
}

func source(t testing.TB, door cimd.Getter, now func() time.Time, change ...func(*cimd.Config)) *cimd.Source {
	t.Helper()
	c := cimd.Config{Fetch: door, Now: now}
	for _, f := range change {
		f(&c)
	}
	s, err := cimd.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func get(t testing.TB, s *cimd.Source) *cimd.Client {
	t.Helper()
	c, err := s.Get(t.Context(), acme(), rules(), address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
