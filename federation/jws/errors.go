package jws

import (
	"errors"
	"strconv"
	"strings"
)

// Why a token is refused. Every error of this package is an [*Error] that
// wraps exactly one of them.
var (
	ErrTooLarge     = errors.New("token too large")
	ErrMalformed    = errors.New("malformed token")
	ErrHeader       = errors.New("unacceptable header")
	ErrAlgorithm    = errors.New("algorithm not allowed")
	ErrKeyNotFound  = errors.New("no key of the issuer fits")
	ErrKeyAmbiguous = errors.New("more than one key of the issuer fits")
	ErrSignature    = errors.New("signature does not verify")
	ErrClaims       = errors.New("malformed claims")
	ErrClaim        = errors.New("unacceptable claim")
)

// Error is a refusal with what was received and what was expected: for the
// audit record, not for the caller outside.
type Error struct {
	Kind     error
	Name     string // header parameter or claim that it is about, may be empty
	Received string // as sent, shortened and quoted; never a signature or a whole token
	Expected string
	Cause    error // may be nil
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.Error())
	if e.Name != "" {
		b.WriteString(" ")
		b.WriteString(e.Name)
	}
	if e.Received != "" {
		b.WriteString(": received ")
		b.WriteString(e.Received)
	}
	if e.Expected != "" {
		b.WriteString(", expected ")
		b.WriteString(e.Expected)
	}
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// quote makes what came from outside fit for a log line.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}

func malformed(expected string) *Error { return &Error{Kind: ErrMalformed, Expected: expected} }

func badHeader(name, received, expected string) *Error {
	return &Error{Kind: ErrHeader, Name: name, Received: received, Expected: expected}
}

func badClaim(name, expected string) *Error {
	return &Error{Kind: ErrClaim, Name: name, Expected: expected}
}
