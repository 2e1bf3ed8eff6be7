package policy

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

var (
	errTimeout = errors.New("the time budget is spent")
	errResting = errors.New("evaluations of this policy had to be killed one after another; it is asked again in a while")
	errStuck   = errors.New("an evaluation of this policy has not ended since its time budget was spent")

	// ErrMemory is an evaluation that reached its memory limit; only an evaluator
	// that evaluates in another process can tell.
	ErrMemory = errors.New("the memory limit is reached")
)

// budget is the time that one decision has left, shared by its evaluations. It runs
// from the moment that the first of them begins: on a busy machine a decision of
// microseconds may wait longer for a core than it may take. The wait is bounded too.
type budget struct {
	soft  *time.Timer   // evaluation is cancelled
	full  time.Duration // once it has begun
	hard  time.Duration // and, this much later, left behind
	begun atomic.Bool
	spent time.Duration // by evaluations elsewhere
}

func newBudget(d time.Duration) *budget {
	return &budget{soft: time.NewTimer(d * waitForTurn), full: d, hard: d * (abandonAfter - 1)}
}

func (b *budget) left() time.Duration { return b.full - b.spent }

func (b *budget) spend(d time.Duration) { b.spent += max(d, 0) }

// begin starts the clock, on the goroutine that evaluates.
func (b *budget) begin() {
	if !b.begun.Swap(true) {
		b.soft.Reset(b.left())
	}
}

// hurry shortens the wait: behind a policy that ran out of time nobody queues up for long.
func (b *budget) hurry() {
	if !b.begun.Load() {
		b.soft.Reset(b.full)
	}
}

// flight is the evaluations of one policy that are under way.
//
// A policy has a few slots, for which a decision waits a few budgets. One that
// ran out of time has only one slot until an evaluation ends in time again, and none
// while an evaluation that could not be cancelled still runs: a bomb of one tenant
// must not take the cores of all.
type flight struct {
	slots   chan struct{}
	alone   chan struct{}
	suspect atomic.Bool
	stuck   atomic.Int32
	deaths  atomic.Int32 // elsewhere, one after another
	resting atomic.Bool
}

func newFlight() *flight {
	return &flight{slots: make(chan struct{}, slotsPerCore*runtime.GOMAXPROCS(0)), alone: make(chan struct{}, 1)}
}

// enter takes a slot; leave gives it back.
func (f *flight) enter(ctx context.Context, b *budget) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, errTimeout
	}
	if f.stuck.Load() > 0 {
		return nil, errStuck
	}
	if f.resting.Load() {
		return nil, errResting
	}
	slots := f.slots
	if f.suspect.Load() {
		slots = f.alone
		b.hurry()
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	default:
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
	case <-b.soft.C:
	}
	return nil, errTimeout
}

// learn takes in how an evaluation elsewhere ended.
func (f *flight) learn(err error) {
	far, failed := errors.AsType[*FarError](err)
	switch {
	case err != nil && !failed: // it was not evaluated
		return
	case failed && far.Killed:
		f.suspect.Store(true)
		if deaths := f.deaths.Add(1); deaths >= deathsInARow {
			f.resting.Store(true)
			time.AfterFunc(min(shortRest<<min(deaths-deathsInARow, 16), longRest), func() { f.resting.Store(false) })
		}
	case failed && far.Code == CodeTimeout:
		f.suspect.Store(true)
	default:
		f.suspect.Store(false)
		f.deaths.Store(0)
	}
}

// meter counts the steps of an evaluation, which asks before each whether it is cancelled.
type meter struct {
	cancelled atomic.Bool
	steps     atomic.Int64
}

// Cancel implements topdown.Cancel.
func (m *meter) Cancel() { m.cancelled.Store(true) }

// Cancelled implements topdown.Cancel.
func (m *meter) Cancelled() bool {
	m.steps.Add(1)
	return m.cancelled.Load()
}

// starved: so few steps are no work for a budget. The machine is busy with something
// else, or one call takes long; a few budgets tell them apart.
func (m *meter) starved() bool { return m.steps.Load() < fewSteps }

// brake ends, where OPA does not ask whether it is cancelled, the one thing that would
// take the process down: unifying values that share structure goes deeper into the stack
// with each of their parts. run makes an error of the panic.
type brake struct{ cancelled func() bool }

// brake is nil for templates, which unify nothing of the kind.
func (c *Compiled) brake(m *meter) topdown.QueryTracer {
	if c.src.Template != "" {
		return nil
	}
	return brake{m.cancelled.Load}
}

// Enabled implements topdown.QueryTracer.
func (brake) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (brake) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (b brake) TraceEvent(e topdown.Event) {
	if e.Op == topdown.UnifyOp && b.cancelled() {
		panic(errTimeout)
	}
}

type answer struct {
	value ast.Value
	err   error
}

// evaluate asks one policy, on a worker: OPA heeds a cancellation only between
// steps, and a step may be long. What does not end is left behind with its slot.
//
// turns bounds what all policies of one set do at a time: a bomb in each of a tenant's
// hundred policies is no more than one.
func (e *InProcess) evaluate(ctx context.Context, turns chan struct{}, c *Compiled, input ast.Value, b *budget) (ast.Value, error) {
	q, err := c.prepared(ctx)
	if err != nil {
		return nil, err
	}
	f := c.flight
	leave, err := f.enter(ctx, b)
	if err != nil {
		return nil, err
	}
	select {
	case turns <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, errTimeout
	case <-b.soft.C:
		leave()
		return nil, errTimeout
	}
	cancel := &meter{}
	done := make(chan answer, 1)
	e.workers.do(func() {
		b.begin()
		value, err := q.run(context.WithoutCancel(ctx), input, cancel, c.brake(cancel))
		<-turns
		leave()
		done <- answer{value, err}
	})

	for extended := 1; ; extended++ {
		select {
		case a := <-done:
			f.suspect.Store(false)
			return a.value, a.err
		case <-ctx.Done():
		case <-b.soft.C:
			// We may have been woken long after both. What is there is an answer; nothing that comes after it has any time left.
			select {
			case a := <-done:
				b.soft.Reset(0)
				return a.value, a.err
			default:
			}
			if extended < starvedFor && cancel.starved() {
				b.soft.Reset(b.full)
				continue
			}
			f.suspect.Store(true)
		}
		break
	}
	cancel.Cancel()
	late := time.NewTimer(b.hard)
	defer late.Stop()
	select {
	case <-done: // also when it just made it: the budget is the budget
	case <-late.C:
		f.stuck.Add(1)
		go func() {
			<-done
			f.stuck.Add(-1)
		}()
	}
	return nil, errTimeout
}

// workers run evaluations. They are kept because a new goroutine would first have
// to grow its stack, which takes longer than most decisions.
type workers struct {
	jobs   chan func()
	idle   atomic.Int32
	closed chan struct{}
}

func newWorkers() *workers {
	return &workers{jobs: make(chan func()), closed: make(chan struct{})}
}

func (w *workers) do(job func()) {
	select {
	case w.jobs <- job:
	default:
		go w.work(job)
	}
}

func (w *workers) work(job func()) {
	for {
		job()
		if w.idle.Add(1) > maxIdleWorkers {
			w.idle.Add(-1)
			return
		}
		select {
		case job = <-w.jobs:
			w.idle.Add(-1)
		case <-w.closed:
			return
		}
	}
}
