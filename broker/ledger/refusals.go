package ledger

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Bounds of the lane of those who are not authenticated. Whatever is sent to us,
// the log grows by no more than this a minute.
const (
	eventsPerKey    = 10   // events of one tenant, code and source a minute
	eventsPerMinute = 600  // of all
	countedKeys     = 4096 // kinds of refusal counted at once
	lanePatience    = 5 * time.Second
	laneQueue       = 256
)

// Committer is the ledger as the lane sees it.
type Committer interface {
	Commit(ctx context.Context, e Entry) error
}

// Refusals is the lane of those who are not authenticated yet. It is bounded: a
// flood is counted by tenant, code and source, not written down one by one.
type Refusals struct {
	ledger Committer
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	minute  int64
	written int
	kinds   map[refusal]*tally
	others  map[tenant.UID]*tally // what found no room in kinds
	closing bool

	queue chan audit.Event
	stop  chan struct{}
	done  sync.WaitGroup
}

// refusal is a kind of refusal.
type refusal struct {
	tenant tenant.UID
	code   string
	source string
}

// tally is how often it happened within the minute.
type tally struct {
	seen    int
	counted int // of them: not written as events of their own
}

// NewRefusals starts the lane in front of a ledger.
func NewRefusals(l Committer, now func() time.Time, log *slog.Logger) (*Refusals, error) {
	if l == nil || now == nil || log == nil {
		return nil, errors.New("the lane of refusals needs a ledger, a clock and a log")
	}
	r := &Refusals{
		ledger: l, now: now, log: log, queue: make(chan audit.Event, laneQueue), stop: make(chan struct{}),
		kinds: map[refusal]*tally{}, others: map[tenant.UID]*tally{},
	}
	r.done.Go(r.write)
	r.done.Go(r.tick)
	return r, nil
}

// Add records a refusal, or counts it. source is the caller's network address. It never waits.
func (r *Refusals) Add(e audit.Event, source string) {
	key := refusal{tenant: e.Tenant, code: audit.Clean(e.Code), source: audit.Clean(source)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing || e.Tenant.IsZero() {
		return
	}
	r.turn(r.now())
	t := r.kinds[key]
	if t == nil && len(r.kinds) < countedKeys {
		t = &tally{}
		r.kinds[key] = t
	}
	if t == nil {
		if t = r.others[key.tenant]; t == nil {
			t = &tally{}
			r.others[key.tenant] = t // as many as there are tenants
		}
	}
	t.seen++
	if t.seen <= eventsPerKey && r.written < eventsPerMinute && r.put(e) {
		r.written++
		return
	}
	t.counted++
}

// put hands an event to the lane's own goroutine, if there is room.
func (r *Refusals) put(e audit.Event) bool {
	select {
	case r.queue <- e:
		return true
	default:
		return false
	}
}

// turn ends a minute: what was counted becomes one event a kind. The lock is held.
func (r *Refusals) turn(now time.Time) {
	minute := now.Unix() / 60
	if minute == r.minute {
		return
	}
	counted := r.counted(now)
	r.minute, r.written = minute, 0
	clear(r.kinds)
	clear(r.others)
	if len(counted) > 0 {
		r.done.Go(func() { r.commitAll(counted) })
	}
}

// counted makes the events of the minute that ended. The lock is held.
func (r *Refusals) counted(now time.Time) []audit.Event {
	var events []audit.Event
	add := func(k refusal, t *tally) {
		if t.counted == 0 {
			return
		}
		events = append(events, audit.Event{
			ID: id.New(id.Event, now), At: now, Tenant: k.tenant, Type: audit.TypeRefusalsCounted, Outcome: audit.Refused,
			Code: k.code, Principal: audit.Principal{Kind: "anonymous"}, Remote: k.source,
			Detail: map[string]string{
				"count":  strconv.Itoa(t.counted),
				"minute": time.Unix(r.minute*60, 0).UTC().Format(time.RFC3339),
			},
		})
	}
	for k, t := range r.kinds {
		add(k, t)
	}
	for owner, t := range r.others {
		add(refusal{tenant: owner}, t) // of many codes and sources
	}
	return events
}

// write commits what has its own event.
func (r *Refusals) write() {
	for e := range r.queue {
		r.commit(e)
	}
}

// tick ends minutes in which nothing follows.
func (r *Refusals) tick() {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
			r.mu.Lock()
			if !r.closing {
				r.turn(r.now())
			}
			r.mu.Unlock()
		}
	}
}

func (r *Refusals) commitAll(events []audit.Event) {
	for _, e := range events {
		r.commit(e)
	}
}

func (r *Refusals) commit(e audit.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), lanePatience)
	defer cancel()
	if err := r.ledger.Commit(ctx, Entry{Tenant: e.Tenant, Event: e}); err != nil {
		// The reply said no and went out already; nobody was let in without a record.
		r.log.Warn("a refusal was not recorded", "code", e.Code, "error", err)
	}
}

// Close writes down what is counted. It comes before the ledger's own.
func (r *Refusals) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closing {
		r.closing = true
		if counted := r.counted(r.now()); len(counted) > 0 {
			r.done.Go(func() { r.commitAll(counted) })
		}
		close(r.queue)
		close(r.stop)
	}
	r.mu.Unlock()
	finished := make(chan struct{})
	go func() {
		r.done.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
