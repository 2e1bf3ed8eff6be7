package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Family is the beginning of a line of refresh tokens, each of which replaces the one before. It begins at generation 1.
type Family struct {
	ID     string
	Tenant tenant.UID
	// Origin names what the family came of, an authorization code above all, in everything else that came of it: what
	// ends by its origin ends whole.
	Origin    string
	UserUID   string
	ClientUID string
	IdPUID    string
	Issuer    string   // the IdP's at the beginning: an entry that points elsewhere now is another IdP
	Session   [32]byte // the handle under which the session rests
	Offline   bool     // it outlives the session
	Resources []FamilyResource
	Identity  []string // openid and what goes with it
	// How the person authenticated: fixed, whatever follows. Each is absent where nothing said it.
	ACR      string
	AMR      []string
	AuthTime time.Time
	// Thumbprint is of the key to which the family is bound; "" if to none.
	Thumbprint string
	// Idle ends the family if it is not used for so long, Absolute however it is used. Both count by the database's clock.
	Idle, Absolute time.Duration
	// Version of its tenant at the commit, as of a token. The ledger sets it.
	Version int64
}

// FamilyResource is a resource for which a family may have tokens, and with which scopes.
type FamilyResource struct {
	UID    string   `json:"uid"`
	URI    string   `json:"uri"`
	Scopes []string `json:"scopes"`
}

// Rotation replaces a family's refresh token: from a generation to the next one, if the family is alive and still at it.
// Otherwise nothing of the entry is recorded, and it must be decided again (ErrMoved).
type Rotation struct {
	Family string
	Origin string
	From   int64
	// Repeat moves nothing: the entry is recorded only if the family is alive and still at From.
	Repeat bool
	Idle   time.Duration // from now on, within the family's life
}

// Ending ends everything that came of an origin: families, and tokens that are alive.
type Ending struct {
	Origin string
	Why    string // short, for the record
}

// Why something ended, as it is recorded.
const (
	EndedByReuse   = "reuse"   // what can be used once was used again
	EndedByClient  = "client"  // its own client revoked it
	EndedByAdmin   = "admin"   // an administrator did
	EndedByPerson  = "person"  // the person took it back
	EndedBySession = "session" // the session in which it began ended
)

// FamilyClaim is a family that a batch goes by, and the generation at which its first entry believes it to be.
type FamilyClaim struct {
	Tenant tenant.UID
	ID     string
	From   int64
}

// FamilyStanding is what the database says of a family. There may be none, which is not alive either.
type FamilyStanding struct {
	Alive      bool // nothing ended it; its times are the decision's matter
	Generation int64
}

// Moved is a rotation as a page writes it.
type Moved struct {
	Tenant tenant.UID
	Rotation
}

// Ended is an ending as a page writes it, after everything that the page begins.
type Ended struct {
	Tenant tenant.UID
	Event  string // that tells of it
	Ending
}

func (e Entry) familyClaim() FamilyClaim {
	return FamilyClaim{Tenant: e.Tenant, ID: e.Rotation.Family, From: e.Rotation.From}
}

func (f FamilyClaim) compare(other FamilyClaim) int {
	return cmp.Or(cmp.Compare(f.Tenant.String(), other.Tenant.String()), cmp.Compare(f.ID, other.ID))
}

// newFamilies gives each family one claim, in the order that all replicas share. The first in the queue says where it is.
func (s *sheet) newFamilies() {
	for _, w := range s.waiters {
		if w.entry.Rotation == nil {
			continue
		}
		if s.family == nil {
			s.family = make([]int, len(s.waiters))
		}
		claim := w.entry.familyClaim()
		if !slices.ContainsFunc(s.families, func(f FamilyClaim) bool { return f.compare(claim) == 0 }) {
			s.families = append(s.families, claim)
		}
	}
	if s.family == nil {
		return
	}
	slices.SortFunc(s.families, FamilyClaim.compare)
	for i, w := range s.waiters {
		if w.entry.Rotation != nil {
			s.family[i], _ = slices.BinarySearchFunc(s.families, w.entry.familyClaim(), FamilyClaim.compare)
		}
	}
}

// lines is what becomes of families while a batch is settled. Of a batch without any it costs nothing.
type lines struct {
	moved map[int]bool // by their place among the claims
	ended map[origin]bool
}

type origin struct {
	tenant tenant.UID
	name   string
}

// stands tells whether the waiter's rotation can be made, after all that was settled before it.
func (l *lines) stands(s *sheet, i int, standing Standing) bool {
	r := s.waiters[i].entry.Rotation
	if r == nil {
		return true
	}
	at := standing.Families[s.family[i]]
	return at.Alive && at.Generation == r.From && !l.moved[s.family[i]] && !l.ended[origin{s.waiters[i].entry.Tenant, r.Origin}]
}

// begin notes what an entry that got all it wanted does to families.
func (l *lines) begin(s *sheet, i int, page *Page) {
	e := &s.waiters[i].entry
	if e.Family != nil {
		page.Families = append(page.Families, e.Family)
	}
	if r := e.Rotation; r != nil && !r.Repeat {
		if l.moved == nil {
			l.moved = map[int]bool{}
		}
		l.moved[s.family[i]] = true
		page.Moved = append(page.Moved, Moved{Tenant: e.Tenant, Rotation: *r})
	}
	if e.Ending != nil {
		l.end(e, *e.Ending, page)
	}
}

// end notes an ending, once for each origin.
func (l *lines) end(e *Entry, ending Ending, page *Page) {
	key := origin{e.Tenant, ending.Origin}
	if l.ended[key] {
		return
	}
	if l.ended == nil {
		l.ended = map[origin]bool{}
	}
	l.ended[key] = true
	page.Ended = append(page.Ended, Ended{Tenant: e.Tenant, Event: e.Event.ID, Ending: ending})
}

// Bounds of a family's texts.
const (
	maxFamilyText      = 4 << 10
	maxFamilyResources = 64
)

// checkFamily refuses what could begin, move or end nothing, or go on without end.
func (e Entry) checkFamily() error {
	if f := e.Family; f != nil {
		if e.Token == nil { // whose picture was asked for
			return fmt.Errorf("%w: a family that begins with no token", ErrUnfit)
		}
		if f.Tenant != e.Tenant || f.ID == "" || f.Origin == "" || f.UserUID == "" || f.ClientUID == "" || f.IdPUID == "" || f.Issuer == "" ||
			f.Session == [32]byte{} || len(f.Resources) == 0 || len(f.Resources) > maxFamilyResources || f.Idle <= 0 || f.Absolute <= 0 {
			return fmt.Errorf("%w: a family without its tenant, parties, session, resources or end", ErrUnfit)
		}
		texts := slices.Concat([]string{f.ID, f.Origin, f.UserUID, f.ClientUID, f.IdPUID, f.Issuer, f.ACR, f.Thumbprint}, f.AMR, f.Identity)
		for _, r := range f.Resources {
			if r.UID == "" || len(r.Scopes) == 0 {
				return fmt.Errorf("%w: a family's resource without uid or scopes", ErrUnfit)
			}
			texts = append(append(texts, r.UID, r.URI), r.Scopes...)
		}
		if err := checkTexts(texts); err != nil {
			return err
		}
	}
	if r := e.Rotation; r != nil {
		if e.Token == nil {
			return fmt.Errorf("%w: a rotation that gives no token", ErrUnfit)
		}
		if r.Family == "" || r.Origin == "" || r.From < 1 || (!r.Repeat && r.Idle <= 0) {
			return fmt.Errorf("%w: a rotation without its family, generation or end", ErrUnfit)
		}
		if err := checkTexts([]string{r.Family, r.Origin}); err != nil {
			return err
		}
	}
	if n := e.Ending; n != nil {
		if n.Origin == "" || n.Why == "" {
			return fmt.Errorf("%w: an ending of nothing, or without a reason", ErrUnfit)
		}
		return checkTexts([]string{n.Origin, n.Why})
	}
	return nil
}

func checkTexts(texts []string) error {
	for _, text := range texts {
		if len(text) > maxFamilyText {
			return fmt.Errorf("%w: a family's member is too long", ErrUnfit)
		}
	}
	return plain(texts...)
}
