// Package ledger is the write-combining journal: one request's facts are one
// Entry, one writer per process commits whatever is queued as one batch, and
// nobody answers before the batch is durable. Uniqueness is the database's, so
// it holds across replicas. It knows no SQL; a Journal writes the batches.
package ledger

import (
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Space keeps keys of different things apart.
type Space string

// The things that are redeemed once.
const (
	SpaceAssertion       Space = "assertion"
	SpaceClientAssertion Space = "client_assertion"
	SpaceProof           Space = "dpop"
	SpaceRevokedToken    Space = "revoked_token" // a token's revocation: made once, kept until it would have expired
)

// Redemption is the use of something that can be used once.
type Redemption struct {
	Tenant    tenant.UID
	Space     Space
	Key       [32]byte // SHA-256 of issuer ‖ 0 ‖ id (or the space's own parts)
	ExpiresAt time.Time
	// Always keeps the thing used up even if the entry loses or refuses
	// (client assertions, proofs); otherwise a loser's redemption is taken back.
	Always bool
	// Code of the catalogue if the thing was used before.
	Code string
	// Origin, where it is set, names what came of the first use: a second one ends it, in the transaction that records the
	// conflict (RFC 6749 §4.1.2).
	Origin string
}

// Picture is the version of a tenant on which an entry was decided.
type Picture struct {
	Tenant  tenant.UID
	Version int64
}

// Decision is one policy evaluation with its recorded input and result.
type Decision struct {
	ID        string
	At        time.Time
	Tenant    tenant.UID
	Trace     string
	Action    string
	Allow     bool
	Code      string
	Policies  []audit.PolicyRef
	InputHash [32]byte
	Input     []byte // JSON
	Result    []byte // JSON
}

// IssuedToken is what is remembered of a token; never the token.
type IssuedToken struct {
	ID         string // jti
	Tenant     tenant.UID
	IssuedAt   time.Time
	ExpiresAt  time.Time
	KeyID      string
	GrantType  string
	ClientUID  string
	Subject    string
	IdPUID     string
	ResourceID string
	Audience   string
	Scope      string
	Thumbprint string // of the key it is bound to
	DecisionID string
	Trace      string
	Origin     string // what it came of, where that can end it; else ""
	// Version of its tenant at the commit, so that what is revoked at a version is revoked whatever clocks say.
	// The ledger sets it.
	Version int64
}

// Entry is one request's facts, all or none of them.
type Entry struct {
	Tenant      tenant.UID
	Pictures    []Picture
	Redemptions []Redemption
	Decision    *Decision
	Token       *IssuedToken
	Family      *Family   // begins
	Rotation    *Rotation // of a family that there is
	Ending      *Ending
	Event       audit.Event
	// Conflict makes the event that is recorded instead when a redemption was lost.
	Conflict func(lost Redemption) audit.Event
}

// Conflict says which of an entry's redemptions had been made before.
type Conflict struct{ Lost Redemption }

// Error implements error.
func (c *Conflict) Error() string { return "already redeemed: " + string(c.Lost.Space) }

// What a commit answers besides success and *Conflict.
var (
	// ErrStale: the entry was decided on an older picture of its tenant; decide again.
	ErrStale = errors.New("decided on an older picture of the tenant")
	// ErrMoved: the family was rotated or has ended meanwhile; look at it and decide again.
	ErrMoved = errors.New("the family of refresh tokens has moved")
	// ErrUnavailable: nothing was recorded, nothing may be issued.
	ErrUnavailable = errors.New("the ledger cannot be written")
)
