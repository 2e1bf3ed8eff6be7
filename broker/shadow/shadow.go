// Package shadow runs drafts of policies beside the live ones: what a request was answered is asked again of the draft, after the answer,
// by one worker that rests longer than it works. Nothing waits for it: what does not fit its queue is counted and dropped. What
// differs is counted and listed. It decides nothing that a client sees, and must not depend on HTTP nor on a database.
package shadow

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// Bounds.
const (
	maxQueue    = 256
	maxExamples = 50 // of one run, the newest that differ
	maxRuns     = 64 // at a time, of all tenants
	// rest is how many times as long as an evaluation the worker rests after it: a tenth of one core at most.
	rest    = 9
	maxRest = 250 * time.Millisecond
)

// Run is a draft that runs beside the live policies.
type Run struct {
	Tenant   tenant.UID
	Proposal string
	Hash     string
	Until    time.Time
}

// Store keeps which drafts run, and what was seen.
type Store interface {
	// Runs lists the runs of all tenants that have not ended.
	Runs(ctx context.Context, now time.Time, most int) ([]Run, error)
	// Save replaces what a replica has counted of a run.
	Save(ctx context.Context, r Run, replica string, c Counts, at time.Time) error
	// Counted is what each replica counted of one content.
	Counted(ctx context.Context, t tenant.UID, proposal, hash string) ([]Counts, error)
}

// Proposals finds what runs.
type Proposals interface {
	Get(ctx context.Context, t tenant.UID, id string) (proposal.Proposal, error)
}

// Compiler prepares policies of a tenant; *regocheck.Compiler is one.
type Compiler interface {
	Compile(ctx context.Context, tenantName string, src policy.Source) (*policy.Compiled, error)
}

// Config is what a watch needs. Every part is required.
type Config struct {
	Store     Store
	Proposals Proposals
	Policies  Compiler
	Policy    policy.Evaluator
	Replica   string
	Now       func() time.Time
	Log       *slog.Logger
}

// Watch asks drafts.
type Watch struct {
	Config
	runs  atomic.Pointer[map[tenant.UID]*run] // nil: none
	queue chan job
}

// job is one answer that was given.
type job struct {
	run      *run
	picture  *snapshot.Tenant
	input    *policy.Input
	decision policy.Decision
	trace    string
	at       time.Time
}

// New opens a watch; nothing runs before Run.
func New(c Config) (*Watch, error) {
	if c.Store == nil || c.Proposals == nil || c.Policies == nil || c.Policy == nil || c.Replica == "" || c.Now == nil || c.Log == nil {
		return nil, errors.New("shadow: a part is missing")
	}
	return &Watch{Config: c, queue: make(chan job, maxQueue)}, nil
}

// See is told of every decision, before it is answered. It never waits. The input and the decision must not be changed after.
func (w *Watch) See(t *snapshot.Tenant, in *policy.Input, d policy.Decision, trace string) {
	runs := w.runs.Load()
	if runs == nil {
		return
	}
	r := (*runs)[t.UID]
	if r == nil {
		return
	}
	now := w.Now()
	if now.UnixMicro() >= r.until.Load() {
		return
	}
	r.seen.Add(1)
	select {
	case w.queue <- job{run: r, picture: t, input: in, decision: d, trace: trace, at: now}:
	default:
		r.dropped.Add(1)
	}
}

// Run works until ctx ends. At each tick it looks which drafts run, and saves what was counted.
func (w *Watch) Run(ctx context.Context, ticks <-chan time.Time) {
	w.look(ctx)
	for {
		select {
		case <-ctx.Done():
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			w.save(within)
			cancel()
			return
		case <-ticks:
			w.look(ctx)
			w.save(ctx)
		case j := <-w.queue:
			start := w.Now()
			j.run.ask(ctx, w, j)
			w.rest(ctx, w.Now().Sub(start))
		}
	}
}

// rest keeps the processors to those who wait for an answer.
func (w *Watch) rest(ctx context.Context, worked time.Duration) {
	pause := time.NewTimer(min(max(0, rest*worked), maxRest))
	defer pause.Stop()
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
}

// look brings the runs up to date. One that goes on keeps its counts; of one that ended they are saved first.
func (w *Watch) look(ctx context.Context) {
	wanted, err := w.Store.Runs(ctx, w.Now(), maxRuns)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Warn("drafts that run beside the live policies are not known", "error", err)
		}
		return
	}
	before := w.current()
	next := map[tenant.UID]*run{}
	for _, one := range wanted {
		if _, taken := next[one.Tenant]; taken { // one at a time of each tenant
			continue
		}
		if same := before[one.Tenant]; same != nil && same.Proposal == one.Proposal && same.Hash == one.Hash {
			same.until.Store(one.Until.UnixMicro())
			next[one.Tenant] = same
			continue
		}
		if r := w.begin(ctx, one); r != nil {
			next[one.Tenant] = r
		}
	}
	for t, r := range before {
		if next[t] != r {
			w.saveOne(ctx, r)
		}
	}
	if len(next) == 0 {
		w.runs.Store(nil)
		return
	}
	w.runs.Store(&next)
}

func (w *Watch) current() map[tenant.UID]*run {
	if runs := w.runs.Load(); runs != nil {
		return maps.Clone(*runs)
	}
	return nil
}

// begin reads a draft. What is wrong with it is the problem of the run.
func (w *Watch) begin(ctx context.Context, one Run) *run {
	r := &run{Run: one}
	r.until.Store(one.Until.UnixMicro())
	r.counts.Since = w.Now()
	p, err := w.Proposals.Get(ctx, one.Tenant, one.Proposal)
	if err == nil && p.Hash != one.Hash {
		return nil // it has other content by now, and a run of its own or none
	}
	if err == nil {
		err = r.read(p)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		r.fail(err)
	}
	return r
}

// read takes the policies out of a proposal; other kinds decide nothing here.
func (r *run) read(p proposal.Proposal) error {
	c, err := p.Changeset()
	if err != nil {
		return err
	}
	for i, o := range c.Objects {
		spec, ok := o.Spec.(*object.PolicySpec)
		if !ok {
			continue
		}
		uid := c.Base[i].UID
		if uid == "" {
			uid = p.ID
		}
		r.sources = append(r.sources, regocheck.Source(uid, o.Metadata.Name, c.Base[i].Revision+1, spec))
	}
	for _, b := range c.Deletes {
		if b.Kind == object.KindPolicy {
			r.gone = append(r.gone, b.UID)
		}
	}
	if len(r.sources)+len(r.gone) == 0 {
		return errors.New("the proposal changes no policy")
	}
	return nil
}

func (w *Watch) save(ctx context.Context) {
	for _, r := range w.current() {
		w.saveOne(ctx, r)
	}
}

func (w *Watch) saveOne(ctx context.Context, r *run) {
	c, changed := r.tally()
	if !changed {
		return
	}
	if err := w.Store.Save(ctx, r.Run, w.Replica, c, w.Now()); err != nil {
		r.dirty = true
		if ctx.Err() == nil {
			w.Log.Warn("what a draft would have decided could not be saved", "proposal", r.Proposal, "error", err)
		}
	}
}
