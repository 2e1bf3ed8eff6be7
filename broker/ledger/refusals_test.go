package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

var acme = tenant.MustParseUID("ten_01JACME0000000000000000000")

type recorder struct {
	mu     sync.Mutex
	events []audit.Event
	gate   chan struct{}
}

func (r *recorder) Commit(_ context.Context, e ledger.Entry) error {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e.Event)
	return nil
}

// of counts the events of a type and what the counting ones add up to.
func (r *recorder) of(kind audit.Type) (events, counted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Type != kind {
			continue
		}
		events++
		var n int
		if _, err := fmt.Sscan(e.Detail["count"], &n); err == nil {
			counted += n
		}
	}
	return events, counted
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func refused(at time.Time, code string) audit.Event {
	return audit.Event{
		ID: id.New(id.Event, at), At: at, Tenant: acme, Type: audit.TypeRequestRefused, Outcome: audit.Refused, Code: code,
		Principal: audit.Principal{Kind: "anonymous"},
	}
}

func newLane(t *testing.T, r *recorder, c *clock) *ledger.Refusals {
	t.Helper()
	lane, err := ledger.NewRefusals(r, c.now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return lane
}

func TestRefusalsAreCountedPastTheFirstTen(t *testing.T) {
	c := &clock{at: time.Date(2026, 11, 20, 12, 0, 5, 0, time.UTC)}
	r := &recorder{}
	lane := newLane(t, r, c)
	for range 100 {
		lane.Add(refused(c.now(), "client_authentication_failed"), "192.0.2.1")
	}
	lane.Add(refused(c.now(), "client_authentication_failed"), "192.0.2.2") // another source
	c.add(time.Minute)
	lane.Add(refused(c.now(), "client_authentication_failed"), "192.0.2.1") // another minute
	if err := lane.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if own, _ := r.of(audit.TypeRequestRefused); own != 12 {
		t.Errorf("%d events of their own, want 10 + 1 + 1", own)
	}
	if events, counted := r.of(audit.TypeRefusalsCounted); events != 1 || counted != 90 {
		t.Errorf("%d counting events for %d refusals, want 1 for 90", events, counted)
	}
	for _, e := range r.events {
		if e.Type == audit.TypeRefusalsCounted && (e.Detail["minute"] != "2026-11-20T12:00:00Z" || e.Remote != "192.0.2.1") {
			t.Errorf("the counting event names %s, %s", e.Detail["minute"], e.Remote)
		}
	}
}

func TestAFloodFromEverywhereIsBounded(t *testing.T) {
	c := &clock{at: time.Date(2026, 11, 20, 12, 0, 5, 0, time.UTC)}
	r := &recorder{gate: make(chan struct{})} // a ledger that takes nothing meanwhile
	lane := newLane(t, r, c)
	const all = 20_000
	for i := range all {
		lane.Add(refused(c.now(), "client_authentication_failed"), fmt.Sprint("source ", i))
	}
	close(r.gate)
	if err := lane.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	own, _ := r.of(audit.TypeRequestRefused)
	events, counted := r.of(audit.TypeRefusalsCounted)
	if own > 600 || events > 4097 {
		t.Errorf("the log grew by %d + %d events", own, events)
	}
	if own+counted != all {
		t.Errorf("%d refusals are accounted for, of %d", own+counted, all)
	}
}

func TestRefusalsAfterTheCloseAreDropped(t *testing.T) {
	c := &clock{at: time.Date(2026, 11, 20, 12, 0, 5, 0, time.UTC)}
	r := &recorder{}
	lane := newLane(t, r, c)
	if err := lane.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	lane.Add(refused(c.now(), "x"), "192.0.2.1")
	if len(r.events) != 0 {
		t.Error("an event after the end")
	}
}
