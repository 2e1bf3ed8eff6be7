// Package capture shows an administrator the next assertion that arrives from one
// IdP, or the next person who comes back from it, whichever is first: he arms the
// entry, the first assertion at the token endpoint whose issuer is
// exactly that entry's is kept, accepted or refused, with its claims and what each
// check said, and whoever armed it reads it once.
//
// What keeps this small: one row an IdP, one assertion a row, the first wins; it is
// sealed at rest, deleted when it is read and swept when its time is over; the
// signature and the compact form are never in it. A request whose client did not
// authenticate never reaches it, so that strangers can fill nothing.
//
// It knows no HTTP and no SQL. It never delays or changes an answer.
package capture

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/diagnose"
)

// Bounds of a capture.
const (
	DefaultFor = 10 * time.Minute
	MaxFor     = time.Hour
	maxRecord  = 64 << 10
)

// What is refused.
var (
	ErrGone     = errors.New("there is no such capture: it was read, ended, or somebody armed the IdP anew")
	ErrTooLong  = errors.New("a capture waits for at most 1h")
	errTooLarge = errors.New("the record is too large")
)

// Arm is an IdP that somebody waits for.
type Arm struct {
	ID        string     `json:"id"`
	Tenant    tenant.UID `json:"-"`
	IdP       string     `json:"-"` // uid
	Issuer    string     `json:"issuer"`
	ExpiresAt time.Time  `json:"expires_at"`
}

// State is how far a capture is.
type State string

// The states.
const (
	Waiting  State = "waiting"
	Captured State = "captured"
)

// Seen is an assertion, or a sign-in, as it was seen.
type Seen struct {
	Kind    string         `json:"kind,omitempty"` // KindSignIn, or "" for an assertion
	At      time.Time      `json:"at"`
	Trace   string         `json:"trace"`
	Client  string         `json:"client,omitempty"` // that authenticated; nobody for a sign-in
	Granted bool           `json:"granted"`
	Code    string         `json:"code,omitempty"`
	Header  map[string]any `json:"header,omitempty"`
	Claims  map[string]any `json:"claims"`
	// Verified tells whether the signature held: else the claims are anybody's.
	Verified bool           `json:"verified"`
	Rows     []diagnose.Row `json:"checks"`
}

// Store keeps what is armed. Each method is one transaction with its event.
type Store interface {
	// Armed lists what waits, of all tenants.
	Armed(ctx context.Context) ([]Arm, error)
	// Arm makes the IdP wait, and ends what waited before.
	Arm(ctx context.Context, a Arm, e audit.Event) error
	// Record keeps what was seen, if nothing is kept yet; else ErrGone.
	Record(ctx context.Context, a Arm, sealed []byte, e audit.Event) error
	// Find reads what is kept; nil while it waits, ErrGone when there is no such capture.
	Find(ctx context.Context, t tenant.UID, idp, id string) ([]byte, error)
	// End deletes it; ErrGone when there is none.
	End(ctx context.Context, t tenant.UID, idp, id string, e audit.Event) error
}
