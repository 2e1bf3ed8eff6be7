package connection

import (
	"fmt"
	"time"
)

// Code is why no credential is handed out.
type Code string

// The codes.
const (
	CodeNotConnected    Code = "connection_required"
	CodeReauthorization Code = "reauthorization_required"
	CodeSuspended       Code = "connection_suspended"
	CodeRateLimited     Code = "provider_rate_limited"
	CodeUnavailable     Code = "provider_unavailable"
	CodeMisconfigured   Code = "provider_misconfigured"
	CodeTooShort        Code = "lifetime_too_short" // the provider's tokens do not last as long as was asked
)

// Refusal is why there is no credential, and when to ask again. Errors of the store and of the sealer are none: they are
// passed on.
type Refusal struct {
	Code       Code
	Reason     string // ours, or the provider's code if it is listed
	RetryAfter time.Duration
	Cause      error
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Reason == "" {
		return string(r.Code)
	}
	return fmt.Sprintf("%s: %s", r.Code, r.Reason)
}

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// passing: what is refused now may be had in a moment, and what was there before is as good as it was.
func (r *Refusal) passing() bool {
	return r.Code == CodeUnavailable || r.Code == CodeRateLimited || r.Code == CodeMisconfigured
}

// AlertKind is what somebody must hear of.
type AlertKind string

// The alerts.
const (
	AlertLost          AlertKind = "refresh_lost"          // an answer was lost, and a person must connect again
	AlertDead          AlertKind = "credential_dead"       // the provider says so
	AlertUnopened      AlertKind = "credential_unopened"   // a row was altered, moved or put back, or its key is gone
	AlertOrphan        AlertKind = "successor_not_saved"   // it rests on the shelf, or nowhere
	AlertRepaired      AlertKind = "successor_repaired"    // from the shelf
	AlertSuperseded    AlertKind = "successor_superseded"  // the connection was replaced or went meanwhile
	AlertMisconfigured AlertKind = "provider_refuses_us"   // for everybody
	AlertUnrevoked     AlertKind = "successor_not_revoked" // its connection went, and the provider did not take it back
)

// Alert is what happened, without a secret.
type Alert struct {
	Kind    AlertKind
	Ref     Ref
	Version int64
	Attempt string
	Detail  string
}
