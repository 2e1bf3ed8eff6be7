package introspect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/keys/keystest"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const (
	issuer = "https://auth.acme.com"
	notes  = "https://mcp.acme.com/notes"
)

var (
	now       = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	serverKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec: {preset: generic, issuer: "https://acme.okta.com", assertions: {profiles: [id-jag], algorithms: [ES256], clients: [claude], resources: [notes], scopes: ["notes:read"]}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec: {auth: {method: client_secret_basic, secret: {env: X}}, grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"], scopes: ["notes:read"], resources: [notes]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: other}
spec: {auth: {method: client_secret_basic, secret: {env: X}}, scopes: ["notes:read"], resources: [notes]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-server}
spec: {auth: {method: client_secret_basic, secret: {env: X}}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: jwt-server}
spec: {auth: {method: private_key_jwt, jwks: {{jwks}}}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: public}
spec: {type: public, auth: {method: none}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:read": {}}, server: {client: notes-server}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}
spec: {uri: "https://mcp.acme.com/wiki", scopes: {"notes:read": {}}, server: {client: other}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, identities: [{idp: okta, sub: 00u1alice}]}
`

// setup is a valid question; each test changes one thing.
type setup struct {
	objects string
	form    url.Values
	claims  func(*token.Claims)
	record  func(*lifecycle.Known) // nil stays: see forget
	forget  bool                   // there is no record
	basic   string                 // who asks, by Basic; "" by nothing
}

// house is the endpoints with real clients, keys and pictures, and a database of one record.
type house struct {
	*Endpoints
	t      *testing.T
	shelf  *snapshottest.Shelf
	source *snapshot.Source
	rings  *keys.Rings
	uids   map[string]string // by kind and name
	claims token.Claims
	text   string // the token

	mu      sync.Mutex
	known   *lifecycle.Known
	asked   int
	fail    error
	behind  int64 // how far the database is ahead of the picture
	entries []ledger.Entry
	used    map[[32]byte]bool
	commit  error
	lane    []audit.Event
	request Request
}

func newHouse(t *testing.T, change func(*setup)) *house {
	t.Helper()
	s := setup{objects: objects, basic: "notes-server", form: url.Values{"token_type_hint": {"access_token"}}}
	if change != nil {
		change(&s)
	}
	set := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: serverKey.Public(), KeyID: "k", Algorithm: "ES256"}}}))
	clock := func() time.Time { return now }
	h := &house{t: t, uids: map[string]string{}, used: map[[32]byte]bool{}, rings: keystest.Rings(t, clock)}
	h.shelf, h.source = snapshottest.New(t, issuer, clock, strings.ReplaceAll(s.objects, "{{jwks}}", string(set)))
	picture, err := h.source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []object.Kind{object.KindClient, object.KindUser, object.KindIdentityProvider, object.KindResource} {
		found, err := h.shelf.List(t.Context(), picture.UID, kind, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			h.uids[one.Name] = one.UID
		}
	}
	h.issue(picture, s)
	cache := jwks.NewCache(nowhere{}, clock)
	t.Cleanup(cache.Close)
	authenticator, err := client.NewAuthenticator(h.source.Clients(), cache, clock)
	if err != nil {
		t.Fatal(err)
	}
	h.Endpoints, err = New(Config{
		Clients: authenticator, Registry: h.source.Clients(), Directories: h.source.Users(), Rings: h.rings, Records: h, Pictures: h,
		Journal: h, Lane: h, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.form.Get("token") == "" && !s.form.Has("token") {
		s.form.Set("token", h.text)
	}
	h.request = Request{Tenant: picture, Trace: "trc_1", Remote: "192.0.2.1", Form: must(oauth.ParseForm([]byte(s.form.Encode())))}
	if s.basic != "" {
		h.request.Authorization = []string{basicOf(s.basic, snapshottest.Secret)}
	}
	return h
}

// issue makes the token and its record.
func (h *house) issue(picture *snapshot.Tenant, s setup) {
	h.t.Helper()
	h.claims = token.Claims{
		Issuer: issuer, Subject: h.uids["alice"], Audience: notes, ClientID: "claude", Scope: "notes:read", IssuedAt: now.Add(-time.Minute),
		ExpiresAt: now.Add(9 * time.Minute), ID: id.New(id.Token, now.Add(-time.Minute)), AuthTime: now.Add(-time.Hour), ACR: "phr", AMR: []string{"hwk"},
		Tenant: "default", Plan: "pro", Environment: "production", Actor: &token.Actor{Subject: "agent"},
		Policy: map[string]any{"team": "notes"},
	}
	if s.claims != nil {
		s.claims(&h.claims)
	}
	signer, err := h.rings.Signer(h.t.Context(), picture.UID, keys.ES256)
	if err != nil {
		h.t.Fatal(err)
	}
	if h.text, err = token.Mint(h.claims, signer); err != nil {
		h.t.Fatal(err)
	}
	if s.forget {
		return
	}
	h.known = &lifecycle.Known{
		ClientUID: h.uids["claude"], Subject: h.claims.Subject, IdPUID: h.uids["okta"], ResourceUID: h.uids["notes"], Audience: h.claims.Audience,
		ExpiresAt: h.claims.ExpiresAt,
	}
	if s.record != nil {
		s.record(h.known)
	}
}

// Standing implements Records.
func (h *house) Standing(_ context.Context, _ tenant.UID, refs []lifecycle.Ref) (lifecycle.Standing, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	standing := lifecycle.Standing{Version: h.shelf.Newer + 1 + h.behind, Known: make([]*lifecycle.Known, len(refs))}
	for i, r := range refs {
		if h.known != nil && r.ID == h.claims.ID && r.IssuedAt.Equal(h.claims.IssuedAt) {
			one := *h.known
			standing.Known[i] = &one
		}
	}
	return standing, h.fail
}

// Refresh implements Pictures.
func (h *house) Refresh(ctx context.Context, t *snapshot.Tenant) (*snapshot.Tenant, error) {
	h.mu.Lock()
	h.shelf.Newer += h.behind
	h.behind = 0
	h.mu.Unlock()
	return h.source.Refresh(ctx, t)
}

// Commit implements Journal, once for each key.
func (h *house) Commit(_ context.Context, e ledger.Entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.commit != nil {
		return h.commit
	}
	for _, r := range e.Redemptions {
		if h.used[r.Key] {
			return &ledger.Conflict{Lost: r}
		}
	}
	for _, r := range e.Redemptions {
		h.used[r.Key] = true
	}
	h.entries = append(h.entries, e)
	return nil
}

// Add implements Lane.
func (h *house) Add(e audit.Event, _ string) { h.lane = append(h.lane, e) }

// nowhere is a network without anything.
type nowhere struct{}

func (nowhere) Get(context.Context, string, fetch.Network, fetch.Limit) (fetch.Response, error) {
	return fetch.Response{}, context.DeadlineExceeded
}

// assertion is a client assertion of jwt-server.
func assertion(t *testing.T, jti string) url.Values {
	t.Helper()
	text, err := jws.Sign("ES256", "k", "client-authentication+jwt", serverKey, map[string]any{
		"iss": "jwt-server", "sub": "jwt-server", "aud": issuer, "jti": jti, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{"client_assertion": {text}, "client_assertion_type": {oauth.AssertionTypeJWT}}
}
