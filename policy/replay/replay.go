package replay

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"

	"github.com/chancery-dev/chancery/policy"
)

// NoThreshold as Options.MaxFlips tolerates any number of flips.
const NoThreshold = -1

// Options of a replay. Its zero value tolerates no flip.
type Options struct {
	// MaxFlips is how many flips are tolerated; more are an *ExceededError. Negative is any number.
	MaxFlips int
	// Tenant is whose draft it is, as input.tenant.id says; by default that of the first record that can be read. Records
	// of others are counted, not compared.
	Tenant string
	// Workers evaluate at a time; by default one for each core that this process may use.
	Workers int
	// Progress is told how far the replay is, from one goroutine, after each batch.
	Progress func(Progress)
	// Implies tells what the scopes of a resource imply, by its name, and whether that is known, for records that do not tell.
	// Nil knows of none.
	Implies func(resource string) (map[string][]string, bool)
	// Rules names the rule that decides a changed decision; see Rules. Nil groups by no rule.
	Rules func(context.Context, *policy.Input) (string, error)
	// Evaluator decides; by default one in this process with five times the budget of a decision, since the machine may
	// be busy. Where approvals are served it must say so (policy.WithApprovals), as the one that was recorded did. The policies of the draft must be compiled for the replay: one that is slow is held up wherever it is asked.
	Evaluator policy.Evaluator
}

// Progress is how far a replay is.
type Progress struct {
	Read  int `json:"read"`
	Flips int `json:"flips"`
}

const (
	replayBudget = 5 * policy.DefaultBudget
	batchRecords = 64
	batchBytes   = 1 << 20
)

// Replay evaluates records under a draft. It holds a bounded number of them at a time and runs the iterator on the
// caller's goroutine.
//
// The report does not depend on the number of workers. Whether an evaluation runs out of time may depend on the machine:
// one that did is asked again, alone, before it counts.
//
// Besides the report it answers an *ExceededError or ErrNothingCompared when the threshold is not kept, ErrTooSlow, the
// error of the iterator, or of ctx; after the last three the report is that of the records before, and not complete.
func Replay(ctx context.Context, records iter.Seq2[Recorded, error], draft *policy.Set, o Options) (Report, error) {
	if draft == nil {
		return Report{}, errors.New("replay without a draft")
	}
	if o.Evaluator == nil {
		e := policy.NewInProcess(replayBudget, policy.WithApprovals())
		defer e.Close()
		o.Evaluator = e
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	p := newPipe(ctx, &asker{draft: draft, o: o, stop: stop})
	source := p.feed(ctx, records)
	report := p.finish()
	switch {
	case source != nil:
		return report, source
	case p.stopped || ctx.Err() != nil:
		return report, context.Cause(ctx)
	}
	report.Complete = true
	return report, report.judge(o.MaxFlips)
}

// batch is some records in a row, and what became of each.
type batch struct {
	records  []Recorded
	errs     []error // of a record that the source could not read
	outcomes []*outcome
	bytes    int
	stopped  bool
	done     chan struct{}
}

// pipe evaluates batches on workers, and adds them up in the order in which they came.
type pipe struct {
	work, order chan *batch
	workers     sync.WaitGroup
	adder       sync.WaitGroup
	tally       *tally
	stopped     bool // a batch was not evaluated
}

func newPipe(ctx context.Context, a *asker) *pipe {
	p := &pipe{work: make(chan *batch), order: make(chan *batch, 2*a.o.Workers), tally: newTally(a.o.Tenant, a.o.Rules != nil)}
	for range a.o.Workers {
		p.workers.Go(func() {
			for b := range p.work {
				a.evaluate(ctx, b)
				close(b.done)
			}
		})
	}
	p.adder.Go(func() {
		for b := range p.order {
			<-b.done
			p.add(b, a.o.Progress)
		}
	})
	return p
}

func (p *pipe) add(b *batch, progress func(Progress)) {
	p.stopped = p.stopped || b.stopped
	if p.stopped {
		return // the report is that of an unbroken beginning
	}
	for i, r := range b.records {
		p.tally.add(r, b.outcomes[i])
	}
	if progress != nil {
		progress(Progress{Read: p.tally.report.Read, Flips: p.tally.report.Flips})
	}
}

// feed passes the records on until they end, fail or ctx is done.
func (p *pipe) feed(ctx context.Context, records iter.Seq2[Recorded, error]) error {
	defer close(p.order)
	defer close(p.work)
	b := &batch{done: make(chan struct{})}
	send := func() bool {
		if ctx.Err() != nil {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case p.order <- b:
		}
		select {
		case <-ctx.Done():
			b.stopped = true
			close(b.done)
			return false
		case p.work <- b:
		}
		b = &batch{done: make(chan struct{})}
		return true
	}
	for r, err := range records {
		if err != nil {
			if _, ok := errors.AsType[*UnreadableError](err); !ok {
				send()
				return err
			}
		}
		b.records, b.errs = append(b.records, r), append(b.errs, err)
		b.bytes += len(r.Input) + len(r.Result)
		if len(b.records) < batchRecords && b.bytes < batchBytes {
			continue
		}
		if !send() {
			return nil
		}
	}
	if len(b.records) > 0 {
		send()
	}
	return nil
}

func (p *pipe) finish() Report {
	p.workers.Wait()
	p.adder.Wait()
	return p.tally.finish()
}
