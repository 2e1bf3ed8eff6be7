package keys

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// State is where a key is in its life.
type State string

// The states, in the order in which a key goes through them.
const (
	Prepared State = "prepared" // published; signs from ActiveAt on
	Active   State = "active"   // published; signs unless a successor's ActiveAt has come
	Retiring State = "retiring" // published until ExpiresAt; signs nothing
	Revoked  State = "revoked"  // neither published nor accepted, for ever
)

// Row is a key as it rests (table signing_keys). Zero times are null.
type Row struct {
	KeyID     string // RFC 7638 thumbprint
	Algorithm string
	State     State
	PublicJWK []byte // as published
	Sealed    []byte // vault blob of the PKCS #8 private key
	CreatedAt time.Time
	ActiveAt  time.Time // when it signs, or will
	RetiredAt time.Time
	ExpiresAt time.Time // of a retiring key: from then on it is not published
	RevokedAt time.Time
}

// Mark is what a change was decided on: a key and its state.
type Mark struct {
	KeyID string
	State State
}

// Change is one step of a tenant's keys, all or none of it.
type Change struct {
	Tenant tenant.UID
	// Before is every key of the tenant as it was read, in any order. If the keys
	// are others now, nothing is written and the answer is ErrConflict.
	Before []Mark
	Insert []Row
	Update []Row    // State and the times, by KeyID
	Delete []string // key ids whose time is over
	// Raise is not empty when the change takes something away: the tenant's version is
	// raised in the same transaction, under the lock that the ledger shares.
	Raise  []ledger.ChangedObject
	Events []audit.Event
}

func (c Change) isEmpty() bool { return len(c.Insert)+len(c.Update)+len(c.Delete) == 0 }

// ErrConflict says that somebody else changed the keys meanwhile.
var ErrConflict = errors.New("the keys changed meanwhile")

// Store keeps signing keys.
type Store interface {
	// SigningKeys returns all keys of a tenant.
	SigningKeys(ctx context.Context, t tenant.UID) ([]Row, error)
	// ChangeSigningKeys makes one change in one transaction that excludes all others of
	// the tenant. Two that were decided on the same marks: one succeeds, one is ErrConflict.
	ChangeSigningKeys(ctx context.Context, c Change) error
}
