package connection

import (
	"context"
	"errors"
	"time"
)

// What a store answers besides success and being away.
var (
	ErrGone      = errors.New("there is no such connection")
	ErrTaken     = errors.New("the account is connected already")
	ErrMoved     = errors.New("the connection is not as it was any more")
	ErrAmbiguous = errors.New("several accounts are connected: name one")
)

// Store keeps rows. Every method names a tenant, and sees that tenant's alone. Times between rows are measured by the
// store's own clock, which replicas share.
type Store interface {
	// Find lists what an owner connected at a provider and has not ended: nothing sealed.
	Find(ctx context.Context, tenant string, owner Owner, provider string) ([]Connection, error)
	// Held is Find with what is sealed, for whoever is about to open one of them: one question instead of two.
	Held(ctx context.Context, tenant string, owner Owner, provider string) ([]Stored, error)
	// Load gives a row; ErrGone.
	Load(ctx context.Context, tenant, id string) (Stored, error)
	// Begin marks a refresh as in flight, durably. Of all that begin at one version one wins; the others, and those who
	// come where the row is not connected, is in flight (except one that Over names), or rests until RetryIn is over, get
	// ErrMoved.
	Begin(ctx context.Context, a Attempt) error
	// Save puts the successor in the place of what the attempt began with; Version is one more afterwards. An attempt that
	// was given up as lost may still be saved, and makes its connection whole. Saving twice is saving once.
	// ErrMoved: somebody else replaced the credential. ErrGone: the connection went.
	Save(ctx context.Context, a Attempt, s Successor) error
	// Fail ends an attempt that is in flight; ErrMoved where it is not.
	Fail(ctx context.Context, a Attempt, f Failure) error
	// Touch notes a use.
	Touch(ctx context.Context, tenant, id, by string, at time.Time) error
	// RewrapNext lists rows, in the order of their ids and behind one of them, that are sealed with another key.
	RewrapNext(ctx context.Context, tenant, keyID, after string, limit int) ([]Stored, error)
	// RewrapLeft counts them.
	RewrapLeft(ctx context.Context, tenant, keyID string) (int64, error)
	// Rewrap replaces exactly this blob by another of the same content; ErrMoved where it is another one by now.
	Rewrap(ctx context.Context, from Stored, s Successor) error
}

// Attempt is one try to refresh one version of a connection.
type Attempt struct {
	Tenant  string
	ID      string // of the connection
	Version int64  // that it refreshes
	Name    string // its own
	By      string // the replica
	Over    string // the attempt whose place it takes, because that one is too old to be alive
	// RepeatUntil is, with Over, until when what may be used up may be sent again.
	RepeatUntil time.Time
}

// Failure is how an attempt ended without a successor.
type Failure struct {
	Code     string        // the outcome, for people and other replicas
	Terminal bool          // its owner must connect again
	Lost     bool          // nobody knows the successor: with Terminal, and Save is still welcome
	RetryIn  time.Duration // the provider is left alone so long
	Blame    bool          // it counts as a failure of this connection
	// RepeatUntil is set where an answer was lost that may be asked for again. Zero leaves what is there.
	RepeatUntil time.Time
}

// Validate says whether an attempt names everything that it is compared by.
func (a Attempt) Validate() error {
	if a.Tenant == "" || a.ID == "" || a.Version < 1 || a.Name == "" || a.By == "" || a.Name == a.Over {
		return ErrIncomplete
	}
	return nil
}

// Validate says whether a successor may be stored.
func (s Successor) Validate() error {
	if len(s.Blob) == 0 || s.KeyID == "" || s.SealedAt.IsZero() {
		return ErrIncomplete
	}
	return nil
}
