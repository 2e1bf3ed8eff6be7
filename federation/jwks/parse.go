package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/chancery-dev/chancery/federation/strict"
)

// Limits of a key set.
const (
	MaxBytes = 256 << 10
	MaxKeys  = 50
	maxKeyID = 256
)

// Why a set is refused.
var (
	ErrMalformed   = errors.New("not a JWK set")
	ErrTooManyKeys = fmt.Errorf("more than %d keys in the set", MaxKeys)
	ErrNoKeys      = errors.New("no usable key in the set")
)

// Why a key is dropped, besides what is wrong with its numbers.
var (
	errNotObject  = errors.New("not a JSON object")
	errPrivate    = errors.New("has private members")
	errSymmetric  = errors.New("is symmetric")
	errUse        = errors.New("use is not sig")
	errOperations = errors.New("key_ops is without verify")
	errAlgorithm  = errors.New("alg does not fit the key")
	errKeyID      = errors.New("kid is not 1 to 256 printable bytes")
	errDuplicate  = errors.New("shares its kid with another key")
	errMember     = errors.New("member of the wrong type")
)

// Warning says why a key of a set was dropped.
type Warning struct {
	Index  int    // position in the set, from 0
	KeyID  string // "" when it has none
	Reason string
}

func (w Warning) String() string {
	if w.KeyID == "" {
		return fmt.Sprintf("key %d dropped: %s", w.Index, w.Reason)
	}
	return fmt.Sprintf("key %d (kid %q) dropped: %s", w.Index, w.KeyID, w.Reason)
}

// UseSVID is the use of keys that verify JWT-SVIDs (SPIFFE Trust Domain and
// Bundle §4.2.2). It counts only where the caller of [Parse] names it.
const UseSVID = "jwt-svid"

// Parse reads a JWK set. Keys that may not verify signatures, and all keys that
// share a kid, are dropped with a warning; a set without any usable key is an
// error, so that it never replaces one that has some. A key without use, or with
// use sig, counts; with another use it counts only if uses has it.
func Parse(b []byte, uses ...string) (Set, []Warning, error) {
	members, err := strict.Object(b, strict.Limits{Bytes: MaxBytes})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	list, ok := members["keys"].([]any) // RFC 7517 §5.1
	if !ok {
		return nil, nil, fmt.Errorf("%w: keys is absent or not a list", ErrMalformed)
	}
	if len(list) > MaxKeys {
		return nil, nil, ErrTooManyKeys
	}

	shared := sharedIDs(list)
	var set Set
	var warnings []Warning
	for i, entry := range list {
		key, err := parseEntry(entry, uses)
		if err == nil && shared[key.ID] {
			err = errDuplicate
		}
		if err != nil {
			warnings = append(warnings, Warning{Index: i, KeyID: keyID(entry), Reason: err.Error()})
			continue
		}
		set = append(set, key)
	}
	if len(set) == 0 {
		return nil, warnings, ErrNoKeys
	}
	return slices.Clip(set), warnings, nil
}

// sharedIDs counts unusable keys too: a kid that two keys claim names neither.
func sharedIDs(list []any) map[string]bool {
	shared := make(map[string]bool, len(list))
	for _, entry := range list {
		if id := keyID(entry); id != "" {
			_, seen := shared[id]
			shared[id] = seen
		}
	}
	return shared
}

// keyID returns a kid fit for a message: printable and short, or nothing.
func keyID(entry any) string {
	members, _ := entry.(map[string]any)
	id, _ := members["kid"].(string)
	if !printable(id) {
		return ""
	}
	return id
}

func parseEntry(entry any, uses []string) (Key, error) {
	members, ok := entry.(map[string]any)
	if !ok {
		return Key{}, errNotObject
	}
	return parseMembers(members, uses)
}

// ParseKey reads one JWK under the rules of [Parse]: the jwk header of a DPoP
// proof (RFC 9449 §4.2), for example.
func ParseKey(b []byte) (Key, error) {
	members, err := strict.Object(b, strict.Limits{})
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return parseMembers(members, nil)
}

func parseMembers(members map[string]any, uses []string) (Key, error) {
	// A private key that was published is everybody's (RFC 7517 §9.2); a
	// symmetric one would turn verifiers into signers.
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "priv"} {
		if _, present := members[name]; present {
			return Key{}, errPrivate
		}
	}
	if members["kty"] == "oct" || members["k"] != nil {
		return Key{}, errSymmetric
	}

	var key Key
	var err error
	if key.ID, err = optional(members, "kid"); err != nil {
		return Key{}, err
	}
	if _, present := members["kid"]; present && !printable(key.ID) {
		return Key{}, errKeyID
	}
	if key.Use, err = optional(members, "use"); err != nil {
		return Key{}, err
	}
	if _, present := members["use"]; present && key.Use != "sig" && !slices.Contains(uses, key.Use) { // RFC 7517 §4.2
		return Key{}, errUse
	}
	if err := checkOperations(members); err != nil {
		return Key{}, err
	}
	if key.Public, err = publicKey(members); err != nil {
		return Key{}, err
	}
	if err := checkPublic(key.Public); err != nil {
		return Key{}, err
	}
	if key.Algorithm, err = optional(members, "alg"); err != nil {
		return Key{}, err
	}
	if _, present := members["alg"]; present && !Fits(key.Algorithm, key.Public) { // RFC 7517 §4.4
		return Key{}, errAlgorithm
	}
	key.Thumbprint, err = Thumbprint(key.Public)
	return key, err
}

// checkOperations: RFC 7517 §4.3. Absent means unrestricted, empty means none.
func checkOperations(members map[string]any) error {
	operations, present := members["key_ops"]
	if !present {
		return nil
	}
	list, ok := operations.([]any)
	if !ok {
		return errMember
	}
	if !slices.Contains(list, any("verify")) {
		return errOperations
	}
	return nil
}

func publicKey(members map[string]any) (crypto.PublicKey, error) {
	switch members["kty"] {
	case "RSA":
		return rsaKey(members)
	case "EC":
		return ecKey(members)
	case "OKP":
		return edKey(members)
	default:
		return nil, errKeyType
	}
}

func rsaKey(members map[string]any) (crypto.PublicKey, error) {
	n, err := octets(members, "n")
	if err != nil {
		return nil, err
	}
	e, err := octets(members, "e")
	if err != nil {
		return nil, err
	}
	if len(n) > maxRSABits/8+1 {
		return nil, errModulus
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.Cmp(big.NewInt(65537)) != 0 {
		return nil, errExponent
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}, nil
}

func ecKey(members map[string]any) (crypto.PublicKey, error) {
	var curve elliptic.Curve
	switch members["crv"] {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, errCurve
	}
	x, err := octets(members, "x")
	if err != nil {
		return nil, err
	}
	y, err := octets(members, "y")
	if err != nil {
		return nil, err
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size { // RFC 7518 §6.2.1.2: the full size of a coordinate
		return nil, errPoint
	}
	point := slices.Concat([]byte{4}, x, y)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point) // refuses points off the curve
	if err != nil {
		return nil, errPoint
	}
	return key, nil
}

func edKey(members map[string]any) (crypto.PublicKey, error) {
	if members["crv"] != "Ed25519" {
		return nil, errCurve
	}
	x, err := octets(members, "x")
	if err != nil {
		return nil, err
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, errPoint
	}
	return ed25519.PublicKey(x), nil
}

// octets decodes a base64url member, in its only canonical form (RFC 7515 §2).
func octets(members map[string]any, name string) ([]byte, error) {
	text, _ := members[name].(string)
	if text == "" {
		return nil, fmt.Errorf("%s: %w", name, errCoordinate)
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodeToString(b) != text {
		return nil, fmt.Errorf("%s: %w", name, errCoordinate)
	}
	return b, nil
}

func optional(members map[string]any, name string) (string, error) {
	value, present := members[name]
	if !present {
		return "", nil
	}
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("%s: %w", name, errMember)
	}
	return text, nil
}

func printable(id string) bool {
	if id == "" || len(id) > maxKeyID {
		return false
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] > 0x7e {
			return false
		}
	}
	return true
}
