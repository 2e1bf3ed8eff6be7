package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Config says who the agent is and where its tokens come from. Issuer, Client, and one of
// Assertions and ClientCredentials are required.
type Config struct {
	// Issuer is Chancery's, byte for byte as its metadata has it.
	Issuer string
	// Client is how the agent authenticates to Chancery: ClientSecretBasic,
	// ClientSecretPost, PrivateKeyJWT, PublicClient, or NoClient for workloads.
	Client Authentication
	// Assertions gives what is redeemed (RFC 7523): *IdP, AssertionFunc, File.
	Assertions AssertionSource
	// ClientCredentials asks in the agent's own name (RFC 6749 §4.4), without Assertions.
	ClientCredentials bool
	// DPoP, if set, binds tokens to this key (RFC 9449). A token that comes back unbound
	// is then refused.
	DPoP *Key
	// ContentDigest adds content_digest to proofs of requests with a body, which the
	// draft DPoP extension of MCP wants.
	ContentDigest bool
	// HTTPClient speaks to Chancery; nil for one with timeouts. Redirects are never
	// followed, and no request takes longer than ten seconds.
	HTTPClient *http.Client
	// Now replaces time.Now.
	Now func() time.Time
	// Observe, if set, is told of each leg as it ends. It must not block.
	Observe func(Leg)
}

// Leg is one request for a token, for people who want to see what happens. Nothing in it
// is secret.
type Leg struct {
	Number   int           // 1 at the IdP, 2 at Chancery
	Issuer   string        // of who was asked
	Grant    string        // grant_type
	Resource string        // that was asked for
	Scopes   []string      // granted, or asked for where the answer does not say
	Lifetime time.Duration // that the answer says; 0 if it does not
	Trace    string        // of the answer, for chancery explain; may be ""
	Took     time.Duration
	Err      error
}

// Agent gets tokens and remembers them. It is safe for concurrent use.
type Agent struct {
	config   Config
	endpoint *endpoint
	now      func() time.Time

	mu    sync.Mutex
	cache map[string]*entry
}

// New makes an agent. Nothing is fetched before the first token is wanted.
func New(c Config) (*Agent, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.Client.method == methodUnset:
		return nil, errors.New("agent: Client is not set")
	case c.Assertions == nil && !c.ClientCredentials:
		return nil, errors.New("agent: neither Assertions nor ClientCredentials is set")
	case c.Assertions != nil && c.ClientCredentials:
		return nil, errors.New("agent: both Assertions and ClientCredentials are set")
	case c.ClientCredentials && !c.Client.confidential():
		return nil, errors.New("agent: ClientCredentials needs a client that authenticates")
	}
	at, err := newEndpoint(c.Issuer, "", c.Client, c.DPoP, c.HTTPClient, c.Now)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return &Agent{config: c, endpoint: at, now: c.Now, cache: map[string]*entry{}}, nil
}

// Token gives an access token for a resource, with at least the time left that a request
// needs. resource is the identifier that is registered; scopes may be absent, and then
// Chancery decides. The error is an [*Error] where a server refused.
func (a *Agent) Token(ctx context.Context, resource string, scopes ...string) (*oauth2.Token, error) {
	want, err := newWant(resource, scopes)
	if err != nil {
		return nil, err
	}
	return a.shared(ctx, want)
}

// TokenSource gives tokens as x/oauth2 wants them. ctx is that of every request that it
// makes: it must live as long as the source.
func (a *Agent) TokenSource(ctx context.Context, resource string, scopes ...string) oauth2.TokenSource {
	return source{ctx: ctx, agent: a, resource: resource, scopes: slices.Clone(scopes)}
}

type source struct {
	ctx      context.Context //nolint:containedctx // oauth2.TokenSource has no parameter for it
	agent    *Agent
	resource string
	scopes   []string
}

func (s source) Token() (*oauth2.Token, error) {
	return s.agent.Token(s.ctx, s.resource, s.scopes...)
}

// want is what a token must be for.
type want struct {
	resource string
	scopes   []string // sorted, each once
}

func newWant(resource string, scopes []string) (want, error) {
	u, err := url.Parse(resource)
	if err != nil || !u.IsAbs() || strings.Contains(resource, "#") { // RFC 8707 §2
		return want{}, fmt.Errorf("resource %q is not an absolute URI without fragment", resource)
	}
	scopes = slices.Clone(scopes)
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	for _, scope := range scopes {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
			return want{}, fmt.Errorf("%q is not a scope", scope)
		}
	}
	return want{resource: resource, scopes: scopes}, nil
}

func (w want) key() string { return w.resource + "\x00" + strings.Join(w.scopes, " ") }

// fetch does both legs.
func (a *Agent) fetch(ctx context.Context, w want) (*oauth2.Token, error) {
	form := url.Values{"resource": {w.resource}}
	if len(w.scopes) > 0 {
		form.Set("scope", strings.Join(w.scopes, " "))
	}
	if a.config.ClientCredentials {
		form.Set("grant_type", grantClientCredentials)
	} else {
		assertion, err := a.config.Assertions.Assertion(ctx, AssertionRequest{Audience: a.config.Issuer, Resource: w.resource, Scopes: w.scopes, Observe: a.config.Observe})
		if err != nil {
			return nil, fmt.Errorf("leg 1: %w", err)
		}
		if assertion == "" {
			return nil, errors.New("leg 1: no assertion")
		}
		form.Set("grant_type", grantJWTBearer)
		form.Set("assertion", assertion)
	}
	began := a.now()
	granted, err := a.endpoint.post(ctx, form)
	leg := Leg{Number: 2, Issuer: a.config.Issuer, Grant: form.Get("grant_type"), Resource: w.resource, Scopes: w.scopes, Took: a.now().Sub(began)}
	var token *oauth2.Token
	if err == nil {
		token, err = granted.token(w, a.config.DPoP != nil, began)
		leg.Lifetime, leg.Trace = granted.lifetime(), granted.trace
		if err == nil {
			leg.Scopes = strings.Fields(token.Extra("scope").(string)) //nolint:forcetypeassert,errcheck // token sets it
		}
	}
	leg.fail(err)
	a.config.observe(leg)
	if err != nil {
		return nil, fmt.Errorf("leg 2: %w", err)
	}
	return token, nil
}

func (l *Leg) fail(err error) {
	l.Err = err
	if refusal, ok := errors.AsType[*Error](err); ok {
		l.Trace = refusal.Trace
	}
}

func (c Config) observe(l Leg) {
	if c.Observe != nil {
		c.Observe(l)
	}
}

// String names the agent, and nothing that is secret.
func (a *Agent) String() string {
	return "agent " + a.config.Client.String() + " at " + a.config.Issuer
}

// Format implements fmt.Formatter, so that no verb shows more.
func (a *Agent) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }
