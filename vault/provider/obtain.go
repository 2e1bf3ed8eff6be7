package provider

import (
	"context"
	"net/url"
	"time"
)

// Wanted is what a token should be good for.
type Wanted struct {
	Subject   string   // for whom: of an assertion, or the installation's id
	Scopes    []string // absent, when a credential is narrowed: all it has
	Resources []string // repositories, resource names; only where the provider can
}

// Obtain gets a token that needs no person: client_credentials, or jwt_bearer with a key of ours. It may be repeated.
func (p *Provider) Obtain(ctx context.Context, w Wanted) (Credential, error) {
	params := url.Values{}
	fill(params, p.manifest.TokenParams)
	switch p.manifest.Kind {
	case ClientCredentials: // RFC 6749 §4.4.2
		params.Set("grant_type", "client_credentials")
	case JWTBearer: // RFC 7523 §2.1
		assertion, failure := p.assertion(w)
		if failure != nil {
			return Credential{}, failure
		}
		params.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		params.Set("assertion", assertion)
	case OAuth2, TokenExchange, Static:
		return Credential{}, ErrUnsupported
	default:
		return Credential{}, ErrUnsupported
	}
	if len(w.Scopes) > 0 && (p.manifest.Kind != JWTBearer || p.manifest.Assertion.ScopeIn == "parameter") {
		params.Set(p.manifest.ScopeParameter, join(w.Scopes, p.manifest.ScopeSeparator))
	}
	return p.obtain(ctx, params, w, FromClient)
}

// Presented is the token that is exchanged, and who acts.
type Presented struct {
	Token     Secret
	TokenType string // absent: urn:ietf:params:oauth:token-type:access_token
	Actor     Secret
	ActorType string
}

// Audience is to whom a token is addressed that is made to be presented there: the manifest's issuer, or the address that it is
// sent to.
func (p *Provider) Audience() (string, error) {
	audience, failure := p.address(otherwise(p.manifest.Issuer, p.manifest.TokenURL), nil)
	if failure != nil {
		return "", failure
	}
	return audience, nil
}

// ExchangeToken asks a company's own authorization server for a token on behalf of a token's subject (RFC 8693 §2.1). What is
// presented was made for that server: the token that an agent brought to us must not be.
func (p *Provider) ExchangeToken(ctx context.Context, t Presented, w Wanted) (Credential, error) {
	if p.manifest.Kind != TokenExchange || t.Token.IsZero() {
		return Credential{}, ErrUnsupported
	}
	params := url.Values{}
	fill(params, p.manifest.TokenParams)
	params.Set("grant_type", grantExchange)
	params.Set("subject_token", t.Token.Reveal())
	params.Set("subject_token_type", otherwise(t.TokenType, typeAccess))
	if !t.Actor.IsZero() {
		params.Set("actor_token", t.Actor.Reveal())
		params.Set("actor_token_type", otherwise(t.ActorType, typeAccess))
	}
	if len(w.Resources) > 0 {
		params["resource"] = w.Resources
	}
	if len(w.Scopes) > 0 {
		params.Set(p.manifest.ScopeParameter, join(w.Scopes, p.manifest.ScopeSeparator))
	}
	return p.obtain(ctx, params, w, FromExchange)
}

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
)

func otherwise(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

func (p *Provider) obtain(ctx context.Context, params url.Values, w Wanted, origin Origin) (Credential, error) {
	a, failure := p.token(ctx, p.manifest.TokenURL, params, harmless)
	if failure != nil {
		return Credential{}, failure
	}
	if p.refused(a) {
		return Credential{}, p.judge(ctx, a)
	}
	c, ok := p.credential(a, p.manifest.Tokens.Paths, origin)
	if !ok {
		return Credential{}, p.lost(harmless, p.now(), a.status, "an answer without a token that can be used")
	}
	c.Scopes, c.Subject = p.granted(c.Scopes, w.Scopes), w.Subject
	return c, nil
}

func (p *Provider) assertion(w Wanted) (string, *Error) {
	rules := p.manifest.Assertion
	audience, failure := p.address(rules.Audience, nil)
	if failure != nil {
		return "", failure
	}
	claims := p.claims(p.settings.ClientID, otherwise(w.Subject, p.settings.ClientID), audience, time.Duration(rules.Lifetime))
	if rules.ScopeIn == "claim" && len(w.Scopes) > 0 {
		claims["scope"] = join(w.Scopes, p.manifest.ScopeSeparator)
	}
	for name, value := range rules.Claims {
		claims[name] = value
	}
	signed, err := p.key.sign(p.settings.KeyID, claims)
	if err != nil {
		return "", p.fail(Misconfigured, "the private key does not sign")
	}
	return signed, nil
}
