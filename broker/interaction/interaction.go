// Package interaction is what a person finishes that an agent could not: a
// token request was challenged, the agent has no browser, and the person opens
// a link. A link is good once, for one person, client and resource. What the
// person proved there counts for that client and resource until its time is over.
//
// It knows no HTML, no IdP and no SQL.
package interaction

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// Bounds of an interaction.
const (
	// Lifetime is how long a link waits for its person.
	Lifetime = 10 * time.Minute
	// reusable is how much of it must be left for the link to be given again: a person needs time.
	reusable = Lifetime / 2
	// Default is how long a proof counts where policy names no max_age.
	Default = 5 * time.Minute
	// Longest is how long it counts at most, whatever max_age says: the marks of revocations that would end it are kept
	// for longer.
	Longest = 24 * time.Hour
	// maxWaiting is how many links of one person and client wait at once; the oldest goes.
	maxWaiting = 8
)

// What is refused.
var (
	// ErrGone: there is no such link, it was used, or its time is over.
	ErrGone = errors.New("no such interaction waits")
	// ErrWrongPerson: somebody else is signed in than the one for whom it waits.
	ErrWrongPerson = errors.New("the interaction is another person's")
	// ErrUnmet: what the session proves is not what is asked.
	ErrUnmet = errors.New("the authentication does not meet what is asked")
)

// Interaction waits for its person. It rests under the digest of the id in its link.
type Interaction struct {
	Handle      [32]byte
	Tenant      tenant.UID
	UserUID     string
	ClientUID   string
	ClientID    string // by which its client is found
	ResourceUID string
	ACRValues   []string // one of which is needed; empty: any
	MaxAge      *time.Duration
	// Sealed is the id, so that a client that asks again gets the same link.
	Sealed     []byte
	BegunAt    time.Time
	ExpiresAt  time.Time // of the link; once it is finished, of what was proved
	DepartedAt time.Time // when the person last agreed to prove himself; zero: not yet
	Before     [32]byte  // the handle of the session that he had then; zero: none
	FinishedAt time.Time // zero: not yet
	// The rest is what was proved, when it is finished.
	IdPUID  string // where the person is signed in
	Version int64  // of the tenant: a mark above it ends it
	Proof   session.Proof
}

// Demand is what the person has to prove.
func (i Interaction) Demand() policy.StepUp {
	demand := policy.StepUp{ACRValues: i.ACRValues}
	if len(i.ACRValues) == 0 {
		demand.ACRValues = nil
	}
	if i.MaxAge != nil {
		seconds := int64(*i.MaxAge / time.Second)
		demand.MaxAge = &seconds
	}
	return demand
}

// Upstream are the levels that an IdP can be asked for: ours it cannot.
func (i Interaction) Upstream() []string {
	return slices.DeleteFunc(slices.Clone(i.ACRValues), session.IsOwnACR)
}

// ByIdP tells whether an IdP could meet what is asked, if it can step up at all.
func (i Interaction) ByIdP() bool { return len(i.ACRValues) == 0 || len(i.Upstream()) > 0 }

// ByPasskey tells whether a passkey meets what is asked: its level is named, or only the age matters.
func (i Interaction) ByPasskey() bool {
	return len(i.ACRValues) == 0 || slices.Contains(i.ACRValues, session.ACRPasskey)
}

// Proved tells whether s is another session, or another proof, than the one with which the person agreed to prove
// himself: a session's handle changes with what was proved, and never else.
func (i Interaction) Proved(s session.Session) bool {
	return !i.DepartedAt.IsZero() && s.Handle != i.Before
}

// Triple is whom and what a proof counts for.
type Triple struct {
	Tenant                          tenant.UID
	UserUID, ClientUID, ResourceUID string
}

func (t Triple) complete() bool {
	return t.Tenant.Check() == nil && t.UserUID != "" && t.ClientUID != "" && t.ResourceUID != ""
}

// Store keeps interactions. Each method that takes an event is one transaction with it.
type Store interface {
	// Waiting lists the links of a triple that wait and have not ended at now, the newest first.
	Waiting(ctx context.Context, t Triple, now time.Time) ([]Interaction, error)
	// Keep adds a link, and removes the oldest of its user and client so that no more than most wait.
	Keep(ctx context.Context, i Interaction, most int, e audit.Event) error
	// Find gives a link that waits and has not ended at now, or ErrGone.
	Find(ctx context.Context, t tenant.UID, handle [32]byte, now time.Time) (Interaction, error)
	// Depart notes that the person agreed to prove himself, having a session or none (zero); ErrGone as for Find.
	Depart(ctx context.Context, t tenant.UID, handle, before [32]byte, now time.Time) error
	// Finish notes what was proved, if the link still waits at i.FinishedAt; of any number who finish it one does, and
	// the others get ErrGone.
	Finish(ctx context.Context, i Interaction, e audit.Event) error
	// Counting lists what was proved for a triple and counts at now, the newest first: not what a revocation of the
	// user, the client or the IdP has ended.
	Counting(ctx context.Context, t Triple, now time.Time) ([]Interaction, error)
}
