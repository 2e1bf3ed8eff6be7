package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func signers(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{
		"ES256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"ES384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"ES512": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"RS256": must(rsa.GenerateKey(rand.Reader, 2048)),
		"EdDSA": ed,
	}
}

// What is signed verifies with its own key and algorithm, and with no other.
func TestSignAndVerify(t *testing.T) {
	keys := signers(t)
	for algorithm, signer := range keys {
		compact := must(jose.Sign(signer, map[string]any{"typ": "Application/X+jwt", "kid": "k"}, map[string]any{"sub": "a", "n": 1}))
		message := must(jose.Parse(compact))
		if message.Algorithm != algorithm || message.Type != "x+jwt" || message.KeyID != "k" {
			t.Errorf("%+v", message)
		}
		for other, holder := range keys {
			claims, err := message.Verify(must(jose.FromPublic(holder.Public())), jose.Algorithms())
			if other == algorithm && (err != nil || claims["sub"] != "a" || claims["n"] != int64(1)) {
				t.Errorf("%s: %v %v", algorithm, claims, err)
			}
			if other != algorithm && err == nil {
				t.Errorf("%s verifies with a key for %s", algorithm, other)
			}
		}
		own := must(jose.FromPublic(signer.Public()))
		for _, allowed := range [][]string{nil, {}, {"none"}, {"HS256"}, {strings.ToLower(algorithm)}} {
			if _, err := message.Verify(own, allowed); !errors.Is(err, jose.ErrAlgorithm) {
				t.Errorf("%s with %v allowed: %v", algorithm, allowed, err)
			}
		}
		if _, err := message.Verify(jose.Key{}, jose.Algorithms()); err == nil {
			t.Errorf("%s verifies with no key", algorithm)
		}
	}
}

// A key that says what it is for is for nothing else (RFC 7517 §4.4).
func TestKeyKeepsToItsAlgorithm(t *testing.T) {
	signer := must(rsa.GenerateKey(rand.Reader, 2048))
	var members map[string]any
	if err := json.Unmarshal(must(jose.PublicJWK(signer.Public())), &members); err != nil {
		t.Fatal(err)
	}
	message := must(jose.Parse(must(jose.Sign(signer, map[string]any{}, map[string]any{}))))
	for algorithm, verifies := range map[string]bool{"RS256": true, "PS256": false, "RS512": false} {
		members["alg"] = algorithm
		if _, err := message.Verify(must(jose.ParseKey(members)), jose.Algorithms()); verifies != (err == nil) {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// A public key must not become the secret of an HMAC.
func TestNoHMAC(t *testing.T) {
	signer := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	jwk := must(jose.PublicJWK(signer.Public()))
	encode := base64.RawURLEncoding.EncodeToString
	for _, algorithm := range []string{"HS256", "none"} {
		input := encode(must(json.Marshal(map[string]any{"alg": algorithm, "jwk": jwk}))) + "." + encode([]byte(`{}`))
		mac := hmac.New(sha256.New, jwk)
		mac.Write([]byte(input))
		message := must(jose.Parse(input + "." + encode(mac.Sum(nil))))
		if _, err := message.Verify(must(jose.FromPublic(signer.Public())), []string{algorithm, "ES256"}); !errors.Is(err, jose.ErrAlgorithm) {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	good := func() map[string]any {
		var members map[string]any
		signer := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		if err := json.Unmarshal(must(jose.PublicJWK(signer.Public())), &members); err != nil {
			t.Fatal(err)
		}
		return members
	}
	if _, err := jose.ParseKey(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"no kty":          func(m map[string]any) { delete(m, "kty") },
		"kty oct":         func(m map[string]any) { m["kty"] = "oct" },
		"kty RSA":         func(m map[string]any) { m["kty"] = "RSA" },
		"a symmetric key": func(m map[string]any) { m["k"] = "AAAA" },
		"a private key":   func(m map[string]any) { m["d"] = "AAAA" },
		"curve another":   func(m map[string]any) { m["crv"] = "P-384" },
		"curve secp256k1": func(m map[string]any) { m["crv"] = "secp256k1" },
		"off the curve":   func(m map[string]any) { m["y"] = m["x"] },
		"short":           func(m map[string]any) { m["x"] = "AAAA" },
		"no y":            func(m map[string]any) { delete(m, "y") },
		"use enc":         func(m map[string]any) { m["use"] = "enc" },
		"use null":        func(m map[string]any) { m["use"] = nil },
		"key_ops sign":    func(m map[string]any) { m["key_ops"] = []any{"sign"} },
		"key_ops empty":   func(m map[string]any) { m["key_ops"] = []any{} },
		"key_ops text":    func(m map[string]any) { m["key_ops"] = "verify" },
		"alg another":     func(m map[string]any) { m["alg"] = "ES384" },
		"alg HS256":       func(m map[string]any) { m["alg"] = "HS256" },
		"alg number":      func(m map[string]any) { m["alg"] = 1 },
		"kid number":      func(m map[string]any) { m["kid"] = 1 },
		"kid empty":       func(m map[string]any) { m["kid"] = "" },
	} {
		members := good()
		change(members)
		if key, err := jose.ParseKey(members); err == nil {
			t.Errorf("%s: %v", name, key.Thumbprint)
		}
	}
	exponent := must(rsa.GenerateKey(rand.Reader, 2048)).PublicKey
	exponent.E = 3
	if _, err := jose.FromPublic(&exponent); err == nil {
		t.Error("an exponent of 3")
	}
	for _, public := range []crypto.PublicKey{nil, "key", ed25519.PublicKey("short"), must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public()} {
		if _, err := jose.FromPublic(public); err == nil {
			t.Errorf("%T", public)
		}
	}
}

// Nothing that is not a token crashes, and nothing is changed by reading it.
func FuzzParse(f *testing.F) {
	signer := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	f.Add(must(jose.Sign(signer, map[string]any{"typ": "at+jwt"}, map[string]any{"sub": "a"})))
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	key := must(jose.FromPublic(signer.Public()))
	f.Fuzz(func(t *testing.T, compact string) {
		message, err := jose.Parse(compact)
		if err != nil {
			return
		}
		if message.Algorithm == "none" {
			if _, err := message.Verify(key, jose.Algorithms()); err == nil {
				t.Error("unsecured")
			}
		}
		_, _ = message.Verify(key, jose.Algorithms())
	})
}
