package audit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
)

// Checkpoints are signed in one form only, a detached ES256 JWS (RFC 7515
// appendix F, RFC 7518 §3.4). One form needs no library to negotiate it, and an
// auditor can verify it with a page of code.

// Signer signs checkpoints with a key of its own.
type Signer interface {
	// KeyID is the key's RFC 7638 thumbprint.
	KeyID() string
	// Sign returns the detached ES256 JWS of the payload.
	Sign(payload []byte) (string, error)
}

// ErrSignature says that a checkpoint's signature does not verify.
var ErrSignature = errors.New("the signature does not verify")

const coordinate = 32 // bytes of a P-256 coordinate

// PublicKey verifies checkpoints.
type PublicKey struct {
	key *ecdsa.PublicKey
	kid string
}

// NewPublicKey takes P-256 keys only.
func NewPublicKey(key *ecdsa.PublicKey) (PublicKey, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return PublicKey{}, errors.New("a checkpoint key is an EC key on P-256")
	}
	point, err := key.Bytes() // 4 ‖ x ‖ y; fails off the curve
	if err != nil {
		return PublicKey{}, fmt.Errorf("checkpoint key: %w", err)
	}
	x, y := point[1:1+coordinate], point[1+coordinate:]
	// RFC 7638 §3.2: the required members, sorted, without space.
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + encode(x) + `","y":"` + encode(y) + `"}`))
	return PublicKey{key: key, kid: encode(sum[:])}, nil
}

// KeyID is the key's thumbprint.
func (k PublicKey) KeyID() string { return k.kid }

// JWK is the public key as RFC 7517 writes it.
func (k PublicKey) JWK() []byte {
	point, err := k.key.Bytes()
	if err != nil {
		return nil // NewPublicKey saw the point on its curve
	}
	x, y := point[1:1+coordinate], point[1+coordinate:]
	return []byte(`{"alg":"ES256","crv":"P-256","kid":"` + k.kid + `","kty":"EC","use":"sig","x":"` + encode(x) + `","y":"` + encode(y) + `"}`)
}

// Verify checks a detached signature of the payload.
func (k PublicKey) Verify(payload []byte, signature string) error {
	header, rest, _ := strings.Cut(signature, ".")
	kid, err := keyIDOf(signature)
	if err != nil || kid != k.kid {
		return ErrSignature
	}
	empty, tail, ok := strings.Cut(rest, ".")
	if !ok || empty != "" {
		return ErrSignature
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(tail)
	if err != nil || len(raw) != 2*coordinate {
		return ErrSignature
	}
	digest := sha256.Sum256([]byte(header + "." + encode(payload)))
	r, s := new(big.Int).SetBytes(raw[:coordinate]), new(big.Int).SetBytes(raw[coordinate:])
	if !ecdsa.Verify(k.key, digest[:], r, s) {
		return ErrSignature
	}
	return nil
}

// PrivateKey signs checkpoints in this process.
type PrivateKey struct {
	PublicKey
	key *ecdsa.PrivateKey
}

// NewPrivateKey takes P-256 keys only.
func NewPrivateKey(key *ecdsa.PrivateKey) (*PrivateKey, error) {
	if key == nil {
		return nil, errors.New("no checkpoint key")
	}
	public, err := NewPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{PublicKey: public, key: key}, nil
}

// Sign implements Signer.
func (k *PrivateKey) Sign(payload []byte) (string, error) {
	header := protected(k.kid)
	digest := sha256.Sum256([]byte(header + "." + encode(payload)))
	r, s, err := ecdsa.Sign(rand.Reader, k.key, digest[:])
	if err != nil {
		return "", err
	}
	var raw [2 * coordinate]byte
	r.FillBytes(raw[:coordinate])
	s.FillBytes(raw[coordinate:])
	return header + ".." + encode(raw[:]), nil
}

func protected(kid string) string {
	return encode([]byte(`{"alg":"ES256","kid":"` + kid + `"}`))
}

// keyIDOf says which key a signature claims to be of. The header has no member
// but these: nothing critical, no other algorithm, no key (RFC 7515 §4.1).
func keyIDOf(signature string) (string, error) {
	header, _, _ := strings.Cut(signature, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(header)
	if err != nil {
		return "", ErrSignature
	}
	var f struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	if err := jsonv2.Unmarshal(raw, &f, jsonv2.RejectUnknownMembers(true)); err != nil || f.Alg != "ES256" || f.Kid == "" {
		return "", ErrSignature
	}
	return f.Kid, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
