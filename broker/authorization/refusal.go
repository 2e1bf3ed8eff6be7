package authorization

import (
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// Shown is a refusal before the redirect URI was verified. The person is told, and
// nothing is ever redirected (RFC 6749 §4.1.2.1).
type Shown struct{ Refusal *oauth.Error }

// Error implements error, for logs.
func (s *Shown) Error() string { return s.Refusal.Error() }

// Unwrap gives the refusal, for oauth.AsError.
func (s *Shown) Unwrap() error { return s.Refusal }

// Returned is a refusal that the client gets at its verified redirect URI.
type Returned struct {
	Refusal *oauth.Error
	Return  Return
}

// Error implements error, for logs.
func (r *Returned) Error() string { return r.Refusal.Error() }

// Unwrap gives the refusal, for oauth.AsError.
func (r *Returned) Unwrap() error { return r.Refusal }

func show(code oauth.Code, received, expected string) error {
	return &Shown{Refusal: oauth.Refuse(code, printable(received), expected)}
}

// printable bounds what is kept of a value from outside, and keeps it text.
func printable(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "") }
