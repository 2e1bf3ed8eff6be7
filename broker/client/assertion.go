package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Bounds of a client assertion.
const (
	// AssertionMaxAge is how far ahead exp may be, and how long ago iat.
	AssertionMaxAge = 10 * time.Minute
	// AssertionSkew is how far clocks may disagree.
	AssertionSkew = 30 * time.Second
)

// SigningAlgorithms lists what client assertions may be signed with, for
// token_endpoint_auth_signing_alg_values_supported (RFC 8414 §2).
func SigningAlgorithms() []string { return []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"} }

// assertionTypes: RFC 7523bis has client-authentication+jwt; older clients write
// JWT or nothing. Any other explicit type is a token made for something else
// (T10, RFC 8725 §3.11).
func isAssertionType(typ string) bool {
	return typ == "" || typ == "jwt" || typ == "client-authentication+jwt"
}

// Private causes of a refused client assertion.
var (
	errAssertionType = errors.New("client_assertion_type is not supported")
	errTyp           = errors.New("typ is of another kind of token")
	errAlgorithm     = errors.New("the algorithm is not supported")
	errIssuer        = errors.New("iss and sub are not both the client_id")
	errAudience      = errors.New("aud is not our issuer as the only value")
	errTimes         = errors.New("the times cannot be right")
	errJTI           = errors.New("jti is absent")
	errNoKeys        = errors.New("the client has no keys")
	errNoClient      = errors.New("there is no client to verify for")
)

// assertion is private_key_jwt (RFC 7523 §2.2, §3 as RFC 7523bis changes them).
func (a *Authenticator) assertion(ctx context.Context, r Request) (Authentication, error) {
	// 1. Both parameters, of the one type.
	if r.Assertion == "" {
		return Authentication{}, oauth.Refuse(oauth.CodeParameterMissing, "client_assertion_type alone", "client_assertion")
	}
	if r.AssertionType == "" {
		return Authentication{}, oauth.Refuse(oauth.CodeParameterMissing, "client_assertion alone", "client_assertion_type")
	}
	if r.AssertionType != oauth.AssertionTypeJWT {
		return Authentication{}, mismatch(errAssertionType, r.AssertionType, oauth.AssertionTypeJWT)
	}
	// 2. A compact JWS that could be one. Nothing here depends on who the client is.
	message, err := jws.Parse(r.Assertion)
	if err != nil {
		return Authentication{}, failed(err)
	}
	header := message.Header()
	if !isAssertionType(header.Type) {
		return Authentication{}, mismatch(errTyp, header.Type, "JWT or client-authentication+jwt")
	}
	if !slices.Contains(SigningAlgorithms(), header.Algorithm) {
		return Authentication{}, mismatch(errAlgorithm, header.Algorithm, strings.Join(SigningAlgorithms(), ", "))
	}
	// 3. RFC 7523 §3: iss and sub are the client_id; the body may leave it out.
	named, err := message.Unverified()
	if err != nil {
		return Authentication{}, failed(err)
	}
	if named.Subject == "" || named.Issuer != named.Subject {
		return Authentication{}, mismatch(errIssuer, named.Issuer+" / "+named.Subject, "the client_id twice")
	}
	if r.ClientID != "" && r.ClientID != named.Subject {
		return Authentication{}, mismatch(errIdentities, r.ClientID, named.Subject)
	}
	// 4. The client, by exact match, before anything of it is fetched.
	c, unknown, err := a.lookup(ctx, r.Tenant, named.Subject)
	if err != nil {
		return Authentication{}, err
	}
	// 5. The signature: one verification whether there is a client or not.
	claims, err := a.verify(ctx, r.Tenant, c, message)
	switch {
	case c == nil:
		return Authentication{}, mismatch(unknown, named.Subject, "a registered client_id")
	case err != nil:
		return Authentication{}, failed(err)
	}
	if err := a.usable(c); err != nil {
		return Authentication{}, err
	}
	// 6. What it says: for us, for now, once.
	return a.accept(r, c, claims)
}

// verify checks the signature with the client's keys. Without a client or keys
// it does the work with a decoy.
func (a *Authenticator) verify(ctx context.Context, t tenant.UID, c *Client, message *jws.Message) (jws.Claims, error) {
	if c == nil {
		a.decoys.verify(message)
		return jws.Claims{}, errNoClient
	}
	if c.Auth.Method != MethodPrivateKeyJWT {
		a.decoys.verify(message)
		return jws.Claims{}, errMethod
	}
	if c.Auth.Keys.URI == "" && len(c.Auth.Keys.Inline) == 0 {
		a.decoys.verify(message)
		return jws.Claims{}, errNoKeys // and no discovery at what only looks like an issuer
	}
	owner := t.String() + "/client/" + c.UID
	kid := message.Header().KeyID
	keys, err := a.keys.Keys(ctx, owner, c.Auth.Keys, kid)
	if err != nil {
		a.decoys.verify(message)
		return jws.Claims{}, fmt.Errorf("keys of the client: %w", err)
	}
	claims, _, err := message.VerifyClaims(keys, SigningAlgorithms())
	if err == nil || !mayHaveChanged(err) {
		return claims, err
	}
	// The client may have changed a key and kept its kid; asked at most every 30 s.
	keys, renewed, renewErr := a.keys.Renew(ctx, owner, c.Auth.Keys, keys)
	if renewErr != nil || !renewed {
		return jws.Claims{}, err
	}
	claims, _, err = message.VerifyClaims(keys, SigningAlgorithms())
	return claims, err
}

func mayHaveChanged(err error) bool {
	return errors.Is(err, jws.ErrSignature) || errors.Is(err, jws.ErrKeyNotFound) || errors.Is(err, jws.ErrKeyAmbiguous)
}

// accept judges verified claims.
func (a *Authenticator) accept(r Request, c *Client, claims jws.Claims) (Authentication, error) {
	for _, name := range []string{"iss", "sub"} { // RFC 7523 §3, of what was signed
		if value, _, err := claims.String(name); err != nil || value != c.ClientID {
			return Authentication{}, mismatch(errIssuer, name+" "+value, c.ClientID)
		}
	}
	if err := checkAudience(claims, r, c.Auth.Audience); err != nil {
		return Authentication{}, err
	}
	expires, err := a.checkTimes(claims)
	if err != nil {
		return Authentication{}, err
	}
	jti, _, err := claims.String("jti")
	if err != nil {
		return Authentication{}, failed(err)
	}
	if jti == "" { // RFC 7523 §3 leaves it optional; without it nothing is used once
		return Authentication{}, failed(errJTI)
	}
	return Authentication{
		client: c, method: MethodPrivateKeyJWT, assertion: jti,
		redemption: &ledger.Redemption{
			Tenant:    r.Tenant,
			Space:     ledger.SpaceClientAssertion,
			Key:       sha256.Sum256([]byte(c.ClientID + "\x00" + jti)),
			ExpiresAt: expires.Add(2 * AssertionSkew), // our replicas' clocks differ too
			Always:    true,
			Code:      string(oauth.CodeClientAssertionReplayed),
		},
	}, nil
}

// checkAudience: RFC 7523bis §4: our issuer is the sole value, and a string. A
// list, even of one, is refused: what one server signs for two can be replayed
// between them.
func checkAudience(claims jws.Claims, r Request, accepts Audience) error {
	values, isArray, err := claims.Audience()
	if err != nil {
		return failed(err)
	}
	expected := []string{r.Issuer}
	if accepts == AudienceIssuerOrTokenEndpoint {
		expected = append(expected, r.TokenEndpoint)
	}
	if isArray || len(values) != 1 || !slices.Contains(expected, values[0]) {
		received := strings.Join(values, ", ")
		if isArray {
			received = "[" + received + "]"
		}
		return mismatch(errAudience, received, strings.Join(expected, " or "))
	}
	return nil
}

// checkTimes: RFC 7523 §3: exp is required and near, nbf and iat are believed
// where they are sent.
func (a *Authenticator) checkTimes(claims jws.Claims) (expires time.Time, err error) {
	now := a.now()
	expires, present, err := claims.Time("exp")
	if err != nil {
		return time.Time{}, failed(err)
	}
	if !present {
		return time.Time{}, mismatch(errTimes, "no exp", "exp")
	}
	if !now.Before(expires.Add(AssertionSkew)) || expires.After(now.Add(AssertionMaxAge+AssertionSkew)) {
		return time.Time{}, badTime("exp", expires, now)
	}
	issued, present, err := claims.Time("iat")
	if err != nil {
		return time.Time{}, failed(err)
	}
	if present && (issued.After(now.Add(AssertionSkew)) || issued.Before(now.Add(-AssertionMaxAge-AssertionSkew)) || issued.After(expires)) {
		return time.Time{}, badTime("iat", issued, now)
	}
	begins, present, err := claims.Time("nbf")
	if err != nil {
		return time.Time{}, failed(err)
	}
	if present && begins.After(now.Add(AssertionSkew)) {
		return time.Time{}, badTime("nbf", begins, now)
	}
	return expires, nil
}

func badTime(name string, received, now time.Time) error {
	return mismatch(errTimes, name+" "+received.Format(time.RFC3339),
		fmt.Sprintf("within %s of %s", AssertionMaxAge, now.UTC().Format(time.RFC3339)))
}
