package refresh

import (
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
)

// ErrUnknown says that there is no such family, or none any more.
var ErrUnknown = errors.New("no such family of refresh tokens")

// Family is a family as it rests. Its times are the database's, and so is Now: no two clocks are compared.
type Family struct {
	ledger.Family
	Generation int64 // of the token that counts
	BeganAt    time.Time
	RotatedAt  time.Time // when its newest token was made
	IdleUntil  time.Time
	ExpiresAt  time.Time // whatever happens
	// End says what ended it before its time; nil: nothing did.
	End *End
	Now time.Time // when it was read
}

// End is why a family ended.
type End struct {
	Why string    // one of the ledger's words, or revoked: by a mark on its user, client or IdP
	At  time.Time // zero where it is not known
}

// Revoked is why a family is over that a mark ended.
const Revoked = "revoked"

// Choice says which families are meant: one, those of a person, or of a person and a client. Those of a session end with it
// (session.Store).
type Choice struct {
	Family             string
	UserUID, ClientUID string
}

// Validate refuses a choice of everything, or of two things.
func (c Choice) Validate() error {
	if (c.Family == "") == (c.UserUID == "") || c.ClientUID != "" && c.UserUID == "" {
		return errors.New("families are chosen by their id or a person")
	}
	return nil
}

// Given is what somebody was given at a version of the tenant, in whichever form.
type Given struct {
	UserUID, ClientUID, IdPUID string
	Version                    int64
}

// Limits bound refresh tokens.
type Limits struct {
	// Grace is how long a used token still answers, with the successor that there is.
	Grace time.Duration
	// Idle and Absolute are how long a family lives unused, and at most.
	Idle, Absolute time.Duration
}

// MaxGrace and MaxAbsolute bound what can be configured: a stolen token is not known for the time of the grace, and what
// revoked everything of somebody is remembered for as long as a family can live.
const (
	MaxGrace    = time.Minute
	MaxAbsolute = 366 * 24 * time.Hour
)

// Validate refuses limits that bound nothing.
func (l Limits) Validate() error {
	switch {
	case l.Grace < 0 || l.Grace > MaxGrace:
		return errors.New("the grace of refresh tokens is at most a minute")
	case l.Idle <= 0 || l.Absolute <= 0 || l.Absolute > MaxAbsolute:
		return errors.New("refresh tokens need an idle and an absolute end, at most 366 days away")
	}
	return nil
}

// Over tells whether the family's time is over: by its row, or by limits that became shorter since.
func (f Family) Over(l Limits) bool {
	return !f.Now.Before(f.IdleUntil) || !f.Now.Before(f.ExpiresAt) ||
		f.Now.Sub(f.RotatedAt) >= l.Idle || f.Now.Sub(f.BeganAt) >= l.Absolute
}

// Until is when it is over if it is not used again.
func (f Family) Until() time.Time {
	if f.IdleUntil.Before(f.ExpiresAt) {
		return f.IdleUntil
	}
	return f.ExpiresAt
}

// Standing is what a presented token is to its family.
type Standing int

// The standings of a token. The zero value is none of them.
const (
	Newest   Standing = iota + 1 // it may be rotated
	Replaced                     // just now: it answers with the successor that there is
	Reused                       // long ago: two hold tokens of this family
	Foreign                      // of a generation that was never given
)

// Standing tells it.
func (f Family) Standing(generation int64, l Limits) Standing {
	switch {
	case generation == f.Generation:
		return Newest
	case generation > f.Generation:
		return Foreign
	case generation == f.Generation-1 && f.Now.Sub(f.RotatedAt) < l.Grace:
		return Replaced
	default:
		return Reused
	}
}
