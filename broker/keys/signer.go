package keys

import (
	"log/slog"
	"time"

	"github.com/chancery-dev/chancery/federation/jws"
)

// Signer signs with one active key. Only a Ring gives one.
type Signer struct {
	id        string
	algorithm string
	private   *private
	longest   time.Duration
}

// KeyID is the key's thumbprint, the kid of what it signs.
func (s Signer) KeyID() string { return s.id }

// Algorithm is the JWS algorithm.
func (s Signer) Algorithm() string { return s.algorithm }

// LongestToken bounds the lifetime of what it may sign: the key is published for
// no longer than that after its last signature.
func (s Signer) LongestToken() time.Duration { return s.longest }

// IsZero tells a Signer that no Ring gave: it signs nothing.
func (s Signer) IsZero() bool { return s.private == nil }

// Sign makes a compact JWS of the media type around claims, which are a JSON
// object. typ is a constant of the caller, without quotes.
func (s Signer) Sign(typ string, claims []byte) (string, error) {
	if s.IsZero() {
		return "", errNoSigner
	}
	// All three values are of our own making: base64url, a name, a constant.
	header := `{"alg":"` + s.algorithm + `","kid":"` + s.id + `","typ":"` + typ + `"}`
	return jws.SignHeader(s.algorithm, []byte(header), s.private, claims)
}

// String implements fmt.Stringer: the name, never the key.
func (s Signer) String() string { return "signer " + s.id }

// GoString implements fmt.GoStringer, for %#v.
func (s Signer) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }
