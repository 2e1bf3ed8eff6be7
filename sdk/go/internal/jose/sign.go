package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	jose "github.com/go-jose/go-jose/v4"
)

// AlgorithmFor is what a key signs with: ES256, ES384, ES512, EdDSA, or RS256.
func AlgorithmFor(public crypto.PublicKey) (string, error) {
	if _, err := FromPublic(public); err != nil {
		return "", err
	}
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[key.Curve], nil
	case ed25519.PublicKey:
		return "EdDSA", nil
	default:
		return "RS256", nil
	}
}

// PublicJWK is the public key as JSON, for the header of a proof (RFC 9449 §4.2).
func PublicJWK(public crypto.PublicKey) (json.RawMessage, error) {
	return (&jose.JSONWebKey{Key: public}).MarshalJSON()
}

// Sign makes a compact JWS with a key that may live elsewhere: in a key service, or in
// hardware. header gets its alg from the key.
func Sign(key crypto.Signer, header, claims map[string]any) (string, error) {
	algorithm, err := AlgorithmFor(key.Public())
	if err != nil {
		return "", err
	}
	header["alg"] = algorithm
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode(head) + "." + encode(body)
	signature, err := sign(algorithm, key, []byte(input))
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", algorithm, err)
	}
	return input + "." + encode(signature), nil
}

func sign(algorithm string, key crypto.Signer, input []byte) ([]byte, error) {
	switch algorithm {
	case "EdDSA":
		return key.Sign(rand.Reader, input, crypto.Hash(0))
	case "RS256":
		digest := sha256.Sum256(input)
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	var digest []byte
	hash, size := crypto.SHA256, 32
	switch algorithm {
	case "ES256":
		sum := sha256.Sum256(input)
		digest = sum[:]
	case "ES384":
		sum := sha512.Sum384(input)
		digest, hash, size = sum[:], crypto.SHA384, 48
	default:
		sum := sha512.Sum512(input)
		digest, hash, size = sum[:], crypto.SHA512, 66
	}
	der, err := key.Sign(rand.Reader, digest, hash)
	if err != nil {
		return nil, err
	}
	// RFC 7518 §3.4: R and S, each as long as the field.
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return nil, err
	}
	if pair.R.Sign() < 0 || pair.S.Sign() < 0 || pair.R.BitLen() > 8*size || pair.S.BitLen() > 8*size {
		return nil, fmt.Errorf("signer's answer is no signature of %s", algorithm)
	}
	fixed := make([]byte, 2*size)
	pair.R.FillBytes(fixed[:size])
	pair.S.FillBytes(fixed[size:])
	return fixed, nil
}
