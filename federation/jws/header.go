package jws

import (
	"encoding/json"
	"strings"

	"github.com/chancery-dev/chancery/federation/strict"
)

const (
	maxHeaderBytes = 8 << 10
	maxKeyID       = 256
)

// Header is the JOSE header (RFC 7515 §4). Keys and references to keys in it
// are never used to verify anything here.
type Header struct {
	Algorithm string // alg
	KeyID     string // kid, "" when absent
	Type      string // typ as a media type in lower case without "application/", "" when absent
	JWK       []byte // jwk as JSON, nil when absent: for proofs of possession, whose key it is
}

// headerNames are compared with everything in a header, so that no parameter
// can be smuggled past in another spelling.
func headerNames() strict.Names {
	return strict.Reserve("alg", "enc", "zip", "kid", "typ", "cty", "crit", "b64",
		"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256")
}

var registeredHeaders = headerNames()

func parseHeader(b []byte) (Header, error) {
	members, err := strict.Object(b, strict.Limits{Bytes: maxHeaderBytes, Reserved: registeredHeaders, NoNUL: true})
	if err != nil {
		return Header{}, &Error{Kind: ErrHeader, Cause: err}
	}
	// RFC 7515 §4.1.11: what is critical and not understood must be refused, and
	// nothing is understood here; b64 (RFC 7797) is only valid when critical.
	// enc and zip belong to encryption (RFC 7516 §4.1).
	for _, name := range []string{"crit", "b64", "enc", "zip"} {
		if _, present := members[name]; present {
			return Header{}, badHeader(name, "it", "no such parameter")
		}
	}
	var h Header
	var ok bool
	if h.Algorithm, ok = members["alg"].(string); !ok || h.Algorithm == "" { // RFC 7515 §4.1.1
		return Header{}, badHeader("alg", "", "an algorithm name")
	}
	if kid, present := members["kid"]; present {
		if h.KeyID, ok = kid.(string); !ok || !printable(h.KeyID) {
			return Header{}, badHeader("kid", quote(h.KeyID), "1 to 256 printable bytes")
		}
	}
	if typ, present := members["typ"]; present {
		text, ok := typ.(string)
		if !ok || !printable(text) {
			return Header{}, badHeader("typ", quote(text), "a media type")
		}
		h.Type = MediaType(text)
	}
	if jwk, present := members["jwk"]; present {
		object, ok := jwk.(map[string]any)
		if !ok {
			return Header{}, badHeader("jwk", "", "a JSON object")
		}
		if h.JWK, err = json.Marshal(object); err != nil {
			return Header{}, &Error{Kind: ErrHeader, Name: "jwk", Cause: err}
		}
	}
	return h, nil
}

// MediaType brings a typ to the form in which it is compared: lower case,
// without the "application/" that RFC 7515 §4.1.9 lets senders leave out.
func MediaType(typ string) string {
	typ = strings.ToLower(typ)
	if rest, found := strings.CutPrefix(typ, "application/"); found && rest != "" && !strings.Contains(rest, "/") {
		return rest
	}
	return typ
}

func printable(s string) bool {
	if s == "" || len(s) > maxKeyID {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
