package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Kind names what a revocation is of.
type Kind string

// The kinds. A revoked signing key ends what it signed; it is revoked elsewhere.
const (
	Token  Kind = "token"
	Client Kind = "client"
	User   Kind = "user"
	IdP    Kind = "idp"
	Key    Kind = "key"
)

// Holder is an object that was given tokens, or for which they were given.
type Holder struct {
	Kind Kind // Client, User or IdP
	UID  string
}

func (h Holder) check() error {
	switch h.Kind {
	case Client, User, IdP:
	case Token, Key:
		return ErrHolder
	default:
		return ErrHolder
	}
	if h.UID == "" {
		return ErrHolder
	}
	return nil
}

// What is refused.
var (
	ErrHolder  = errors.New("only a client, a user or an IdP holds tokens")
	ErrUnknown = errors.New("no such token is recorded")
)

// Ref finds a token's record: both members as the token says them.
type Ref struct {
	ID       string
	IssuedAt time.Time
}

// Known is what a verified token is compared with.
type Known struct {
	ClientUID   string
	Subject     string
	IdPUID      string // "" where no IdP took part
	ResourceUID string
	Audience    string
	ExpiresAt   time.Time
	Revoked     bool // by whatever revocation; of keys nothing is said here
}

// Standing is what the database says at one time, later than the question.
type Standing struct {
	Version int64    // of the tenant
	Known   []*Known // for each Ref; nil where there is no record
}

// End is why a token ended before its time.
type End struct {
	By    Kind      `json:"by"`
	UID   string    `json:"uid,omitempty"`
	At    time.Time `json:"at"`
	Event string    `json:"event,omitempty"` // of the audit log
}

// Issued is a token's record.
type Issued struct {
	ledger.IssuedToken
	End *End // nil: nothing ended it
}

// State is a token's state at a time.
type State string

// The states of a token.
const (
	Live    State = "live"
	Expired State = "expired"
	Revoked State = "revoked"
)

// State tells whether the token counts at a time.
func (i Issued) State(now time.Time) State {
	switch {
	case i.End != nil:
		return Revoked
	case !now.Before(i.ExpiresAt):
		return Expired
	default:
		return Live
	}
}

// Filter narrows a list of tokens; what is zero does not, but Since and Limit, which are required.
type Filter struct {
	Holder   Holder
	LiveOnly bool
	Since    time.Time // issued at or after
	After    Ref       // the last of the page before
	Limit    int
}

// Mark is a revocation of everything that a holder was given.
type Mark struct {
	Holder Holder
	// Until is when nothing from before the mark can be alive, by our clock: no token, no family of refresh tokens, no session.
	Until time.Time
	Event audit.Event
}

// Tokens are the records of tokens and of revocations.
type Tokens interface {
	// Find returns one record by its id, ErrUnknown if there is none.
	Find(ctx context.Context, t tenant.UID, id string) (Issued, error)
	// List returns records, the newest first.
	List(ctx context.Context, t tenant.UID, f Filter) ([]Issued, error)
	// Count is how many tokens of a holder were alive, by the database's clock, when the tenant's
	// version became below, or are, if below is 0. What other revocations ended before is not counted.
	Count(ctx context.Context, t tenant.UID, h Holder, below int64) (int64, error)
	// CountFamilies is the same of families of refresh tokens.
	CountFamilies(ctx context.Context, t tenant.UID, h Holder, below int64) (int64, error)
	// Mark makes a mark and returns the version of the tenant from which on it does not count.
	Mark(ctx context.Context, t tenant.UID, m Mark) (version int64, err error)
}
