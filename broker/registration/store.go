package registration

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// What a store answers besides success.
var (
	// ErrUnknown: there is no such registration, or initial access token.
	ErrUnknown = errors.New("no such registration")
	// ErrMoved: it changed meanwhile.
	ErrMoved = errors.New("the registration changed meanwhile")
	// ErrFull: the tenant has as many clients as it may.
	ErrFull = errors.New("as many clients registered themselves as may")
	// ErrToken: the initial access token is none, has expired, or was used as often as it may.
	ErrToken = errors.New("the initial access token does not count")
)

// Initial is an initial access token (RFC 7591 §3), without what it is.
type Initial struct {
	Tenant    tenant.UID
	ID        string
	Digest    Digest
	Note      string // for people
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time
	Uses      int // how many clients it lets register
	UsesLeft  int
}

// Store keeps registrations. Every change is one transaction with its event.
type Store interface {
	// Add adds a client, if the tenant has fewer than most. initial, if not nil, is the digest of an initial access token: one
	// use is taken from it in the same transaction, and the record gets its id. ErrFull, ErrToken.
	Add(ctx context.Context, r Record, most int, initial *Digest, e audit.Event) error
	// Find finds a client, ErrUnknown.
	Find(ctx context.Context, t tenant.UID, clientID string) (Record, error)
	// List pages by client_id.
	List(ctx context.Context, t tenant.UID, after string, limit int) ([]Record, error)
	// Replace writes a record whose Revision is one more than what is stored (ErrMoved), at a new version of the tenant.
	Replace(ctx context.Context, r Record, e audit.Event) (version int64, err error)
	// Remove takes clients away and ends what they were given, at a new version of the tenant. unused, if not zero, spares
	// those that were used since. It tells which went; with none the event is not recorded.
	Remove(ctx context.Context, t tenant.UID, clientIDs []string, unused time.Time, until time.Time, e func(gone []string) audit.Event) (gone []string, version int64, err error)
	// Unused lists clients that nobody has used since a time.
	Unused(ctx context.Context, t tenant.UID, since time.Time, limit int) ([]string, error)
	// Touch notes that a client was used.
	Touch(ctx context.Context, t tenant.UID, clientID string, at time.Time) error

	AddInitial(ctx context.Context, i Initial, e audit.Event) error
	Initials(ctx context.Context, t tenant.UID) ([]Initial, error)
	RemoveInitial(ctx context.Context, t tenant.UID, id string, e audit.Event) error
	// DropInitials removes those that expired before a time.
	DropInitials(ctx context.Context, t tenant.UID, before time.Time) error
}
