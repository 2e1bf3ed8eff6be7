// Package proposal is four eyes: a change of a tenant that somebody drafted or that a second person must allow, until it is published,
// rejected or dropped. Whoever allows it is another person, never a program, and never the one who wrote it under whatever name;
// his word is bound to the content's hash, to what it was made on, and to a day; that he may still give it is asked again
// when it is carried out. It changes nothing itself: objects change on their one path. It knows no HTTP and no database.
package proposal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// State is how far a proposal has come.
type State string

// The states. One that is proposed or approved and whose time is over is Expired, which is not stored.
const (
	Draft     State = "draft"
	Proposed  State = "proposed"
	Approved  State = "approved"
	Published State = "published"
	Rejected  State = "rejected"
	Dropped   State = "dropped"
	Expired   State = "expired"
)

// Open tells whether something may still become of it.
func (s State) Open() bool { return s == Draft || s == Proposed || s == Approved }

// Bounds.
const (
	Lifetime      = 24 * time.Hour      // of a proposal, approved or not
	DraftLifetime = 30 * 24 * time.Hour // since it was last written
	MaxOpen       = 100                 // of a tenant
	MaxChange     = 4 << 20             // bytes
	MaxNote       = 1024                // bytes
)

// What is refused, and why.
var (
	ErrUnknown  = errors.New("no such proposal")
	ErrMoved    = errors.New("the proposal has changed meanwhile: look at it again")
	ErrState    = errors.New("the proposal is not in a state for this")
	ErrExpired  = errors.New("the proposal's time is over: propose it again")
	ErrHash     = errors.New("the proposal's content is not the one that was seen")
	ErrFull     = errors.New("too many proposals are open")
	ErrTooLarge = errors.New("the change is too large for a proposal")
	ErrProgram  = errors.New("a program cannot approve: a person must")
	ErrSelf     = errors.New("nobody approves what he wrote himself")
	ErrStanding = errors.New("who approves does not hold the permission to")
	ErrNothing  = errors.New("there is nothing to propose: it is so already")
)

// Proposal is one change that waits.
type Proposal struct {
	Tenant     tenant.UID
	ID         string
	State      State
	Needs      []object.Need
	Kind       object.Kind // of the first object, for lists
	Name       string
	Change     []byte // JSON of an object.Changeset
	Hash       string
	Manager    string
	Author     audit.Principal
	Authors    []object.Human // everybody who wrote some of it
	Note       string
	RollbackOf int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
	ExpiresAt  time.Time

	Approver     *object.Human
	ApprovedHash string
	ApprovedAt   time.Time
	SettledBy    string
	ShadowUntil  time.Time
}

// At is the state at a time.
func (p Proposal) At(now time.Time) State {
	if p.State.Open() && !now.Before(p.ExpiresAt) {
		return Expired
	}
	return p.State
}

// Changeset is the change, checked against its hash.
func (p Proposal) Changeset() (object.Changeset, error) {
	var c object.Changeset
	if p.Hash == "" || HashOf(p.Tenant, p.Manager, p.Change) != p.Hash {
		return c, fmt.Errorf("proposal %s: %w", p.ID, ErrHash)
	}
	return decode(p.Change)
}

// HashOf is the hash that an approval is bound to.
func HashOf(t tenant.UID, manager string, change []byte) string {
	h := sha256.New()
	h.Write([]byte(t.String() + "\n" + manager + "\n"))
	h.Write(change)
	return hex.EncodeToString(h.Sum(nil))
}

// Store keeps proposals. Every method names its tenant.
type Store interface {
	// Add answers ErrFull where most are open at the time of the proposal's creation.
	Add(ctx context.Context, p Proposal, most int, e audit.Event) error
	Get(ctx context.Context, t tenant.UID, id string) (Proposal, error)
	// List returns the newest first, those before an id ("": all), without their change.
	List(ctx context.Context, t tenant.UID, before string, limit int) ([]Proposal, error)
	// Find returns the open proposals with a hash.
	Find(ctx context.Context, t tenant.UID, hash string) ([]Proposal, error)
	// Move writes what became of a proposal that is still in a state and of a hash; another one answers ErrMoved.
	Move(ctx context.Context, from State, hash string, to Proposal, e audit.Event) error
}

// Shelf keeps what is proposed. Every part is required.
type Shelf struct {
	Store Store
	Now   func() time.Time
}

var _ object.Proposals = Shelf{}

// Propose implements object.Proposals: what was applied and needs a second person.
func (s Shelf) Propose(ctx context.Context, o object.Proposed) (object.Pending, error) {
	p, err := s.put(ctx, Proposed, Lifetime, o)
	return p.pending(), err
}

func (p Proposal) pending() object.Pending {
	return object.Pending{Code: object.CodePending, Needs: p.Needs, Proposal: p.ID, Hash: p.Hash, ExpiresAt: p.ExpiresAt}
}

// put keeps a change. One that waits already, of the same author, is that one.
func (s Shelf) put(ctx context.Context, state State, lifetime time.Duration, o object.Proposed) (Proposal, error) {
	p, err := s.write(o)
	if err != nil {
		return p, err
	}
	now := s.Now()
	p.ID, p.State, p.CreatedAt, p.ExpiresAt = id.New(id.Proposal, now), state, now, now.Add(lifetime)
	same, err := s.Store.Find(ctx, p.Tenant, p.Hash)
	if err != nil {
		return p, err
	}
	for _, other := range same {
		if other.At(now) == state && other.Author == p.Author && slices.Equal(other.Needs, p.Needs) && slices.Equal(other.Authors, p.Authors) {
			return other, nil
		}
	}
	return p, s.Store.Add(ctx, p, MaxOpen, s.event(p, audit.TypeProposalMade, o.Request.By, o.Request.Trace))
}

func (s Shelf) write(o object.Proposed) (Proposal, error) {
	p := Proposal{
		Tenant: o.Tenant, Needs: o.Needs, Manager: o.Request.Manager, Author: o.Request.By, Note: o.Request.Note,
		RollbackOf: o.Request.RollbackOf, UpdatedAt: s.Now(),
	}
	switch {
	case len(o.Change.Objects) > 0:
		p.Kind, p.Name = o.Change.Objects[0].Kind, o.Change.Objects[0].Metadata.Name
	case len(o.Change.Deletes) > 0:
		p.Kind, p.Name = o.Change.Deletes[0].Kind, o.Change.Deletes[0].Name
	default:
		return p, ErrNothing
	}
	if len(p.Note) > MaxNote {
		return p, fmt.Errorf("note: %w: more than %d bytes", ErrTooLarge, MaxNote)
	}
	if o.Request.Human != nil {
		p.Authors = []object.Human{*o.Request.Human}
	}
	var err error
	if p.Change, err = json.Marshal(o.Change); err != nil {
		return p, err
	}
	if len(p.Change) > MaxChange {
		return p, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(p.Change), MaxChange)
	}
	p.Hash = HashOf(p.Tenant, p.Manager, p.Change)
	return p, nil
}

func (s Shelf) event(p Proposal, kind audit.Type, by audit.Principal, trace string) audit.Event {
	now := s.Now()
	needs := make([]string, len(p.Needs))
	for i, n := range p.Needs {
		needs[i] = string(n)
	}
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: p.Tenant, Trace: trace, Type: kind, Outcome: audit.Changed, Principal: by,
		Detail: map[string]string{
			"proposal": p.ID, "state": string(p.State), "kind": string(p.Kind), "name": p.Name, "hash": p.Hash,
			"needs": strings.Join(needs, " "), "note": p.Note, "author": object.PrincipalName(p.Author),
		},
	}
}
