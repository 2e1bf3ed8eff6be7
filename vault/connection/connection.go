package connection

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/chancery-dev/chancery/vault/provider"
)

// Prefix begins every connection's id.
const Prefix = "con_"

// NewID makes an id at the given time.
func NewID(now time.Time) string {
	var entropy [10]byte
	_, _ = rand.Read(entropy[:]) // never fails: crypto/rand crashes the program first
	var u ulid.ULID
	_ = u.SetTime(uint64(now.UnixMilli())) // a clock before 1970 makes an id that sorts oddly, nothing worse
	_ = u.SetEntropy(entropy[:])
	return Prefix + u.String()
}

// OwnerKind says what an owner is.
type OwnerKind string

// The kinds of owner.
const (
	User   OwnerKind = "user"
	Client OwnerKind = "client"
)

// Owner is whose connection it is.
type Owner struct {
	Kind OwnerKind
	UID  string
}

// Ref is one connection, together with what the asker is known to be: all of it is in the seal, so that with another
// owner's name nothing opens.
type Ref struct {
	Tenant   string // uid
	ID       string
	Owner    Owner
	Provider string // the Provider object's uid: what is made again under its name inherits nothing
}

// Status is what may be done with a connection.
type Status string

// The statuses.
const (
	Connected               Status = "connected"
	ReauthorizationRequired Status = "reauthorization_required" // only its owner can mend it
	Suspended               Status = "suspended"                // an administrator holds it
	Revoked                 Status = "revoked"                  // ended here, and not yet at the provider
)

// RefreshState is where a connection's newest attempt to refresh stands.
type RefreshState string

// The states.
const (
	Idle     RefreshState = "idle"
	InFlight RefreshState = "in_flight" // the provider may have been asked
	Saved    RefreshState = "saved"
	Lost     RefreshState = "lost" // the answer never came to rest; if it still does, it is taken
)

// Flight is a connection's newest attempt.
type Flight struct {
	State   RefreshState
	Attempt string
	By      string // the replica
	Since   time.Time
	Age     time.Duration // by the clock of the store, which replicas share
}

// Connection is everything about one that is no secret.
type Connection struct {
	Ref
	Account provider.Account // its owner confirmed the label; one connection an account
	Scopes  []string
	Status  Status
	Reason  string // why it is not connected
	Version int64  // of the credential: 1, then one more each time it is replaced

	KeyID     string // what it is sealed with
	SealedAt  time.Time
	ExpiresAt time.Time // of the access token; zero: the provider names no end
	RefreshAt time.Time // from when on it is refreshed; zero: never

	Flight      Flight
	Failures    int           // since the last success
	Failure     string        // the last outcome, if it failed
	RetryIn     time.Duration // until the provider may be asked again
	RepeatUntil time.Time     // an answer was lost: until then the refresh token may be sent again, and not later

	CreatedAt  time.Time
	UpdatedAt  time.Time
	LastUsedAt time.Time
	LastUsedBy string // the client
}

// Stored is a connection with its sealed credential.
type Stored struct {
	Connection
	Blob []byte
}

// ErrIncomplete is a mistake of the caller: a part is absent.
var ErrIncomplete = errors.New("a connection needs its tenant, its id, its owner and its provider")

const maxPart = 256

// Validate says what is absent or could not be bound.
func (r Ref) Validate() error {
	if !strings.HasPrefix(r.ID, Prefix) || r.Owner.Kind != User && r.Owner.Kind != Client {
		return ErrIncomplete
	}
	for _, part := range []string{r.Tenant, r.ID[len(Prefix):], r.Owner.UID, r.Provider} {
		if part == "" || len(part) > maxPart {
			return ErrIncomplete
		}
	}
	return nil
}

// Validate says whether a row can be stored as it is.
func (s Stored) Validate() error {
	if err := s.Ref.Validate(); err != nil {
		return err
	}
	if len(s.Blob) == 0 || s.KeyID == "" || s.Version < 1 || s.SealedAt.IsZero() || s.CreatedAt.IsZero() || s.UpdatedAt.IsZero() {
		return fmt.Errorf("%w, a sealed credential and its times", ErrIncomplete)
	}
	switch s.Status {
	case Connected, ReauthorizationRequired, Suspended, Revoked:
		return nil
	default:
		return fmt.Errorf("%w, and a status", ErrIncomplete)
	}
}

// Choose picks one of an owner's connections at a provider, by its account's id or label. Without either it must be the only
// one: ErrGone, ErrAmbiguous.
func Choose(all []Connection, account string) (Connection, error) {
	var found []Connection
	for _, c := range all {
		if account == "" || c.Account.ID == account || c.Account.Label == account {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return Connection{}, ErrGone
	case 1:
		return found[0], nil
	default:
		return Connection{}, ErrAmbiguous
	}
}
