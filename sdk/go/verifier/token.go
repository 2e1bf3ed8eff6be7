package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

// tokenType is the media type of an access token (RFC 9068 §2.1).
const tokenType = "at+jwt"

const (
	maxIdentifier = 255              // bytes of sub, client_id and jti
	maxActors     = 4                // in a chain of delegation
	maxFuture     = 60 * time.Second // that an issuer's clock may be ahead
)

// Claims are what a token says. Times are UTC and whole seconds. What the token does
// not say is the zero value.
type Claims struct {
	Issuer    string
	Subject   string // an immutable id: of a person, or of the client itself
	Audience  string // this resource
	ClientID  string
	ID        string // jti
	Scopes    []string
	IssuedAt  time.Time
	ExpiresAt time.Time

	AuthTime time.Time // when the person signed in (RFC 9068 §2.2.1)
	ACR      string    // how
	AMR      []string

	Actors     []string // sub of who acts for the subject, the current one first (RFC 8693 §4.1)
	Thumbprint string   // cnf.jkt: of the key that the token is bound to (RFC 9449 §6.1)

	Tenant      string
	Plan        string
	Environment string
}

// Token is a token that was verified for this request. Only a [Verifier] builds one;
// the zero value says nothing and meets no requirement.
type Token struct {
	v       *Verifier
	scheme  string
	claims  Claims
	members map[string]any
}

// Claims gives the claims that have a meaning here.
func (t *Token) Claims() Claims { return t.claims }

// Claim gives any claim as it was signed: nil, bool, string, int64, json.Number, []any
// or map[string]any. It must not be changed.
func (t *Token) Claim(name string) (value any, present bool) {
	value, present = t.members[name]
	return value, present
}

// HasScope tells whether the token has a scope, or one that includes it (see
// [WithImpliedScopes]).
func (t *Token) HasScope(scope string) bool {
	has := slices.Clone(t.claims.Scopes)
	for i := 0; i < len(has); i++ { // it grows on the way
		if has[i] == scope {
			return true
		}
		if t.v == nil {
			continue
		}
		for _, included := range t.v.implies[has[i]] {
			if !slices.Contains(has, included) { // they may include one another
				has = append(has, included)
			}
		}
	}
	return false
}

// Check holds the token against more requirements, and against the clock once more: for
// a tool that needs more than its server. The error is an [*Error].
func (t *Token) Check(needs ...Requirement) error {
	if t == nil || t.v == nil {
		return invalidToken("token_missing", "an access token is needed", nil)
	}
	ask := t.v.asked(needs).as(t.scheme)
	if !t.v.now().Before(t.claims.ExpiresAt.Add(t.v.leeway)) {
		return invalidToken("token_expired", "the token expired", nil).challenged(ask)
	}
	if refusal := ask.check(t); refusal != nil {
		return refusal.challenged(ask)
	}
	return nil
}

// Names that are compared with everything in a token, so that no claim is smuggled in
// another spelling.
var tokenNames = []string{ //nolint:gochecknoglobals // a constant list
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "cnf", "act", "may_act",
	"auth_time", "acr", "amr", "tenant", "plan", "environment", "status", "typ",
}

// verifyToken: RFC 9068 §4. An issuer, a key and a signature that do not hold are one
// refusal, token_untrusted.
func (v *Verifier) verifyToken(ctx context.Context, compact string) (*Token, *Error) {
	message, err := jose.Parse(compact)
	if err != nil {
		return nil, invalidToken("token_malformed", "the token is not a signed JWT", err)
	}
	// 1. typ first, so that nothing else that the issuer signs passes (RFC 8725 §3.11).
	if message.Type != tokenType {
		return nil, invalidToken("typ_not_at_jwt", "the token is not an access token", nil)
	}
	// 2. The algorithm is ours to choose (RFC 8725 §3.1).
	if !jose.Allowed(message.Algorithm, v.algorithms) {
		return nil, invalidToken("alg_not_allowed", "the algorithm of the token is not allowed", nil)
	}
	if message.KeyID == "" {
		return nil, invalidToken("kid_missing", "the token names no key", nil)
	}
	// 3. A key that the issuer publishes, and its signature.
	key, err := v.keys.find(ctx, message.KeyID)
	switch {
	case errors.Is(err, errUnknownKey):
		return nil, invalidToken("token_untrusted", "the token is not by the issuer", err)
	case err != nil:
		return nil, unavailable("keys_unavailable", "the keys of the issuer cannot be fetched", err)
	}
	members, err := message.Verify(key, v.algorithms, tokenNames...)
	switch {
	case errors.Is(err, jose.ErrMalformed):
		return nil, invalidToken("token_malformed", "the claims are not unambiguous JSON", err)
	case err != nil:
		return nil, invalidToken("token_untrusted", "the token is not by the issuer", err)
	}
	// 4. The claims that RFC 9068 §2.2 requires, each of its type.
	r := reader{members: members}
	claims := r.claims()
	if r.err != nil {
		return nil, invalidToken("claim_invalid", r.err.Error(), nil)
	}
	// 5. From whom, for whom, and when.
	return v.judge(&Token{v: v, claims: claims, members: members}, r.begins)
}

func (v *Verifier) judge(t *Token, begins time.Time) (*Token, *Error) {
	now := v.now()
	switch c := t.claims; {
	case c.Issuer != v.issuer:
		return nil, invalidToken("token_untrusted", "the token is not by the issuer", fmt.Errorf("iss is %q", c.Issuer))
	case c.Audience != v.resource:
		return nil, invalidToken("aud_not_us", "the token is for another resource", fmt.Errorf("aud is %q", c.Audience))
	case !now.Before(c.ExpiresAt.Add(v.leeway)):
		return nil, invalidToken("token_expired", "the token expired", nil)
	case c.IssuedAt.After(now.Add(maxFuture)), begins.After(now.Add(maxFuture)):
		return nil, invalidToken("token_not_yet_valid", "the token is from the future", nil)
	case !c.IssuedAt.Before(c.ExpiresAt):
		return nil, invalidToken("claim_invalid", "exp is not after iat", nil)
	}
	return t, nil
}
