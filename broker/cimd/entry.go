package cimd

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// shelf is what is remembered for one tenant, by client_id. Tenants share
// nothing: what one asked for tells another nothing.
type shelf map[string]*entry

// entry is what is known of one client_id: a document, or why there is none.
type entry struct {
	document  *Document // nil when none may be used
	former    *Document // the last that was good, to see differences
	fetched   time.Time // when it was asked for
	fresh     time.Time // until when it is used without a question
	attempted time.Time // the last attempt
	failure   error     // of the last attempt, nil when it succeeded
	used      time.Time
	flight    *flight
}

// flight is one attempt, which everybody who asks meanwhile waits for.
type flight struct {
	done     chan struct{}
	document *Document
	stale    bool
	err      error
}

// document is a straight line from what is remembered to what has to be asked.
func (s *Source) document(ctx context.Context, t tenant.UID, u URL) (d *Document, stale bool, err error) {
	now := s.now()
	s.mu.Lock()
	e := s.shelves[t][u.raw]

	// 1. Known and fresh. A clock that went back makes nothing fresher.
	if e != nil && e.document != nil && now.Before(e.fresh) && !now.Before(e.fetched) {
		e.used = now
		d = e.document
		s.mu.Unlock()
		return d, false, nil
	}

	// 2. Asked for a moment ago, in vain: the same answer, and no question.
	if e != nil && e.flight == nil && e.cooling(now) {
		defer s.mu.Unlock()
		e.used = now
		return e.answer(now)
	}

	// 3. One attempt. What nobody knows yet is paid for from a budget, since
	// anybody may ask for it.
	if e == nil || e.document == nil && e.flight == nil {
		if wait, ok := s.budget.take(t, u.host, now); !ok {
			s.mu.Unlock()
			refusal := oauth.Refuse(oauth.CodeCIMDRateExceeded, u.host, "fewer unknown documents")
			refusal.RetryAfter = wait
			return nil, false, refusal
		}
	}
	f := s.start(t, u, e, now)
	s.mu.Unlock()

	select {
	case <-f.done:
		return f.document, f.stale, own(f.err)
	case <-ctx.Done():
		return nil, false, unavailable(oauth.CodeCIMDUnavailable, ctx.Err())
	}
}

// cooling tells whether the last attempt failed less than Cooldown ago.
func (e *entry) cooling(now time.Time) bool {
	since := now.Sub(e.attempted)
	return e.failure != nil && since >= 0 && since < Cooldown
}

// answer is what an entry without a fresh document has to say.
func (e *entry) answer(now time.Time) (d *Document, stale bool, err error) {
	if e.document != nil && e.mayServe(now) {
		return e.document, true, nil
	}
	return nil, false, own(e.failure)
}

// mayServe bounds how long a last good document counts.
func (e *entry) mayServe(now time.Time) bool {
	age := now.Sub(e.fetched)
	return age >= 0 && age < MaxStale
}

// start begins an attempt, or joins the one under way. The caller holds the lock.
func (s *Source) start(t tenant.UID, u URL, e *entry, now time.Time) *flight {
	if e == nil {
		e = s.place(t, u.raw)
	}
	e.used = now
	if e.flight != nil {
		return e.flight
	}
	e.attempted = now
	f := &flight{done: make(chan struct{})}
	e.flight = f
	s.flights.Go(func() { s.fly(t, u, e, f, now) })
	return f
}

// place makes room for an entry.
func (s *Source) place(t tenant.UID, clientID string) *entry {
	entries := s.shelves[t]
	if entries == nil {
		entries = shelf{}
		s.shelves[t] = entries
	}
	if len(entries) >= s.limit {
		entries.evict()
	}
	e := &entry{}
	entries[clientID] = e
	return e
}

// evict drops what was unused for longest: failures first, so that asking for
// what is not there pushes nobody out. What is being fetched stays; there is
// little of it, since it was paid for.
func (sh shelf) evict() {
	var oldest string
	var found *entry
	for id, e := range sh {
		switch {
		case e.flight != nil:
		case found == nil, found.document != nil && e.document == nil,
			(found.document == nil) == (e.document == nil) && e.used.Before(found.used):
			oldest, found = id, e
		}
	}
	if found != nil {
		delete(sh, oldest)
	}
}

// land takes an attempt's result over.
func (s *Source) land(e *entry, f *flight, d *Document, lifetime time.Duration, failure error, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.flight, e.failure = nil, failure
	switch {
	case failure == nil:
		e.document, e.former = d, d
		e.fetched, e.fresh = began, began.Add(lifetime)
		f.document = d
	case e.document != nil && away(failure) && e.mayServe(s.now()):
		f.document, f.stale = e.document, true
	default: // what its host takes back, or spoils, does not count any more
		e.document = nil
		f.err = failure
	}
}

// own gives each caller an error of its own: those who answer add to it.
func own(err error) error {
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return err
	}
	c := *refusal
	return &c
}
