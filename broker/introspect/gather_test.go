package introspect

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// slow is a database that answers when it is told to, with the version of that moment.
type slow struct {
	version atomic.Int64
	gate    chan struct{} // nil: at once
	begun   chan struct{}
	reads   atomic.Int64
	fail    error
}

func (s *slow) Standing(_ context.Context, _ tenant.UID, refs []lifecycle.Ref) (lifecycle.Standing, error) {
	s.reads.Add(1)
	standing := lifecycle.Standing{Version: s.version.Load(), Known: make([]*lifecycle.Known, len(refs))}
	for i, r := range refs {
		standing.Known[i] = &lifecycle.Known{Subject: r.ID}
	}
	if s.gate != nil {
		s.begun <- struct{}{}
		<-s.gate
	}
	return standing, s.fail
}

var acme = tenant.MustParseUID("ten_acme")

// Nobody gets an answer that was read before he asked.
func TestAnswersAreNotOlderThanQuestions(t *testing.T) {
	s := &slow{gate: make(chan struct{}), begun: make(chan struct{}, 100)}
	s.version.Store(1)
	g := NewGatherer(s)
	answers := make(chan int64, 10)
	ask := func() {
		version, _, err := g.Ask(t.Context(), acme, nil)
		if err != nil {
			t.Error(err)
		}
		answers <- version
	}
	for range maxFlights { // all flights have read version 1 and are not back yet
		go ask()
		<-s.begun
	}
	s.version.Store(2)
	late := make(chan int64)
	go func() {
		version, _, _ := g.Ask(t.Context(), acme, nil)
		late <- version
	}()
	for { // the late one waits for its turn
		g.mu.Lock()
		waiting := len(g.queues[acme].waiting)
		g.mu.Unlock()
		if waiting == 1 {
			break
		}
	}
	close(s.gate)
	if version := <-late; version != 2 {
		t.Errorf("who asked at version 2 was told %d", version)
	}
	for range maxFlights {
		if version := <-answers; version != 1 {
			t.Errorf("who asked at version 1 was told %d", version)
		}
	}
}

func TestEachGetsHisOwn(t *testing.T) {
	s := &slow{}
	g := NewGatherer(s)
	var wg sync.WaitGroup
	for i := range 2000 {
		wg.Go(func() {
			of := acme
			if i%3 == 0 {
				of = tenant.MustParseUID("ten_globex")
			}
			var ref *lifecycle.Ref
			if i%5 != 0 {
				ref = &lifecycle.Ref{ID: strconv.Itoa(i)}
			}
			_, known, err := g.Ask(t.Context(), of, ref)
			if err != nil || (known == nil) != (ref == nil) || known != nil && known.Subject != ref.ID {
				t.Errorf("%d was told of %+v, %v", i, known, err)
			}
		})
	}
	wg.Wait()
	for { // the last flight ends after the last answer
		g.mu.Lock()
		left := len(g.queues)
		g.mu.Unlock()
		if left == 0 {
			break
		}
	}
	if s.reads.Load() > 2000 {
		t.Errorf("%d readings", s.reads.Load())
	}
}

// Who left is forgotten, and read for no more.
func TestWhoLeftIsForgotten(t *testing.T) {
	s := &slow{gate: make(chan struct{}), begun: make(chan struct{}, 100)}
	g := NewGatherer(s)
	var wg sync.WaitGroup
	for range maxFlights {
		wg.Go(func() { _, _, _ = g.Ask(t.Context(), acme, nil) })
		<-s.begun
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		if _, _, err := g.Ask(gone, acme, nil); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	close(s.gate)
	wg.Wait()
	if n := s.reads.Load(); n != maxFlights {
		t.Errorf("%d readings, %d of them for nobody", n, n-maxFlights)
	}
}

func TestNobodyWaitsForWhatDoesNotCome(t *testing.T) {
	s := &slow{gate: make(chan struct{}), begun: make(chan struct{}, 100)}
	defer close(s.gate)
	g := NewGatherer(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := g.Ask(ctx, acme, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, _, err := g.Ask(t.Context(), tenant.UID{}, nil); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("got %v", err)
	}
	failing := NewGatherer(&slow{fail: errors.New("no database")})
	if _, known, err := failing.Ask(t.Context(), acme, &lifecycle.Ref{ID: "x"}); err == nil || known != nil {
		t.Errorf("got %v, %v", known, err)
	}
}
