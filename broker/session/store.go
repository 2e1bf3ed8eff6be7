package session

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// What a store answers besides success.
var (
	// ErrGone: there is no such session, or it has ended.
	ErrGone = errors.New("there is no such session")
	// ErrMarked: a revocation of the user or of the IdP came between the decision and the session.
	ErrMarked = errors.New("revoked while it began")
)

// Store keeps sessions and profiles. Whatever has ended, by itself or by a mark
// above its version, is ErrGone. Each method that takes an event is one
// transaction with it. A *ledger.Conflict says what had been redeemed before.
type Store interface {
	// Find finds a session by its handle.
	Find(ctx context.Context, t tenant.UID, handle [32]byte) (Session, error)
	// Follow finds the session in which the one of a handle goes on, which may be the same.
	Follow(ctx context.Context, t tenant.UID, handle [32]byte) (Session, error)
	Start(ctx context.Context, b Beginning) error
	// Touch notes that a session was seen. It never goes back.
	Touch(ctx context.Context, t tenant.UID, handle [32]byte, at time.Time) error
	// End ends those that are meant, ErrGone if that is none. known tells whether the person whom it names, or
	// else the session, has or had one that is not forgotten yet.
	End(ctx context.Context, e Ending) (known bool, err error)
	// List lists a user's sessions, the newest first.
	List(ctx context.Context, t tenant.UID, userUID string) ([]Session, error)
	Profile(ctx context.Context, t tenant.UID, userUID, idpUID string) (Profile, bool, error)
}

// Beginning is a session that begins, or goes on under another handle.
type Beginning struct {
	Session Session
	// Previous, if not nil, ends with it. If its id is the session's, that goes on.
	Previous *[32]byte
	Profile  *Profile // nil leaves what is there
	// Redemptions are what is used up with it, once: a response, a request.
	Redemptions []ledger.Redemption
	Event       audit.Event
	// Ended tells of the previous session where that is another one; nil where it goes on.
	Ended *audit.Event
}

// Ending ends sessions of one tenant, and uses up what says so.
type Ending struct {
	Tenant tenant.UID
	At     time.Time
	Reason string
	// Which are meant: by handle; by ID and user; all of a user, so many at a time; or by how an IdP names them.
	Handle   *[32]byte
	ID       string
	UserUID  string
	All      bool
	Upstream *Named
	// Always keeps the event and the redemptions where no session was meant, instead of ErrGone.
	Always      bool
	Redemptions []ledger.Redemption
	Event       audit.Event
}

// Named is how an IdP names sessions that end. Empty members say nothing, but one
// of Subject and SessionIDs must be there; both must hold where both are, except
// that a session of Subject for which the IdP named no id when it began ends too.
type Named struct {
	IdPUID     string
	Subject    string
	Tenant     string
	SessionIDs []string
}
