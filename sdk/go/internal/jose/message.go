package jose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/sdk/go/internal/strictjson"
)

// MaxBytes is the longest token that is looked at.
const MaxBytes = 16 << 10

const (
	maxHeaderBytes = 8 << 10
	maxKeyID       = 256
)

// Why a token is refused.
var (
	ErrMalformed = errors.New("malformed token")
	ErrAlgorithm = errors.New("algorithm not allowed")
	ErrNoKey     = errors.New("no key fits")
	ErrSignature = errors.New("signature does not verify")
)

// Message is a token that was taken apart and is not trusted yet.
type Message struct {
	Algorithm string         // alg
	KeyID     string         // kid, "" when absent
	Type      string         // typ in lower case without "application/", "" when absent
	JWK       map[string]any // jwk, nil when absent

	compact string
	payload []byte
}

// Parse takes a compact JWS apart (RFC 7515 §7.1).
func Parse(compact string) (*Message, error) {
	// 1. The size, before anything that costs.
	if len(compact) > MaxBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxBytes)
	}
	// 2. Three parts, each canonical base64url, and none empty: a JWE has five, an
	// unsecured JWS (RFC 7515 appendix A.5) no signature.
	if strings.Count(compact, ".") != 2 {
		return nil, fmt.Errorf("%w: not three parts", ErrMalformed)
	}
	var parts [3][]byte
	for i, part := range strings.Split(compact, ".") {
		b, err := decode(part)
		if err != nil || len(b) == 0 {
			return nil, fmt.Errorf("%w: part %d is not base64url", ErrMalformed, i+1)
		}
		parts[i] = b
	}
	m := &Message{compact: compact, payload: parts[1]}
	return m, m.readHeader(parts[0])
}

func decode(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") { // which the library skips
		return nil, ErrMalformed
	}
	return base64.RawURLEncoding.Strict().DecodeString(part)
}

func (m *Message) readHeader(b []byte) error {
	header, err := strictjson.Object(b, maxHeaderBytes, "alg", "enc", "zip", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5u", "x5c")
	if err != nil {
		return fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	// RFC 7515 §4.1.11: what is critical and not understood is refused, and nothing
	// is understood here. enc and zip belong to encryption.
	for _, name := range []string{"crit", "b64", "enc", "zip"} {
		if _, present := header[name]; present {
			return fmt.Errorf("%w: header has %s", ErrMalformed, name)
		}
	}
	var ok bool
	if m.Algorithm, ok = header["alg"].(string); !ok {
		return fmt.Errorf("%w: no alg", ErrMalformed)
	}
	if kid, present := header["kid"]; present {
		if m.KeyID, ok = kid.(string); !ok || !printable(m.KeyID) {
			return fmt.Errorf("%w: kid", ErrMalformed)
		}
	}
	if typ, present := header["typ"]; present {
		text, ok := typ.(string)
		if !ok || !printable(text) {
			return fmt.Errorf("%w: typ", ErrMalformed)
		}
		// RFC 7515 §4.1.9: a media type, without case, "application/" may be left out.
		m.Type = strings.TrimPrefix(strings.ToLower(text), "application/")
	}
	if jwk, present := header["jwk"]; present {
		if m.JWK, ok = jwk.(map[string]any); !ok {
			return fmt.Errorf("%w: jwk", ErrMalformed)
		}
	}
	return nil
}

func printable(s string) bool {
	return s != "" && len(s) <= maxKeyID && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// Verify checks the signature with one key, and gives the claims as strict JSON. A
// name that differs only by case from one of reserved is refused. An algorithm that
// is not allowed, or does not fit the key, verifies nothing (RFC 8725 §3.1).
func (m *Message) Verify(key Key, allowed []string, reserved ...string) (map[string]any, error) {
	if !Allowed(m.Algorithm, allowed) {
		return nil, fmt.Errorf("%w: %q", ErrAlgorithm, clip(m.Algorithm))
	}
	if !key.usable(m.Algorithm) {
		return nil, fmt.Errorf("%w: for %s", ErrNoKey, m.Algorithm)
	}
	parsed, err := jose.ParseSignedCompact(m.compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(m.Algorithm)})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := parsed.Verify(key.public); err != nil {
		return nil, ErrSignature
	}
	claims, err := strictjson.Object(m.payload, MaxBytes, reserved...)
	if err != nil {
		return nil, fmt.Errorf("%w: claims: %w", ErrMalformed, err)
	}
	return claims, nil
}

func clip(s string) string { return s[:min(len(s), 32)] }
