package replay

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

const (
	// maxLate is how many evaluations may run out of time before the draft is given up.
	maxLate = 64
	// patience is how long one record waits for an evaluation before it that could not be cancelled.
	patience = 10 * time.Second
	pause    = 5 * time.Millisecond
)

// asker evaluates records. One that runs out of time is asked again while no other is: its neighbours, or one whose
// evaluation could not be cancelled, must not decide what is said of it.
type asker struct {
	draft *policy.Set
	o     Options
	stop  context.CancelCauseFunc
	quiet sync.RWMutex
	late  atomic.Int64
	// unexplained decisions so far.
	unexplained atomic.Int64
}

func (a *asker) evaluate(ctx context.Context, b *batch) {
	b.outcomes = make([]*outcome, len(b.records))
	for i, r := range b.records {
		b.outcomes[i] = a.record(ctx, r, b.errs[i])
		if ctx.Err() != nil { // what was said last may be for want of time
			b.stopped = true
			return
		}
	}
}

// record settles one record. Whatever is wrong with it stays with it.
func (a *asker) record(ctx context.Context, r Recorded, err error) (o *outcome) {
	defer func() {
		if p := recover(); p != nil {
			o = unreadable(fmt.Errorf("%w: %v", errUnsettled, p))
		}
	}()
	if err != nil {
		return unreadable(err)
	}
	if r.purged() {
		return &outcome{fate: fatePurged}
	}
	in, beside, before, err := r.parse()
	if err != nil {
		return unreadable(err)
	}
	o = &outcome{fate: fateUnanswered, tenant: in.Tenant.ID, policies: r.Policies, impliesKnown: in.Resource == nil}
	if o.policies == nil {
		o.policies = before.Policies
	}
	if !before.Allow && unanswered(before.Code) {
		return o
	}
	switch {
	case beside.Implies != nil:
		o.impliesKnown = true
	case in.Resource != nil && a.o.Implies != nil:
		in.Implies, o.impliesKnown = a.o.Implies(in.Resource.Name)
	}
	o.masked = a.blind(in, beside.Masked)
	after := a.ask(ctx, in)
	o.fate, o.diff = fateCompared, compare(in, before, after)
	if len(o.diff.kinds) > 0 {
		o.labels, o.before, o.after = labels(in, a.rule(ctx, in, after), cause(before, after)), summary(before), summary(after)
	}
	return o
}

// blind lists what the draft can read of an input and the record masks.
func (a *asker) blind(in *policy.Input, masked []string) []string {
	resource := ""
	if in.Resource != nil {
		resource = in.Resource.Name
	}
	return slices.DeleteFunc(masked, func(member string) bool { return !a.draft.MayRead(resource, in.Action, member) })
}

func (a *asker) ask(ctx context.Context, in *policy.Input) policy.Decision {
	a.quiet.RLock()
	d := a.o.Evaluator.Decide(ctx, a.draft, in)
	a.quiet.RUnlock()
	if d.Code != policy.CodeTimeout || ctx.Err() != nil {
		return d
	}
	return a.alone(ctx, in)
}

func (a *asker) alone(ctx context.Context, in *policy.Input) policy.Decision {
	a.quiet.Lock()
	defer a.quiet.Unlock()
	waited := time.NewTimer(patience)
	defer waited.Stop()
	for {
		d := a.o.Evaluator.Decide(ctx, a.draft, in)
		if d.Code != policy.CodeTimeout {
			return d
		}
		if d.Behind() && again(ctx, waited) {
			continue
		}
		if a.late.Add(1) >= maxLate {
			a.stop(ErrTooSlow)
		}
		return d
	}
}

// again waits a little, and reports whether to ask once more.
func again(ctx context.Context, waited *time.Timer) bool {
	short := time.NewTimer(pause)
	defer short.Stop()
	select {
	case <-short.C:
		return true
	case <-waited.C:
	case <-ctx.Done():
	}
	return false
}
