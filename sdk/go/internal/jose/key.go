package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/sdk/go/internal/strictjson"
)

// Limits of a key set.
const (
	MaxSetBytes = 256 << 10
	maxKeys     = 50
)

// Bounds of an RSA modulus in bits: below, it can be factored; above, one
// verification costs too much.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

var errKey = errors.New("not a public key that may verify signatures")

// Key is one public key. The zero value verifies nothing.
type Key struct {
	ID         string
	Thumbprint string // RFC 7638, SHA-256, base64url

	algorithm string // the only one it may be used with; "" for any that fits
	public    crypto.PublicKey
}

func (k Key) usable(algorithm string) bool {
	return (k.algorithm == "" || k.algorithm == algorithm) && fits(algorithm, k.public)
}

// Algorithms lists what can be verified at all. There is no symmetric one, and no "none".
func Algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
}

// Allowed tells whether an algorithm is in the caller's list and in ours.
func Allowed(algorithm string, allowed []string) bool {
	return slices.Contains(Algorithms(), algorithm) && slices.Contains(allowed, algorithm)
}

// fits: RFC 7518 §3.1, RFC 8037 §3.1.
func fits(algorithm string, public crypto.PublicKey) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, algorithm)
	case *ecdsa.PublicKey:
		return algorithm == map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[key.Curve]
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// ParseKey reads a public JWK.
func ParseKey(members map[string]any) (Key, error) {
	// A private key in public is everybody's (RFC 9449 §4.3 point 7); a symmetric one
	// would turn verifiers into signers.
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, present := members[name]; present {
			return Key{}, fmt.Errorf("%w: has %s", errKey, name)
		}
	}
	if use, present := members["use"]; present && use != "sig" { // RFC 7517 §4.2
		return Key{}, fmt.Errorf("%w: use", errKey)
	}
	if operations, present := members["key_ops"]; present { // RFC 7517 §4.3
		list, ok := operations.([]any)
		if !ok || !slices.Contains(list, any("verify")) {
			return Key{}, fmt.Errorf("%w: key_ops", errKey)
		}
	}
	// The members that make the key, and nothing that go-jose would read besides.
	bare := map[string]any{}
	for _, name := range []string{"kty", "crv", "x", "y", "n", "e"} {
		if value, present := members[name]; present {
			bare[name] = value
		}
	}
	raw, err := json.Marshal(bare)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", errKey, err)
	}
	var parsed jose.JSONWebKey
	if err := parsed.UnmarshalJSON(raw); err != nil || !parsed.Valid() || !parsed.IsPublic() {
		return Key{}, fmt.Errorf("%w: kty", errKey)
	}
	key, err := FromPublic(parsed.Key)
	if err != nil {
		return Key{}, err
	}
	if id, present := members["kid"]; present {
		text, ok := id.(string)
		if !ok || !printable(text) {
			return Key{}, fmt.Errorf("%w: kid", errKey)
		}
		key.ID = text
	}
	if algorithm, present := members["alg"]; present { // RFC 7517 §4.4
		text, ok := algorithm.(string)
		if !ok || !fits(text, key.public) {
			return Key{}, fmt.Errorf("%w: alg", errKey)
		}
		key.algorithm = text
	}
	return key, nil
}

// FromPublic makes a Key of a public key in memory.
func FromPublic(public crypto.PublicKey) (Key, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits || key.E != 65537 {
			return Key{}, fmt.Errorf("%w: RSA key of %d bits, exponent %d", errKey, key.N.BitLen(), key.E)
		}
	case *ecdsa.PublicKey:
		if _, err := key.Bytes(); err != nil || !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
			return Key{}, fmt.Errorf("%w: point", errKey)
		}
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return Key{}, fmt.Errorf("%w: length", errKey)
		}
	default:
		return Key{}, fmt.Errorf("%w: %T", errKey, public)
	}
	digest, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", errKey, err)
	}
	return Key{public: public, Thumbprint: base64.RawURLEncoding.EncodeToString(digest)}, nil
}

// ParseSet reads a JWK set (RFC 7517 §5). Keys that may not verify, and all that share
// a kid, are left out; a set without any is an error, so that it never replaces one
// that has some.
func ParseSet(b []byte) ([]Key, error) {
	members, err := strictjson.Object(b, MaxSetBytes, "keys")
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	list, ok := members["keys"].([]any)
	if !ok || len(list) > maxKeys {
		return nil, fmt.Errorf("key set: keys is not a list of at most %d", maxKeys)
	}
	count := map[string]int{}
	for _, entry := range list {
		if object, ok := entry.(map[string]any); ok {
			if id, ok := object["kid"].(string); ok {
				count[id]++
			}
		}
	}
	var keys []Key
	for _, entry := range list {
		object, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		if key, err := ParseKey(object); err == nil && count[key.ID] < 2 {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("key set: no usable key")
	}
	return keys, nil
}
