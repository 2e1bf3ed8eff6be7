package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// BorrowerConfig says who borrows: an agent, or an MCP server that calls on with what it was sent. Issuer and Client are required.
type BorrowerConfig struct {
	Issuer     string         // Chancery's, byte for byte as its metadata has it
	Client     Authentication // one that authenticates
	DPoP       *Key           // that the access tokens are bound to, if they are
	HTTPClient *http.Client   // nil for one with timeouts
	Now        func() time.Time
}

// Borrower turns access tokens of Chancery's into tokens of providers (RFC 8693), lent for a moment. It is safe for
// concurrent use, and remembers nothing: keep a [Lease] until its CacheUntil.
type Borrower struct {
	endpoint *endpoint
	now      func() time.Time
}

// NewBorrower makes a borrower. Nothing is fetched before the first lease is wanted.
func NewBorrower(c BorrowerConfig) (*Borrower, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if !c.Client.confidential() {
		return nil, errors.New("borrower: a client that authenticates is needed")
	}
	at, err := newEndpoint(c.Issuer, "", c.Client, c.DPoP, c.HTTPClient, c.Now)
	if err != nil {
		return nil, fmt.Errorf("borrower: %w", err)
	}
	return &Borrower{endpoint: at, now: c.Now}, nil
}

// Borrowing says what is wanted.
type Borrowing struct {
	Provider string        // by its name at Chancery
	Scopes   []string      // keys of its scope_map; absent: its default_scopes
	Account  string        // where the person connected several
	MinTTL   time.Duration // how long it must live at least; 0: as the provider's entry says
}

// Lease is a provider's token. It prints without it.
type Lease struct {
	Provider   string
	Account    string
	Scopes     []string  // the keys that were granted
	Narrowed   bool      // it can do no more than they say
	ExpiresAt  time.Time // zero: the provider names no end
	CacheUntil time.Time // ask again after it
	DecisionID string
	Trace      string
	Header     string            // of the provider's API
	Scheme     string            // in front of the token; empty: the bare value
	Provided   map[string]string // what the provider gave with it, such as instance_url

	token *string // behind a pointer: fmt calls no method of what is in an unexported field
}

// Reveal gives the token.
func (l Lease) Reveal() string {
	if l.token == nil {
		return ""
	}
	return *l.token
}

// Value is what goes into the header.
func (l Lease) Value() string {
	if l.Scheme == "" {
		return l.Reveal()
	}
	return l.Scheme + " " + l.Reveal()
}

// Authorize puts the token into a request to the provider. The caller sends it nowhere else.
func (l Lease) Authorize(r *http.Request) { r.Header.Set(l.Header, l.Value()) }

// String names the lease, and nothing that is secret.
func (l Lease) String() string {
	return "lease of " + l.Provider + " for " + strings.Join(l.Scopes, " ")
}

// GoString implements fmt.GoStringer.
func (l Lease) GoString() string { return l.String() }

// LogValue implements slog.LogValuer.
func (l Lease) LogValue() slog.Value { return slog.StringValue(l.String()) }

// MarshalText implements encoding.TextMarshaler.
func (l Lease) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Borrow exchanges an access token. Where a person has to do something first the error is an [*Error] whose InteractionURI he
// opens: Code is connection_required, reauthorization_required or insufficient_provider_scope.
func (b *Borrower) Borrow(ctx context.Context, accessToken string, w Borrowing) (Lease, error) {
	if accessToken == "" || w.Provider == "" {
		return Lease{}, errors.New("borrow: an access token and a provider are needed")
	}
	form := url.Values{
		"grant_type": {grantTokenExchange}, "subject_token": {accessToken}, "subject_token_type": {typeAccessToken}, "audience": {w.Provider},
	}
	if len(w.Scopes) > 0 {
		form.Set("scope", strings.Join(w.Scopes, " "))
	}
	if w.Account != "" {
		form.Set("account", w.Account)
	}
	if w.MinTTL > 0 {
		form.Set("min_ttl", strconv.FormatInt(int64((w.MinTTL+time.Second-1)/time.Second), 10))
	}
	began := b.now()
	got, err := b.endpoint.post(ctx, form)
	if err != nil {
		return Lease{}, fmt.Errorf("borrow %s: %w", w.Provider, err)
	}
	lease, err := got.lease(w, began)
	if err != nil {
		return Lease{}, fmt.Errorf("borrow %s: %w", w.Provider, err)
	}
	return lease, nil
}

const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // a URN

// lease reads RFC 8693 §2.2.1, which must be of the provider that was asked for.
func (a answer) lease(w Borrowing, began time.Time) (Lease, error) {
	token, header := a.text("access_token"), a.text("header")
	switch {
	case token == "" || len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r < 0x20 || r > 0x7e }):
		return Lease{}, errors.New("the answer has no access_token that a header could hold")
	case a.text("issued_token_type") != typeAccessToken:
		return Lease{}, fmt.Errorf("issued_token_type is %q", clip(a.text("issued_token_type")))
	case a.text("provider") != w.Provider:
		return Lease{}, errors.New("the answer is of another provider")
	case header == "":
		return Lease{}, errors.New("the answer does not say how the token is shown")
	}
	lease := Lease{
		Provider: w.Provider, Account: a.text("account"), Scopes: strings.Fields(a.text("scope")), DecisionID: a.text("decision_id"), Trace: a.trace,
		Header: header, Scheme: a.text("scheme"), token: &token,
	}
	lease.Narrowed, _ = a.members["narrowed"].(bool)
	if life, said := a.members["expires_in"]; said {
		if _, whole := life.(int64); !whole {
			return Lease{}, errors.New("expires_in is no number")
		}
		lease.ExpiresAt = began.Add(a.lifetime())
	}
	if until, ok := a.members["cache_until"].(int64); ok {
		lease.CacheUntil = time.Unix(until, 0).UTC()
	}
	provided, _ := a.members["provided"].(map[string]any)
	for name, value := range provided {
		if text, ok := value.(string); ok {
			if lease.Provided == nil {
				lease.Provided = map[string]string{}
			}
			lease.Provided[name] = text
		}
	}
	return lease, nil
}

// Borrow gets an access token for the resource, and exchanges it.
func (a *Agent) Borrow(ctx context.Context, resource string, w Borrowing) (Lease, error) {
	if !a.config.Client.confidential() {
		return Lease{}, errors.New("borrow: a client that authenticates is needed")
	}
	t, err := a.Token(ctx, resource)
	if err != nil {
		return Lease{}, err
	}
	return (&Borrower{endpoint: a.endpoint, now: a.now}).Borrow(ctx, t.AccessToken, w)
}
