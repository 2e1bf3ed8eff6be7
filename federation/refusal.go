package federation

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Check is one test that was made, for the story that `explain` tells.
type Check struct {
	Name     string // "aud", "signature", …
	OK       bool
	Code     Code   // why not, when it failed
	Received string // never a secret, never a token
	Expected string
}

// Refusal says why an assertion or its subject is not accepted. It is for the
// audit log: outsiders see the row of Code.Public() and nothing else.
type Refusal struct {
	Code     Code
	Received string // never a secret, never a token
	Expected string
	Cause    error             // may be nil
	Provider *IdentityProvider // whose rules were applied; nil before an entry was found
	Checks   []Check           // in the order in which they were made, the failed one last
}

// Error implements error; it is for logs, not for the wire.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(string(r.Code))
	if r.Received != "" || r.Expected != "" {
		fmt.Fprintf(&b, ": received %q, expected %q", r.Received, r.Expected)
	}
	if r.Cause != nil {
		b.WriteString(": ")
		b.WriteString(r.Cause.Error())
	}
	return b.String()
}

// Unwrap returns the private cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Trail collects checks while they are made. The zero value is ready.
type Trail struct {
	provider *IdentityProvider
	checks   []Check
}

// For notes whose rules are being applied from here on.
func (t *Trail) For(idp *IdentityProvider) { t.provider = idp }

// Pass records a check that held.
func (t *Trail) Pass(name, received, expected string) {
	t.checks = append(t.checks, Check{Name: name, OK: true, Received: Clip(received), Expected: Clip(expected)})
}

// Refuse records a check that failed and returns the refusal. The cause, which
// may be nil, is private.
func (t *Trail) Refuse(code Code, name, received, expected string, cause error) *Refusal {
	received, expected = Clip(received), Clip(expected)
	t.checks = append(t.checks, Check{Name: name, Code: code, Received: received, Expected: expected})
	return &Refusal{Code: code, Received: received, Expected: expected, Cause: cause, Provider: t.provider, Checks: t.checks}
}

// Checks returns what was recorded so far, in order.
func (t *Trail) Checks() []Check { return t.checks }

const clipped = 256

// Clip makes a value that an outsider sent fit for a log: at most 256 bytes of
// printable text, anything else shown as a question mark.
func Clip(s string) string {
	if len(s) <= clipped && isPlain(s) {
		return s
	}
	more := ""
	if len(s) > clipped {
		s, more = s[:clipped], "…"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s) + more
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
