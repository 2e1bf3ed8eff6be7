package audit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var errJWK = errors.New("a checkpoint key is a public EC key on P-256")

// ParseJWK reads a checkpoint key. A kid, if there is one, must be the key's thumbprint.
func ParseJWK(b []byte) (PublicKey, error) {
	var f struct {
		Kty string         `json:"kty"`
		Crv string         `json:"crv"`
		X   string         `json:"x"`
		Y   string         `json:"y"`
		Kid string         `json:"kid"`
		Alg string         `json:"alg"`
		Use string         `json:"use"`
		D   jsontext.Value `json:"d"`
	}
	if err := jsonv2.Unmarshal(b, &f); err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", errJWK, err)
	}
	if f.Kty != "EC" || f.Crv != "P-256" || (f.Alg != "" && f.Alg != "ES256") || (f.Use != "" && f.Use != "sig") || f.D != nil {
		return PublicKey{}, errJWK
	}
	x, errX := base64.RawURLEncoding.Strict().DecodeString(f.X)
	y, errY := base64.RawURLEncoding.Strict().DecodeString(f.Y)
	if errX != nil || errY != nil || len(x) != coordinate || len(y) != coordinate {
		return PublicKey{}, errJWK
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y)) // refuses points off the curve
	if err != nil {
		return PublicKey{}, errJWK
	}
	public, err := NewPublicKey(key)
	if err != nil {
		return PublicKey{}, err
	}
	if f.Kid != "" && f.Kid != public.KeyID() {
		return PublicKey{}, fmt.Errorf("%w: its kid is not its thumbprint", errJWK)
	}
	return public, nil
}

// ParseJWKS reads a set of checkpoint keys.
func ParseJWKS(b []byte) ([]PublicKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := jsonv2.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("key set: it has no keys")
	}
	keys := make([]PublicKey, len(set.Keys))
	for i, k := range set.Keys {
		var err error
		if keys[i], err = ParseJWK(k); err != nil {
			return nil, err
		}
	}
	return keys, nil
}
