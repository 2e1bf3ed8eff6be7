package harness

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Token is a token as a resource server sees it.
type Token struct {
	Header, Claims map[string]any
}

// Decode reads a token without trusting it.
func Decode(t testing.TB, compact string) Token {
	t.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts in a token", len(parts))
	}
	var token Token
	for i, into := range []*map[string]any{&token.Header, &token.Claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		must(t, err)
		must(t, json.Unmarshal(raw, into))
	}
	return token
}

// ID is the jti of a token that we made.
func ID(compact string) (string, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		ID string `json:"jti"`
	}
	return claims.ID, json.Unmarshal(raw, &claims)
}

// Signer is a key of a client: for DPoP proofs and client assertions.
type Signer struct {
	t   testing.TB
	key *idptest.Key
}

// NewSigner makes an ES256 key.
func NewSigner(t testing.TB, kid string) *Signer {
	t.Helper()
	return NewSignerOf(t, kid, "ES256")
}

// NewSignerOf makes a key for an algorithm.
func NewSignerOf(t testing.TB, kid, algorithm string) *Signer {
	t.Helper()
	key, err := idptest.NewKey(kid, algorithm)
	must(t, err)
	return &Signer{t: t, key: key}
}

// JWK is the public half.
func (s *Signer) JWK() map[string]any { return s.key.JWK() }

// Set is the public half as a key set, in JSON.
func (s *Signer) Set() string {
	s.t.Helper()
	encoded, err := json.Marshal(map[string]any{"keys": []any{s.JWK()}})
	must(s.t, err)
	return string(encoded)
}

// proofKey is the public half without what names it.
func (s *Signer) proofKey() map[string]any {
	jwk := s.JWK()
	for _, name := range []string{"kid", "alg", "use"} {
		delete(jwk, name)
	}
	return jwk
}

// Thumbprint is that of RFC 7638: the members that make the key, in the order of their names, as Go writes maps.
func (s *Signer) Thumbprint() string {
	s.t.Helper()
	encoded, err := json.Marshal(s.proofKey())
	must(s.t, err)
	digest := sha256.Sum256(encoded)
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// Proof makes a DPoP proof for a POST to an address (RFC 9449 §4.2); claims replace or, when nil, remove what it says.
func (s *Signer) Proof(address string, claims map[string]any) string {
	s.t.Helper()
	return s.Sign(map[string]any{"typ": "dpop+jwt", "alg": s.key.Algorithm, "jwk": s.proofKey()}, merge(map[string]any{
		"jti": rand.Text(), "htm": "POST", "htu": address, "iat": time.Now().Unix(),
	}, claims))
}

// ClientAssertion makes what private_key_jwt sends (RFC 7523bis).
func (s *Signer) ClientAssertion(id, audience string, claims map[string]any) string {
	s.t.Helper()
	now := time.Now().Unix()
	return s.Sign(map[string]any{"typ": "client-authentication+jwt", "alg": s.key.Algorithm, "kid": s.key.ID}, merge(map[string]any{
		"iss": id, "sub": id, "aud": audience, "jti": rand.Text(), "iat": now, "exp": now + 60,
	}, claims))
}

// Sign signs anything; []byte and json.RawMessage claims go as they are.
func (s *Signer) Sign(header map[string]any, claims any) string {
	s.t.Helper()
	encoded, err := json.Marshal(header)
	must(s.t, err)
	return s.SignRaw(encoded, claims)
}

// SignRaw signs any bytes as a header.
func (s *Signer) SignRaw(header []byte, claims any) string {
	s.t.Helper()
	compact, err := jws.SignHeader(s.key.Algorithm, header, s.key.Signer, claims)
	must(s.t, err)
	return compact
}

func merge(claims, changes map[string]any) map[string]any {
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}
