package jws

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// MaxBytes is the size of the longest token that is looked at.
const MaxBytes = 16 << 10

// Message is a token that was parsed and not yet trusted.
type Message struct {
	header    Header
	input     string // JWS signing input (RFC 7515 §5.1): the first two parts and their dot
	payload   []byte // must not leave before the signature was verified
	signature []byte
	claims    *Claims // of payload, once read; must not leave either
}

// Parse takes a compact JWS apart. It is strict where libraries are not: the
// size first, exactly three parts, base64url in its one canonical form without
// white space or line breaks, a header that is strict JSON.
func Parse(compact string) (*Message, error) {
	// 1. The size, before anything that costs (CVE-2025-22868).
	if len(compact) > MaxBytes {
		return nil, &Error{Kind: ErrTooLarge}
	}
	// 2. Dots are counted before anything is split (CVE-2025-27144). Four of
	// them are a JWE (RFC 7516 §9), which we do not take.
	if strings.Count(compact, ".") != 2 {
		return nil, malformed("three parts in compact serialization")
	}
	first := strings.IndexByte(compact, '.')
	last := strings.LastIndexByte(compact, '.')

	// 3. RFC 7515 §2, §7.1: base64url without padding, line breaks or other
	// characters, in each part.
	head, err := decode(compact[:first])
	if err != nil {
		return nil, err
	}
	payload, err := decode(compact[first+1 : last])
	if err != nil {
		return nil, err
	}
	signature, err := decode(compact[last+1:])
	if err != nil {
		return nil, err
	}
	if len(head) == 0 {
		return nil, malformed("a header")
	}
	if len(signature) == 0 { // RFC 7515 appendix A.5: an unsecured JWS
		return nil, malformed("a signature")
	}

	// 4. The header.
	header, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	return &Message{header: header, input: compact[:last], payload: payload, signature: signature}, nil
}

// decode accepts the one text that encoding gives for some bytes: the alphabet
// only (the library skips line breaks), and no bits left over at the end.
func decode(part string) ([]byte, error) {
	for i := range len(part) {
		if !isBase64URL(part[i]) {
			return nil, malformed("base64url")
		}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, malformed("canonical base64url")
	}
	return b, nil
}

func isBase64URL(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Header returns the header, which is not yet trusted.
func (m *Message) Header() Header { return m.header }

// Digest is the SHA-256 of the signing input in hexadecimal: the token's name where
// it has no jti. The signature is not part of it, because some algorithms have
// many signatures for one message, and anybody can turn one into another (ECDSA:
// s and n − s).
func (m *Message) Digest() string {
	digest := sha256.Sum256([]byte(m.input))
	return hex.EncodeToString(digest[:])
}

// Unverified is what may be read before the signature was verified: the names
// that lead to the keys. They are claims of somebody, nothing more.
type Unverified struct {
	Issuer  string // iss, "" when absent
	Subject string // sub, "" when absent
}

// Unverified reads the names that lead to the keys. The claims must already be
// well-formed: an unreadable payload needs no key.
func (m *Message) Unverified() (Unverified, error) {
	claims, err := m.readClaims()
	if err != nil {
		return Unverified{}, err
	}
	issuer, _, err := claims.String("iss")
	if err != nil {
		return Unverified{}, err
	}
	subject, _, err := claims.String("sub")
	if err != nil {
		return Unverified{}, err
	}
	return Unverified{Issuer: issuer, Subject: subject}, nil
}

func (m *Message) readClaims() (Claims, error) {
	if m.claims != nil {
		return *m.claims, nil
	}
	claims, err := ParseClaims(m.payload)
	if err != nil {
		return Claims{}, err
	}
	m.claims = &claims
	return claims, nil
}
