package jws

import (
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/jwks"
)

// Verify checks the signature and gives the payload, and the key that it
// verified with. keys are the issuer's, allowed the algorithms of its registry
// entry: an empty list of either allows nothing.
func (m *Message) Verify(keys []jwks.Key, allowed []string) (payload []byte, key jwks.Key, err error) {
	if key, err = m.check(keys, allowed); err != nil {
		return nil, jwks.Key{}, err
	}
	return m.payload, key, nil
}

// VerifyClaims is Verify and ParseClaims in one, and reads the claims once.
func (m *Message) VerifyClaims(keys []jwks.Key, allowed []string) (Claims, jwks.Key, error) {
	key, err := m.check(keys, allowed)
	if err != nil {
		return Claims{}, jwks.Key{}, err
	}
	claims, err := m.readClaims()
	if err != nil {
		return Claims{}, jwks.Key{}, err
	}
	return claims, key, nil
}

func (m *Message) check(keys []jwks.Key, allowed []string) (jwks.Key, error) {
	// RFC 8725 §3.1: the verifier names the algorithms. Ours come first, so that
	// no configuration can allow a symmetric one, or none.
	algorithm := m.header.Algorithm
	if !Supported(algorithm) || !slices.Contains(allowed, algorithm) {
		return jwks.Key{}, &Error{Kind: ErrAlgorithm, Name: "alg", Received: quote(algorithm), Expected: strings.Join(allowed, ", ")}
	}
	key, err := m.choose(keys)
	if err != nil {
		return jwks.Key{}, err
	}
	if !verifySignature(algorithm, key.Public, []byte(m.input), m.signature) {
		return jwks.Key{}, &Error{Kind: ErrSignature, Name: "kid", Received: quote(key.ID)}
	}
	return key, nil
}

// choose finds the one key that the header means: by exact kid, or, without a
// kid, the only key that fits the algorithm. It never tries keys in turn.
func (m *Message) choose(keys []jwks.Key) (jwks.Key, error) {
	var chosen []jwks.Key
	for _, key := range keys {
		if m.header.KeyID != "" && key.ID != m.header.KeyID {
			continue
		}
		if !usable(key, m.header.Algorithm) {
			continue
		}
		chosen = append(chosen, key)
	}
	switch len(chosen) {
	case 1:
		return chosen[0], nil
	case 0:
		return jwks.Key{}, &Error{Kind: ErrKeyNotFound, Name: "kid", Received: quote(m.header.KeyID), Expected: "a key for " + m.header.Algorithm}
	default:
		return jwks.Key{}, &Error{Kind: ErrKeyAmbiguous, Name: "kid", Received: quote(m.header.KeyID), Expected: "a kid that names one key"}
	}
}

// usable: RFC 7517 §4.2 and §4.4, RFC 8725 §3.1: the key's own alg and use bind
// as well as its type and curve. A key of use jwt-svid is only in a set whose
// reader asked for it.
func usable(key jwks.Key, algorithm string) bool {
	return (key.Use == "" || key.Use == "sig" || key.Use == jwks.UseSVID) &&
		(key.Algorithm == "" || key.Algorithm == algorithm) &&
		jwks.Fits(algorithm, key.Public)
}
