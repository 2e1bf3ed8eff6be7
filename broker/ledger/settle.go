package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// Margin is how long a redemption is kept after its expiry, for clocks that
// disagree and the skew that assertions are granted. What expired longer ago may
// have been swept, so nothing that did can be redeemed.
const Margin = 10 * time.Minute

// errClock: by the database's clock the thing expired so long ago that its use may be forgotten.
var errClock = fmt.Errorf("%w: our clock disagrees with the database's", ErrUnavailable)

// sheet is one batch on its way: who asks for which claim.
type sheet struct {
	waiters []*waiter
	claims  []Claim
	first   []int   // for each claim: the waiter in whose name it is tried
	wants   [][]int // for each waiter and redemption: its claim
	answers []answer

	families []FamilyClaim
	family   []int // for each waiter: its family; nil if no waiter has one
}

// newSheet gives each key one claim, in the order that all replicas share, so
// that two of them never wait for each other in a circle. The first in the queue
// lends its name.
func newSheet(waiters []*waiter) *sheet {
	type ask struct{ waiter, redemption int }
	s := &sheet{waiters: waiters, wants: make([][]int, len(waiters)), answers: make([]answer, len(waiters))}
	asks := make([]ask, 0, 2*len(waiters))
	for i, w := range waiters {
		s.wants[i] = make([]int, len(w.entry.Redemptions))
		for j := range w.entry.Redemptions {
			asks = append(asks, ask{i, j})
		}
	}
	at := func(a ask) *Redemption { return &waiters[a.waiter].entry.Redemptions[a.redemption] }
	slices.SortFunc(asks, func(a, b ask) int {
		return cmp.Or(at(a).compare(at(b)), cmp.Compare(a.waiter, b.waiter))
	})
	s.claims = make([]Claim, 0, len(asks))
	for i, a := range asks {
		if i == 0 || at(asks[i-1]).compare(at(a)) != 0 {
			s.claims = append(s.claims, waiters[a.waiter].claim(a.redemption))
			s.first = append(s.first, a.waiter)
		}
		s.wants[a.waiter][a.redemption] = len(s.claims) - 1
	}
	s.newFamilies()
	return s
}

func (r *Redemption) compare(other *Redemption) int {
	return cmp.Or(
		cmp.Compare(r.Tenant.String(), other.Tenant.String()),
		cmp.Compare(r.Space, other.Space),
		bytes.Compare(r.Key[:], other.Key[:]),
	)
}

func (w *waiter) claim(i int) Claim {
	r := &w.entry.Redemptions[i]
	return Claim{Tenant: r.Tenant, Space: r.Space, Key: r.Key, Entry: w.entry.Event.ID, ExpiresAt: r.ExpiresAt}
}

// pictures are the distinct pictures of the batch, sorted by tenant.
func (s *sheet) pictures() []Picture {
	var pictures []Picture
	for _, w := range s.waiters {
		for _, p := range w.entry.Pictures {
			if !slices.Contains(pictures, p) {
				pictures = append(pictures, p)
			}
		}
	}
	slices.SortFunc(pictures, func(a, b Picture) int {
		return cmp.Or(cmp.Compare(a.Tenant.String(), b.Tenant.String()), cmp.Compare(a.Version, b.Version))
	})
	return pictures
}

// settle answers each waiter as if the entries had been committed one after the
// other in the order of the queue: an entry whose neighbour lost, and gave its
// redemptions back, finds them free. What the claims were inserted for and what
// came of it is then put right. It has no memory: each call starts anew.
func (s *sheet) settle(from audit.Head, standing Standing) Page {
	const free = -1
	page := Page{From: from}
	owner := make([]int, len(s.claims))
	for i := range owner {
		owner[i] = free
	}
	records := make([]audit.Record, 0, len(s.waiters))
	var lines lines
	for i, w := range s.waiters {
		if err := w.standing(standing); err != nil {
			s.answers[i] = answer{err: err}
			continue
		}
		if !lines.stands(s, i, standing) {
			s.answers[i] = answer{err: ErrMoved}
			continue
		}
		var lost *Redemption
		for j, c := range s.wants[i] {
			taken := !standing.Fresh[c] || (owner[c] != free && owner[c] != i)
			if r := &w.entry.Redemptions[j]; taken && (lost == nil || r.Space.rank() < lost.Space.rank()) {
				lost = r
			}
		}
		for j, c := range s.wants[i] {
			keeps := lost == nil || w.entry.Redemptions[j].Always
			if keeps && standing.Fresh[c] && owner[c] == free {
				owner[c] = i
			}
		}
		if lost != nil {
			record := w.conflict(*lost)
			records = append(records, record)
			if d := w.entry.Decision; d != nil && record.Event.Decision == d.ID {
				page.Decisions = append(page.Decisions, d) // the event leads to it
			}
			if lost.Origin != "" {
				lines.end(&w.entry, Ending{Origin: lost.Origin, Why: EndedByReuse}, &page)
			}
			s.answers[i] = answer{err: &Conflict{Lost: *lost}}
			continue
		}
		records = append(records, w.record)
		if w.entry.Decision != nil {
			page.Decisions = append(page.Decisions, w.entry.Decision)
		}
		if w.entry.Token != nil {
			page.Tokens = append(page.Tokens, w.entry.Token)
		}
		lines.begin(s, i, &page)
		s.answers[i] = answer{}
	}
	for c, claim := range s.claims {
		if !standing.Fresh[c] || owner[c] == s.first[c] {
			continue
		}
		page.Remove = append(page.Remove, claim)
		if owner[c] != free {
			redemption := slices.Index(s.wants[owner[c]], c)
			page.Insert = append(page.Insert, s.waiters[owner[c]].claim(redemption))
		}
	}
	page.Rows, page.To = from.Append(records)
	return page
}

// standing compares the entry's pictures and times with what the database says.
func (w *waiter) standing(s Standing) error {
	for _, p := range w.entry.Pictures {
		if version, known := s.Versions[p.Tenant]; !known || version != p.Version {
			return ErrStale
		}
	}
	for _, r := range w.entry.Redemptions {
		if r.ExpiresAt.Before(s.Now.Add(-Margin / 2)) {
			return errClock
		}
	}
	return nil
}

// rank orders what is told of several losses: the client's own fault first.
func (s Space) rank() int {
	switch s {
	case SpaceClientAssertion:
		return 0
	case SpaceProof:
		return 1
	default:
		return 2
	}
}

// conflict is the record of an entry that lost. It keeps the id under which the entry is known.
func (w *waiter) conflict(lost Redemption) audit.Record {
	e := w.entry.Event
	e.TokenID, e.Scope = "", ""
	e.Outcome, e.Code = audit.Refused, lost.Code
	if e.Type == audit.TypeTokenIssued {
		e.Type = audit.TypeTokenRefused
	}
	if w.entry.Conflict != nil {
		e = w.entry.Conflict(lost)
		e.ID, e.Tenant = w.entry.Event.ID, w.entry.Tenant
		if e.At.IsZero() {
			e.At = w.entry.Event.At
		}
	}
	return audit.NewRecord(e)
}
