package token

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
)

// IdentityType is the media type of our ID tokens (RFC 7519 §5.1). It is not Type: no endpoint that takes an access token
// takes one (RFC 8725 §3.11).
const IdentityType = "JWT"

// IdentityAlgorithm signs ID tokens, whatever the client would like (OpenID Connect Core §2: never none).
const IdentityAlgorithm = keys.ES256

// IdentityLifetime is how long an ID token is good: it is read once, when it comes.
const IdentityLifetime = 5 * time.Minute

// Identity is what an ID token says (OpenID Connect Core §2). Members that are not marked optional are required.
type Identity struct {
	Issuer    string
	Subject   string // our immutable user id
	Audience  string // the client_id, exactly one; so there is no azp
	IssuedAt  time.Time
	ExpiresAt time.Time

	Nonce       string // optional: of the authorization request, as it was sent
	AccessToken string // optional: the one that comes with it, of which at_hash is made (§3.1.3.6)
	SessionID   string // optional: sid (OpenID Connect Back-Channel Logout §2.1)

	// Of the person's authentication, where known: fixed then, not renewed (§12.2).
	AuthTime time.Time // optional
	ACR      string    // optional
	AMR      []string  // optional

	Profile
}

// Profile is what the scopes profile and email are about (OpenID Connect Core §5.4). Each part may be absent.
type Profile struct {
	Name  string
	Email string
	// EmailVerified is nil where nobody said anything about this very address.
	EmailVerified *bool
}

func (c Identity) validate() error {
	for _, required := range []struct{ name, value string }{{"iss", c.Issuer}, {"sub", c.Subject}, {"aud", c.Audience}} {
		if required.value == "" {
			return fmt.Errorf("%w: %s is empty", errClaims, required.name)
		}
	}
	if c.IssuedAt.IsZero() || !c.ExpiresAt.After(c.IssuedAt) {
		return fmt.Errorf("%w: it would not live", errClaims)
	}
	if c.Email == "" && c.EmailVerified != nil {
		return fmt.Errorf("%w: email_verified of no email", errClaims)
	}
	return nil
}

// MintIdentity makes a signed ID token.
func MintIdentity(c Identity, signer keys.Signer) (string, error) {
	if err := c.validate(); err != nil {
		return "", err
	}
	if signer.Algorithm() != IdentityAlgorithm { // at_hash is made with the hash of this algorithm
		return "", fmt.Errorf("%w: ID tokens are signed with %s, not %q", errClaims, IdentityAlgorithm, signer.Algorithm())
	}
	if lifetime := c.ExpiresAt.Sub(c.IssuedAt); lifetime > signer.LongestToken() {
		return "", fmt.Errorf("%w: it would live %s, and its key vouches for %s", errClaims, lifetime, signer.LongestToken())
	}
	payload, err := c.encode()
	if err != nil {
		return "", err
	}
	compact, err := signer.Sign(IdentityType, payload)
	if err != nil {
		return "", fmt.Errorf("mint ID token: %w", err)
	}
	return compact, nil
}

func (c Identity) encode() ([]byte, error) {
	e := encoder{out: make([]byte, 0, 640)}
	e.open()
	e.text("iss", c.Issuer)
	e.text("sub", c.Subject)
	e.text("aud", c.Audience)
	e.time("iat", c.IssuedAt)
	e.time("exp", c.ExpiresAt)
	e.text("nonce", c.Nonce)
	e.time("auth_time", c.AuthTime)
	e.text("acr", c.ACR)
	e.texts("amr", c.AMR)
	if c.AccessToken != "" {
		e.text("at_hash", accessTokenHash(c.AccessToken))
	}
	e.text("sid", c.SessionID)
	e.profile(c.Profile)
	e.close()
	return e.out, e.err
}

func (e *encoder) profile(p Profile) {
	e.text("name", p.Name)
	e.text("email", p.Email)
	if p.EmailVerified != nil {
		e.any("email_verified", *p.EmailVerified)
	}
}

// UserInfo is the answer of the userinfo endpoint (OpenID Connect Core §5.3.2): sub, and what p has.
func UserInfo(subject string, p Profile) ([]byte, error) {
	if subject == "" {
		return nil, fmt.Errorf("%w: sub is empty", errClaims)
	}
	e := encoder{out: make([]byte, 0, 256)}
	e.open()
	e.text("sub", subject)
	e.profile(p)
	e.close()
	return e.out, e.err
}

// accessTokenHash is at_hash: the left half of the token's hash (OpenID Connect Core §3.1.3.6), SHA-256 as IdentityAlgorithm says.
func accessTokenHash(compact string) string {
	sum := sha256.Sum256([]byte(compact))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
