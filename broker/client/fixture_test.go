package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const (
	issuer        = "https://auth.acme.com"
	tokenEndpoint = "https://auth.acme.com/token"
)

var (
	now    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	acme   = tenant.MustParseUID("ten_acme")
	globex = tenant.MustParseUID("ten_globex")

	p256  = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	other = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384  = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521  = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	rsa2  = must(rsa.GenerateKey(rand.Reader, 2048))
	edKey = must(edwards())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func edwards() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func keySet(keys ...jose.JSONWebKey) []byte {
	return must(json.Marshal(jose.JSONWebKeySet{Keys: keys}))
}

// registry is the clients of one tenant; the error, where set, is the answer to all.
type registry struct {
	clients map[string]*Client
	err     error
}

func (r registry) Lookup(_ context.Context, t tenant.UID, clientID string) (*Client, error) {
	if r.err != nil {
		return nil, r.err
	}
	if c, ok := r.clients[clientID]; ok && t == acme {
		return c, nil
	}
	return nil, ErrUnknown
}

func (r registry) Named(_ context.Context, t tenant.UID, name string) (*Client, error) {
	if r.err != nil {
		return nil, r.err
	}
	for _, c := range r.clients {
		if c.Name == name && t == acme {
			return c, nil
		}
	}
	return nil, ErrUnknown
}

// network answers for clients' jwks_uri.
type network struct {
	sets    map[string][]byte
	fetched int
}

func (n *network) Get(_ context.Context, rawURL string, _ fetch.Network, _ fetch.Limit) (fetch.Response, error) {
	n.fetched++
	body, ok := n.sets[rawURL]
	if !ok {
		return fetch.Response{}, errors.New("unreachable")
	}
	return fetch.Response{Status: 200, Body: body}, nil
}

// bench is an authenticator over clients of every sort.
type bench struct {
	*Authenticator
	registry registry
	network  *network
	now      time.Time
	secrets  map[string]string // by client_id
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{
		registry: registry{clients: map[string]*Client{}},
		network:  &network{sets: map[string][]byte{}},
		now:      now,
		secrets:  map[string]string{},
	}
	clock := func() time.Time { return b.now }
	cache := jwks.NewCache(b.network, clock)
	t.Cleanup(cache.Close)
	var err error
	if b.Authenticator, err = NewAuthenticator(&b.registry, cache, clock); err != nil {
		t.Fatal(err)
	}

	for id, method := range map[string]Method{
		"basic": MethodBasic, "post": MethodPost, "https://agent.example/client?a=b": MethodBasic, "a:b c+d%é": MethodBasic,
	} {
		c := b.add(id, method)
		secret, digest := NewSecret(now)
		c.Auth.Secrets = []SecretDigest{digest}
		b.secrets[id] = secret.Reveal()
	}
	b.add("bare", MethodBasic) // no secret yet
	tls := b.add("tls", MethodTLS)
	tls.Auth.Secrets = b.registry.clients["basic"].Auth.Secrets
	public := b.add("public", MethodNone)
	public.Type = Public
	public.Auth.Secrets = b.registry.clients["basic"].Auth.Secrets

	jwt := b.add("jwt", MethodPrivateKeyJWT)
	jwt.Auth.Secrets = b.registry.clients["basic"].Auth.Secrets // left over from before
	jwt.Auth.Keys.Inline = keySet(
		jose.JSONWebKey{Key: p256.Public(), KeyID: "p256"}, jose.JSONWebKey{Key: p384.Public(), KeyID: "p384"},
		jose.JSONWebKey{Key: p521.Public(), KeyID: "p521"},
		jose.JSONWebKey{Key: rsa2.Public(), KeyID: "rsa"}, jose.JSONWebKey{Key: edKey.Public(), KeyID: "ed"},
	)
	b.add("keyless", MethodPrivateKeyJWT)
	workload := b.add("workload", MethodWorkload)
	workload.Auth.Secrets = b.registry.clients["basic"].Auth.Secrets // left over from before
	workload.Auth.Keys.Inline = jwt.Auth.Keys.Inline
	remote := b.add("remote", MethodPrivateKeyJWT)
	remote.Auth.Keys.URI = "https://agent.example/jwks"
	b.network.sets[remote.Auth.Keys.URI] = keySet(jose.JSONWebKey{Key: p256.Public(), KeyID: "p256"})
	return b
}

func (b *bench) add(id string, method Method) *Client {
	c := &Client{
		UID: "cli_" + id, Name: id, ClientID: id, Type: Confidential,
		Auth: Auth{Method: method, Audience: AudienceIssuer, Keys: jwks.Source{Issuer: id}},
	}
	b.registry.clients[id] = c
	return c
}

func request() Request {
	return Request{Tenant: acme, Issuer: issuer, TokenEndpoint: tokenEndpoint}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// assertion is a valid client assertion; tests break one thing of it.
type assertion struct {
	algorithm string
	key       crypto.Signer
	header    map[string]any
	claims    map[string]any
}

func validAssertion(clientID string) *assertion {
	return &assertion{
		algorithm: "ES256", key: p256,
		header: map[string]any{"alg": "ES256", "kid": "p256"},
		claims: map[string]any{
			"iss": clientID, "sub": clientID, "aud": issuer, "jti": "ca-1",
			"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		},
	}
}

func (a *assertion) sign(t testing.TB) string {
	t.Helper()
	compact, err := jws.SignHeader(a.algorithm, must(json.Marshal(a.header)), a.key, a.claims)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func (a *assertion) request(t testing.TB) Request {
	t.Helper()
	r := request()
	r.Assertion, r.AssertionType = a.sign(t), oauth.AssertionTypeJWT
	return r
}

func refused(t *testing.T, err error, code oauth.Code) {
	t.Helper()
	_ = refusalOf(t, err, code)
}

func refusalOf(t *testing.T, err error, code oauth.Code) *oauth.Error {
	t.Helper()
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return refusal
}
