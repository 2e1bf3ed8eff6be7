package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Code is a stable name of one refusal.
type Code string

// Row is a line of the catalogue.
type Row struct {
	Code        Code
	Error       string // the OAuth error
	Status      int
	Section     string // of the standard
	Who         string // admin | developer | security | operator
	Text        string // public
	Fix         string
	Face        Code // shown outside instead of Code
	Entitlement bool // valid, but not entitled: access_denied under idjag-06
}

var byCode = sync.OnceValue(func() map[Code]Row {
	m := make(map[Code]Row, len(rows))
	for _, r := range rows {
		m[r.Code] = r
	}
	return m
})

// Catalogue returns every row, in order.
func Catalogue() []Row { return append([]Row(nil), rows...) }

// Lookup finds a code's row.
func Lookup(code Code) (Row, bool) {
	r, ok := byCode()[code]
	return r, ok
}

// Public returns the row that outsiders see for a code; an unknown code is `internal` and says nothing.
func Public(code Code) Row {
	r, ok := Lookup(code)
	if !ok {
		r, _ = Lookup(CodeInternal)
		return r
	}
	if r.Face != "" {
		return Public(r.Face)
	}
	return r
}

// Error is a refusal: its public face is the catalogue's, the rest is for the audit log.
type Error struct {
	Code     Code
	Received string // never a secret, never a token
	Expected string
	Cause    error
	// AccessDenied is true where the issuer's entry asks for access_denied (ID-JAG-06) for what is valid but not entitled.
	AccessDenied bool
	// Members are further members of the answer (acr_values, max_age).
	Members map[string]any
	// RetryAfter goes with 429 and 503; zero is a second.
	RetryAfter time.Duration
	// TriedBasic asks for a WWW-Authenticate header (RFC 6749 §5.2).
	TriedBasic bool
}

// Refuse makes a refusal.
func Refuse(code Code, received, expected string) *Error {
	return &Error{Code: code, Received: received, Expected: expected}
}

// Fail makes a refusal with a private cause.
func Fail(code Code, cause error) *Error { return &Error{Code: code, Cause: cause} }

// Error implements error; it is for logs, not for the wire.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Received != "" || e.Expected != "" {
		s += fmt.Sprintf(": received %q, expected %q", e.Received, e.Expected)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// Wait is what Retry-After says, in whole seconds and not too early (RFC 9110 §10.2.3); zero where waiting is no remedy. Every
// 429 and every 503 says something (RFC 6585 §4, RFC 9110 §15.6.4).
func (e *Error) Wait() time.Duration {
	wait := e.RetryAfter
	if status := Public(e.Code).Status; wait <= 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		wait = time.Second
	}
	return (wait + time.Second - 1).Truncate(time.Second)
}

// Wire is how a refusal leaves: RFC 6749 §5.2.
type Wire struct {
	Status      int
	Error       string
	Description string
	URI         string
	Members     map[string]any
}

// Wire gives the refusal its public face. The description is ASCII without quotes and backslashes (RFC 6749 §5.2).
func (e *Error) Wire(issuer, trace string) Wire {
	row := Public(e.Code)
	w := Wire{
		Status:      row.Status,
		Error:       row.Error,
		Description: string(row.Code) + ": " + row.Text,
		URI:         issuer + "/errors/" + string(row.Code) + "?trace=" + trace,
		Members:     e.Members,
	}
	if row.Entitlement && e.AccessDenied {
		w.Error = ErrorAccessDenied
	}
	return w
}

// AsError returns the refusal in err's chain, or an internal one that wraps err: what is unknown says nothing outside.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Fail(CodeInternal, err)
}
