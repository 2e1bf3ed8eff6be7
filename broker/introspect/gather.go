package introspect

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Records is what the database says of tokens. An answer is never older than its question.
type Records interface {
	Standing(ctx context.Context, t tenant.UID, refs []lifecycle.Ref) (lifecycle.Standing, error)
}

// Bounds of a Gatherer.
const (
	maxReading = 256 // tokens in one reading
	maxFlights = 2   // readings of a tenant at a time

	// patience bounds the wait of one who asks: a database that hangs is answered before he gives up (F4).
	patience = 3 * time.Second
)

// Gatherer asks for many tokens at once. Whoever comes while a reading is under way
// waits for the next one, which begins after he came: what he learns is never older
// than his question, and costs a small part of a round trip.
type Gatherer struct {
	records Records

	mu     sync.Mutex
	queues map[tenant.UID]*queue
}

type queue struct {
	waiting []*question
	flights int
}

type question struct {
	ref     *lifecycle.Ref // nil: only the version is asked for
	done    chan struct{}
	version int64
	known   *lifecycle.Known
	err     error
	left    atomic.Bool // nobody waits for it any more
}

// errLate: the database did not answer in time, so nothing is known.
var errLate = errors.New("the records of tokens did not answer in time")

// NewGatherer makes a Gatherer over the records.
func NewGatherer(r Records) *Gatherer {
	return &Gatherer{records: r, queues: map[tenant.UID]*queue{}}
}

// Ask reads the tenant's version, and the record of a token if one is named; nil if there is none.
func (g *Gatherer) Ask(ctx context.Context, t tenant.UID, ref *lifecycle.Ref) (version int64, known *lifecycle.Known, err error) {
	if err := t.Check(); err != nil {
		return 0, nil, err
	}
	asked := &question{ref: ref, done: make(chan struct{})}
	g.mu.Lock()
	q := g.queues[t]
	if q == nil {
		q = &queue{}
		g.queues[t] = q
	}
	q.waiting = append(q.waiting, asked)
	fly := q.flights < maxFlights
	if fly {
		q.flights++
	}
	g.mu.Unlock()
	if fly {
		go g.fly(context.WithoutCancel(ctx), t, q)
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-asked.done:
		return asked.version, asked.known, asked.err
	case <-ctx.Done():
		asked.left.Store(true)
		return 0, nil, ctx.Err()
	case <-late.C:
		asked.left.Store(true)
		return 0, nil, errLate
	}
}

// fly reads until nobody waits. The store bounds the time of a reading.
func (g *Gatherer) fly(ctx context.Context, t tenant.UID, q *queue) {
	for {
		batch := g.next(t, q)
		if len(batch) == 0 {
			return
		}
		var refs []lifecycle.Ref
		for _, asked := range batch {
			if asked.ref != nil {
				refs = append(refs, *asked.ref)
			}
		}
		standing, err := g.records.Standing(ctx, t, refs)
		at := 0
		for _, asked := range batch {
			asked.version, asked.err = standing.Version, err
			if asked.ref != nil && err == nil {
				asked.known = standing.Known[at]
				at++
			}
			close(asked.done)
		}
	}
}

// next takes who waits, or ends the flight. Who left is forgotten, so that nothing piles up before a database that hangs.
func (g *Gatherer) next(t tenant.UID, q *queue) []*question {
	g.mu.Lock()
	defer g.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(asked *question) bool { return asked.left.Load() })
	n := min(len(q.waiting), maxReading)
	if n == 0 {
		if q.flights--; q.flights == 0 {
			delete(g.queues, t)
		}
		return nil
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}
