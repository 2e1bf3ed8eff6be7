package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
)

// Key is one public key that may verify signatures. Keys come from [Parse],
// [ParseKey] or [FromPublic]; they are shared and must not be changed.
type Key struct {
	ID         string           // kid, "" when the set gives none
	Algorithm  string           // the only alg it may be used with, "" when the set gives none
	Use        string           // "sig" or "", or [UseSVID] where it was asked for
	Public     crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	Thumbprint string           // RFC 7638, SHA-256, base64url
}

// Set is the usable keys of one document, in its order. At most one has a
// given ID.
type Set []Key

// Bounds of an RSA modulus, in bits. Below, keys can be factored; above, one
// verification costs too much (RFC 8725 §3.2, RFC 7518 §3.3).
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// What makes a key unusable.
var (
	errKeyType    = errors.New("key type is not RSA, EC or OKP")
	errCurve      = errors.New("curve is not P-256, P-384, P-521 or Ed25519")
	errPoint      = errors.New("not a point of its curve")
	errModulus    = errors.New("RSA modulus is not 2048 to 8192 bits")
	errExponent   = errors.New("RSA exponent is not 65537")
	errWeak       = errors.New("RSA modulus has the ROCA fingerprint (CVE-2017-15361)")
	errCoordinate = errors.New("member is absent or not canonical base64url")
)

// FromPublic makes a Key of a public key that the caller holds, under the same
// bounds as one that was read.
func FromPublic(id, algorithm string, public crypto.PublicKey) (Key, error) {
	if err := checkPublic(public); err != nil {
		return Key{}, err
	}
	if algorithm != "" && !Fits(algorithm, public) {
		return Key{}, errAlgorithm
	}
	thumbprint, err := Thumbprint(public)
	if err != nil {
		return Key{}, err
	}
	return Key{ID: id, Algorithm: algorithm, Public: public, Thumbprint: thumbprint}, nil
}

func checkPublic(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return checkRSA(key)
	case *ecdsa.PublicKey:
		if curveName(key.Curve) == "" {
			return errCurve
		}
		if _, err := key.Bytes(); err != nil { // checks that the point is on the curve
			return errPoint
		}
		return nil
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return errPoint
		}
		return nil
	default:
		return errKeyType
	}
}

func checkRSA(key *rsa.PublicKey) error {
	if key.N == nil {
		return errModulus
	}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return errModulus
	}
	if key.E != 65537 {
		return errExponent
	}
	if isROCA(key.N) {
		return errWeak
	}
	return nil
}

// Fits tells whether a JWS algorithm can be used with a key of this type and
// curve (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2). Symmetric algorithms and
// "none" fit nothing.
func Fits(algorithm string, public crypto.PublicKey) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		switch algorithm {
		case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
			return true
		}
	case *ecdsa.PublicKey:
		switch algorithm {
		case "ES256":
			return key.Curve == elliptic.P256()
		case "ES384":
			return key.Curve == elliptic.P384()
		case "ES512":
			return key.Curve == elliptic.P521()
		}
	case ed25519.PublicKey:
		return algorithm == "EdDSA" || algorithm == "Ed25519"
	}
	return false
}

func curveName(curve elliptic.Curve) string {
	switch curve {
	case elliptic.P256():
		return "P-256"
	case elliptic.P384():
		return "P-384"
	case elliptic.P521():
		return "P-521"
	default:
		return ""
	}
}

// Thumbprint is the RFC 7638 SHA-256 thumbprint of a public key: the digest of
// its required members in lexicographic order, without white space.
func Thumbprint(public crypto.PublicKey) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	var canonical string
	switch key := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		canonical = `{"e":"` + encode(e) + `","kty":"RSA","n":"` + encode(key.N.Bytes()) + `"}`
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4 ‖ x ‖ y, each as long as the field
		if err != nil {
			return "", errPoint
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		canonical = `{"crv":"` + curveName(key.Curve) + `","kty":"EC","x":"` + encode(x) + `","y":"` + encode(y) + `"}`
	case ed25519.PublicKey:
		canonical = `{"crv":"Ed25519","kty":"OKP","x":"` + encode(key) + `"}`
	default:
		return "", errKeyType
	}
	digest := sha256.Sum256([]byte(canonical))
	return encode(digest[:]), nil
}
