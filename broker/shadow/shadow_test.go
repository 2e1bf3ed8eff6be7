package shadow_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/shadow"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

const live = `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  modules:
    a.rego: |
      package chancery.authz
      import rego.v1
      decision := {"allow": true, "scopes": input.requested.scopes}
`

// A draft that refuses bob, and one that never ends in time.
const (
	stricter = `package chancery.authz
import rego.v1
decision := {"allow": input.user.id != "bob", "scopes": input.requested.scopes}
`
	endless = `package chancery.authz
import rego.v1
decision := {"allow": count([1 | some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a == b]) > 0, "scopes": []}
`
	broken = `package chancery.authz
decision := nonsense(1)
`
)

// shelf is a store in memory.
type shelf struct {
	mu       sync.Mutex
	runs     []shadow.Run
	saved    map[string]shadow.Counts // by proposal and hash
	proposal proposal.Proposal
	err      error
}

func (s *shelf) Runs(context.Context, time.Time, int) ([]shadow.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]shadow.Run(nil), s.runs...), s.err
}

func (s *shelf) Save(_ context.Context, r shadow.Run, _ string, c shadow.Counts, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved[r.Proposal+r.Hash] = c
	return nil
}

func (s *shelf) Counted(context.Context, tenant.UID, string, string) ([]shadow.Counts, error) {
	return nil, nil
}

func (s *shelf) Get(context.Context, tenant.UID, string) (proposal.Proposal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proposal, nil
}

func (s *shelf) counts() shadow.Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saved[s.proposal.ID+s.proposal.Hash]
}

// house is one tenant, its evaluator, and a watch.
type house struct {
	testing.TB
	shelf   *shelf
	watch   *shadow.Watch
	picture *snapshot.Tenant
	policy  *policy.InProcess
	ticks   chan time.Time
	stop    func()
}

func newHouse(t testing.TB, module string) *house {
	t.Helper()
	objects, source := snapshottest.New(t, "https://chancery.test", time.Now, live)
	picture, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := objects.Get(t.Context(), picture.UID, object.KindPolicy, "notes")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{TB: t, picture: picture, policy: policy.NewInProcess(200 * time.Millisecond), ticks: make(chan time.Time), shelf: &shelf{saved: map[string]shadow.Counts{}}}
	t.Cleanup(h.policy.Close)
	change, err := json.Marshal(object.Changeset{
		Objects: []object.Object{{APIVersion: object.APIVersion, Kind: object.KindPolicy, Metadata: object.Metadata{Name: "notes"}, Spec: &object.PolicySpec{Role: "grant", Modules: map[string]string{"a.rego": module}}}},
		Base:    []object.Base{{Kind: object.KindPolicy, Name: "notes", UID: stored.UID, Revision: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.shelf.proposal = proposal.Proposal{Tenant: picture.UID, ID: "prop_1", State: proposal.Proposed, Manager: "api", Change: change, Hash: proposal.HashOf(picture.UID, "api", change)}
	h.watch, err = shadow.New(shadow.Config{
		Store: h.shelf, Proposals: h.shelf, Policies: regocheck.NewCompiler(regocheck.Here, policy.NewShelf(0)), Policy: h.policy,
		Replica: "rep_1", Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) begin(until time.Time) {
	h.shelf.mu.Lock()
	h.shelf.runs = []shadow.Run{{Tenant: h.picture.UID, Proposal: "prop_1", Hash: h.shelf.proposal.Hash, Until: until}}
	h.shelf.mu.Unlock()
}

func (h *house) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { h.watch.Run(ctx, h.ticks) })
	h.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	h.Cleanup(h.stop)
	h.ticks <- time.Now() // the first look is over
}

func (h *house) input(user string) *policy.Input {
	return &policy.Input{
		Action: policy.ActionIssue, User: &policy.User{ID: user}, Client: &policy.Client{Name: "claude"}, Resource: &policy.Resource{Name: "notes", Scopes: []string{"notes:read"}},
		Requested: &policy.Requested{Scopes: []string{"notes:read"}}, Available: []string{"notes:read"},
	}
}

func (h *house) decide(user string) policy.Decision {
	in := h.input(user)
	d := h.policy.Decide(context.Background(), h.picture.Policies, in)
	h.watch.See(h.picture, in, d, "trc_"+user)
	return d
}

// until polls what was saved.
func (h *house) until(done func(shadow.Counts) bool) shadow.Counts {
	h.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		h.ticks <- time.Now()
		if c := h.shelf.counts(); done(c) {
			return c
		}
	}
	h.Fatalf("saved: %+v", h.shelf.counts())
	return shadow.Counts{}
}

func TestDifferencesAreCounted(t *testing.T) {
	h := newHouse(t, stricter)
	h.begin(time.Now().Add(time.Hour))
	h.run()
	for range 3 {
		if d := h.decide("alice"); !d.Allow {
			t.Fatalf("%+v", d)
		}
		if d := h.decide("bob"); !d.Allow {
			t.Fatalf("the draft decided: %+v", d)
		}
	}
	c := h.until(func(c shadow.Counts) bool { return c.Same+c.Changed == 6 })
	if c.Seen != 6 || c.Same != 3 || c.Changed != 3 || c.Flips != 3 || c.Kinds[replay.AllowToDeny] != 3 || c.Dropped != 0 || c.Problem != "" {
		t.Errorf("%+v", c)
	}
	if len(c.Examples) != 3 || c.Examples[0].Trace != "trc_bob" || c.Examples[0].User != "bob" || c.Examples[0].Before != "allowed" || c.Examples[0].After != policy.CodeDenied {
		t.Errorf("%+v", c.Examples)
	}
}

// What comes faster than a draft may be asked is dropped and counted; nobody waits for it.
func TestNobodyWaits(t *testing.T) {
	h := newHouse(t, endless)
	h.begin(time.Now().Add(time.Hour))
	h.run()
	in := h.input("alice")
	d := policy.Decision{Allow: true, Scopes: []string{"notes:read"}}
	start := time.Now()
	const many = 20000
	for range many {
		h.watch.See(h.picture, in, d, "trc_1")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("%d took %s", many, took)
	}
	c := h.until(func(c shadow.Counts) bool { return c.Unanswered+c.Changed > 0 })
	if c.Seen != many || c.Dropped < many/2 {
		t.Errorf("%+v", c)
	}
	start = time.Now()
	h.stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it ended after %s", took)
	}
}

// A run that is not there, not any more, or of other content sees nothing.
func TestNothingRuns(t *testing.T) {
	for name, change := range map[string]func(h *house){
		"none":             func(*house) {},
		"ended":            func(h *house) { h.begin(time.Now().Add(-time.Second)) },
		"of other content": func(h *house) { h.begin(time.Now().Add(time.Hour)); h.shelf.runs[0].Hash = "other" },
		"not known": func(h *house) {
			h.begin(time.Now().Add(time.Hour))
			h.shelf.err = errors.New("no database")
		},
		"of another tenant": func(h *house) { h.begin(time.Now().Add(time.Hour)); h.shelf.runs[0].Tenant = tenant.UID{} },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, stricter)
			change(h)
			h.run()
			if d := h.decide("bob"); !d.Allow {
				t.Errorf("%+v", d)
			}
			h.ticks <- time.Now()
			h.ticks <- time.Now()
			if c := h.shelf.counts(); c.Seen+c.Changed+c.Dropped != 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// What cannot be asked says why, and harms nobody.
func TestProblem(t *testing.T) {
	for name, test := range map[string]struct{ module, want string }{
		"does not compile": {broken, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, test.module)
			h.begin(time.Now().Add(time.Hour))
			h.run()
			if d := h.decide("bob"); !d.Allow {
				t.Errorf("%+v", d)
			}
			c := h.until(func(c shadow.Counts) bool { return c.Problem != "" })
			if !strings.Contains(c.Problem, test.want) || c.Unanswered != 1 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// A run that ends is saved, and its queue forgotten.
func TestEnd(t *testing.T) {
	h := newHouse(t, stricter)
	h.begin(time.Now().Add(time.Hour))
	h.run()
	h.decide("bob")
	h.until(func(c shadow.Counts) bool { return c.Changed == 1 })
	h.shelf.mu.Lock()
	h.shelf.runs = nil
	h.shelf.mu.Unlock()
	h.ticks <- time.Now()
	h.ticks <- time.Now()
	h.decide("bob")
	h.ticks <- time.Now()
	if c := h.shelf.counts(); c.Seen != 1 {
		t.Errorf("%+v", c)
	}
}

// BenchmarkSee is what a decision costs alone, with no run, and with a draft beside it, on every core at once.
func BenchmarkSee(b *testing.B) {
	for name, runs := range map[string]struct{ see, run bool }{"alone": {}, "no run": {see: true}, "a run": {true, true}} {
		b.Run(name, func(b *testing.B) {
			h := newHouse(b, stricter)
			if runs.run {
				h.begin(time.Now().Add(time.Hour))
			}
			h.run()
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					in := h.input("bob")
					d := h.policy.Decide(context.Background(), h.picture.Policies, in)
					if runs.see {
						h.watch.See(h.picture, in, d, "trc_1")
					}
				}
			})
		})
	}
}
