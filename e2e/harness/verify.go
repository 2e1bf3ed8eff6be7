package harness

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// Verify checks a token with a published key set, in the standard library alone: an opinion that is not ours.
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
	if key["alg"] != token.Header["alg"] || key["use"] != "sig" {
		t.Fatalf("header %v, key %v", token.Header, key)
	}
	cut := strings.LastIndexByte(compact, '.')
	if !verified(t, key, []byte(compact[:cut]), decoded(t, compact[cut+1:])) {
		t.Fatal("the signature does not verify with the published key")
	}
	return token
}

func verified(t testing.TB, key map[string]string, signed, signature []byte) bool {
	t.Helper()
	digest := sha256.Sum256(signed)
	switch key["alg"] + " " + key["kty"] + " " + key["crv"] {
	case "ES256 EC P-256":
		x, y := decoded(t, key["x"]), decoded(t, key["y"])
		if len(x) != 32 || len(y) != 32 { // of full length (RFC 7518 §6.2.1.2)
			t.Fatalf("coordinates of %d and %d bytes", len(x), len(y))
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		must(t, err)
		return len(signature) == 64 && ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case "EdDSA OKP Ed25519":
		x := decoded(t, key["x"])
		return len(x) == ed25519.PublicKeySize && ed25519.Verify(x, signed, signature)
	case "RS256 RSA ":
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(decoded(t, key["n"])), E: int(new(big.Int).SetBytes(decoded(t, key["e"])).Int64())}
		return public.N.BitLen() >= 2048 && rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	t.Fatalf("a key of another kind: %v", key)
	return false
}

func decoded(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	must(t, err)
	return raw
}
