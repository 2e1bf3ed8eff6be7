package provider

import (
	"errors"
	"strings"
	"time"
)

// Outcome is what a failure means for what was sent.
type Outcome string

// The outcomes.
const (
	// Terminal: the credential is dead. Only the person can connect again.
	Terminal Outcome = "terminal"
	// Transient: nothing was used up. The same request may be sent again, later.
	Transient Outcome = "transient"
	// Misconfigured: our registration at the provider is wrong. No person can help it: stop asking for all of them.
	Misconfigured Outcome = "misconfigured"
	// RateLimited: nothing was used up; ask again after RetryAfter.
	RateLimited Outcome = "rate_limited"
	// Unknown: the answer was lost, and what was sent may be used up. Unless RepeatBefore is set it must not be sent again.
	Unknown Outcome = "unknown"
	// ScopeRefused: the provider does not give these scopes. The credential is as good as before.
	ScopeRefused Outcome = "scope_refused"
)

// Error is why a provider did not give what was asked. It holds nothing that the provider wrote except a code that is
// listed in the manifest or in RFC 6749.
type Error struct {
	Provider string
	Outcome  Outcome
	Code     string // the provider's, if it is listed
	Reason   string // ours
	Status   int    // of HTTP; 0 without an answer
	// RetryAfter is the provider's wish, at most a day; 0: none.
	RetryAfter time.Duration
	// RepeatBefore is, with Unknown, until when the same refresh token may be sent once more.
	RepeatBefore time.Time
	// Claims is a challenge that the person must be sent back with (Ask.Claims); the provider's text, for nobody else.
	Claims Secret
}

// Error implements error.
func (e *Error) Error() string {
	parts := []string{"provider " + e.Provider, string(e.Outcome)}
	for _, part := range []string{e.Code, e.Reason} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// OutcomeOf tells what an error means; Unknown for what did not come from a provider's answer, which is the careful one.
func OutcomeOf(err error) Outcome {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Outcome
	}
	return Unknown
}

// What goes wrong before or without an answer.
var (
	ErrDeclined      = errors.New("the person declined at the provider")
	ErrExpired       = errors.New("the departure is too old")
	ErrState         = errors.New("the answer belongs to another departure")
	ErrNoRefresh     = errors.New("there is no refresh token")
	ErrNoRevocation  = errors.New("the provider cannot revoke; the person can, in the provider's settings")
	ErrUnsupported   = errors.New("not with this kind of provider")
	ErrProbe         = errors.New("the account could not be read; the credential is good, and nobody has confirmed it")
	ErrNotCredential = errors.New("not a stored credential")
)

// MissingScopesError says that a credential does not have what is asked of it.
type MissingScopesError struct{ Missing []string }

// Error implements error.
func (e *MissingScopesError) Error() string {
	return "the connection was not given: " + strings.Join(e.Missing, " ")
}

func (p *Provider) fail(outcome Outcome, reason string) *Error {
	return &Error{Provider: p.manifest.Name, Outcome: outcome, Reason: reason}
}
