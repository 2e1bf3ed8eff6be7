package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
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

// Verify checks an ES256 token with a published key set, in the standard library alone: an opinion that is not ours.
func Verify(t testing.TB, compact, keySet string) Token {
	t.Helper()
	token := Decode(t, compact)
	var set struct{ Keys []map[string]string }
	must(t, json.Unmarshal([]byte(keySet), &set))
	i := slices.IndexFunc(set.Keys, func(k map[string]string) bool { return k["kid"] == token.Header["kid"] })
	if i < 0 {
		t.Fatalf("no key %v in %s", token.Header["kid"], keySet)
	}
	key := set.Keys[i]
	if token.Header["alg"] != "ES256" || key["kty"] != "EC" || key["crv"] != "P-256" {
		t.Fatalf("header %v, key %v", token.Header, key)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, coordinate(t, key["x"]), coordinate(t, key["y"])))
	must(t, err)
	cut := strings.LastIndexByte(compact, '.')
	signature, err := base64.RawURLEncoding.DecodeString(compact[cut+1:])
	must(t, err)
	digest := sha256.Sum256([]byte(compact[:cut]))
	if len(signature) != 64 || !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Fatal("the signature does not verify with the published key")
	}
	return token
}

// coordinate is of full length (RFC 7518 §6.2.1.2).
func coordinate(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	must(t, err)
	if len(raw) != 32 {
		t.Fatalf("a coordinate of %d bytes", len(raw))
	}
	return raw
}

// Signer is a key of a client: for DPoP proofs and client assertions.
type Signer struct {
	t   testing.TB
	key *idptest.Key
}

// NewSigner makes an ES256 key.
func NewSigner(t testing.TB, kid string) *Signer {
	t.Helper()
	key, err := idptest.NewKey(kid, "ES256")
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

func (s *Signer) proofKey() map[string]any {
	jwk := s.JWK()
	return map[string]any{"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]}
}

// Thumbprint is that of RFC 7638.
func (s *Signer) Thumbprint() string {
	k := s.proofKey()
	digest := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":%q,"x":%q,"y":%q}`, k["crv"], k["kty"], k["x"], k["y"]))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// Proof makes a DPoP proof for a POST to an address (RFC 9449 §4.2); claims replace or, when nil, remove what it says.
func (s *Signer) Proof(address string, claims map[string]any) string {
	s.t.Helper()
	return s.Sign(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": s.proofKey()}, merge(map[string]any{
		"jti": rand.Text(), "htm": "POST", "htu": address, "iat": time.Now().Unix(),
	}, claims))
}

// ClientAssertion makes what private_key_jwt sends (RFC 7523bis).
func (s *Signer) ClientAssertion(id, audience string, claims map[string]any) string {
	s.t.Helper()
	now := time.Now().Unix()
	return s.Sign(map[string]any{"typ": "client-authentication+jwt", "alg": "ES256", "kid": s.key.ID}, merge(map[string]any{
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
	compact, err := jws.SignHeader("ES256", header, s.key.Signer, claims)
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
