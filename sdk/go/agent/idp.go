package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Token types of RFC 8693 §3 and ID-JAG.
const (
	TypeIDToken      = "urn:ietf:params:oauth:token-type:id_token"      //nolint:gosec // a URN
	TypeRefreshToken = "urn:ietf:params:oauth:token-type:refresh_token" //nolint:gosec // a URN
	TypeIDJAG        = "urn:ietf:params:oauth:token-type:id-jag"        //nolint:gosec // a URN
)

// Subject is proof of a person's sign-in, for leg 1. It prints as its type.
type Subject struct {
	token sealed[string]
	kind  string
}

// IDToken is the ID token of the sign-in.
func IDToken(token string) Subject { return Subject{seal(token), TypeIDToken} }

// RefreshToken is the refresh token of the sign-in: it lasts longer than an ID token, and
// some IdPs take nothing else.
func RefreshToken(token string) Subject { return Subject{seal(token), TypeRefreshToken} }

// String implements fmt.Stringer.
func (s Subject) String() string { return "subject token of type " + s.kind }

// GoString implements fmt.GoStringer.
func (s Subject) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Subject) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Format implements fmt.Formatter, so that no verb shows the token.
func (s Subject) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText implements encoding.TextMarshaler.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// SubjectSource gives the sign-in whenever an assertion is wanted.
type SubjectSource func(ctx context.Context) (Subject, error)

// Static gives the same subject each time.
func Static(s Subject) SubjectSource {
	return func(context.Context) (Subject, error) { return s, nil }
}

// IdPConfig says where leg 1 happens. Issuer, Client and Subject are required.
type IdPConfig struct {
	Issuer        string // of the IdP
	TokenEndpoint string // found through the IdP's metadata if it is absent
	Client        Authentication
	Subject       SubjectSource
	HTTPClient    *http.Client // as Config's
	Now           func() time.Time
}

// IdP is leg 1: the company's IdP exchanges a sign-in for an ID-JAG (RFC 8693, ID-JAG §4.3).
type IdP struct {
	subject  SubjectSource
	endpoint *endpoint
}

// NewIdP makes leg 1. Nothing is fetched before the first assertion is wanted.
func NewIdP(c IdPConfig) (*IdP, error) {
	if c.Subject == nil {
		return nil, errors.New("agent: IdP without a Subject")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	at, err := newEndpoint(c.Issuer, c.TokenEndpoint, c.Client, nil, c.HTTPClient, c.Now)
	if err != nil {
		return nil, fmt.Errorf("agent: IdP: %w", err)
	}
	return &IdP{subject: c.Subject, endpoint: at}, nil
}

// Assertion implements [AssertionSource].
func (p *IdP) Assertion(ctx context.Context, request AssertionRequest) (string, error) {
	subject, err := p.subject(ctx)
	if err != nil {
		return "", fmt.Errorf("subject: %w", err)
	}
	if subject.token.open() == "" {
		return "", errors.New("subject: there is no token")
	}
	form := url.Values{
		"grant_type":           {grantTokenExchange},
		"requested_token_type": {TypeIDJAG},
		"audience":             {request.Audience},
		"resource":             {request.Resource},
		"subject_token":        {subject.token.open()},
		"subject_token_type":   {subject.kind},
	}
	if len(request.Scopes) > 0 {
		form.Set("scope", strings.Join(request.Scopes, " "))
	}
	began := p.endpoint.now()
	got, err := p.endpoint.post(ctx, form)
	leg := Leg{Number: 1, Issuer: p.endpoint.issuer, Grant: grantTokenExchange, Resource: request.Resource, Scopes: request.Scopes, Took: p.endpoint.now().Sub(began)}
	var assertion string
	if err == nil {
		assertion, err = got.assertion()
		leg.Lifetime = got.lifetime()
		if scopes := strings.Fields(got.text("scope")); len(scopes) > 0 {
			leg.Scopes = scopes
		}
	}
	leg.fail(err)
	if request.Observe != nil {
		request.Observe(leg)
	}
	return assertion, err
}

// assertion reads the answer of an exchange (RFC 8693 §2.2.1, ID-JAG §4.3.1).
func (a answer) assertion() (string, error) {
	if kind := a.text("issued_token_type"); kind != TypeIDJAG {
		return "", fmt.Errorf("issued_token_type is %q, not that of an ID-JAG", clip(kind))
	}
	if kind := a.text("token_type"); !strings.EqualFold(kind, "N_A") { // it is no access token
		return "", fmt.Errorf("token_type is %q, not N_A", clip(kind))
	}
	assertion := a.text("access_token")
	if assertion == "" || len(assertion) > maxToken {
		return "", errors.New("the answer has no assertion")
	}
	return assertion, nil
}
