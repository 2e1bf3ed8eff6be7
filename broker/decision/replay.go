package decision

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

var (
	// ErrReplayUnknown says that there is no such replay, or not any more.
	ErrReplayUnknown = errors.New("no such replay, or its result is no longer kept")
	// ErrReplayBusy says that as many replays run as may.
	ErrReplayBusy = errors.New("another replay runs; wait for it, or cancel it")
)

// State is how a replay stands.
type State string

// The states of a replay. Lost is one whose server went away: its result will never come.
const (
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Lost      State = "lost"
)

// Verdict is what a threshold came to.
type Verdict string

// The verdicts. Exceeded and Nothing do not keep the threshold.
const (
	Kept     Verdict = "kept"
	Exceeded Verdict = "exceeded"
	Nothing  Verdict = "nothing_compared"
)

// Asked is what a replay is to do.
type Asked struct {
	Filter   Filter
	MaxFlips int // negative: any number
	Draft    []object.Object
	Prune    bool // the draft is all that the tenant has
	By       audit.Principal
}

// Job is a replay as it stands.
type Job struct {
	ID      string          `json:"id"`
	State   State           `json:"state"`
	Asked   json.RawMessage `json:"asked,omitempty"`
	BeganAt time.Time       `json:"began_at"`
	EndedAt time.Time       `json:"ended_at,omitzero"`
	Read    int             `json:"read"`
	Flips   int             `json:"flips"`
	Report  *replay.Report  `json:"report,omitempty"`
	// Verdict and Message say whether the threshold was kept, once it is done; Message says also why it failed.
	Verdict Verdict `json:"verdict,omitempty"`
	Message string  `json:"message,omitempty"`
}

// Outcome is how a replay ended.
type Outcome struct {
	State   State
	Read    int
	Flips   int
	Report  *replay.Report
	Verdict Verdict
	Message string
}

// Jobs keeps replays where every replica finds them.
type Jobs interface {
	// Begin writes a new one down, and forgets the oldest of the tenant.
	Begin(ctx context.Context, t tenant.UID, id string, asked []byte) error
	// Progress says how far it is, and that it runs still; stop answers that somebody wants it to end.
	Progress(ctx context.Context, t tenant.UID, id string, read, flips int) (stop bool, err error)
	End(ctx context.Context, t tenant.UID, id string, o Outcome) error
	// Job finds one; ErrReplayUnknown where there is none.
	Job(ctx context.Context, t tenant.UID, id string) (Job, error)
	// Stop asks for its end.
	Stop(ctx context.Context, t tenant.UID, id string) error
}

const (
	// Beat is how often a replay says that it runs.
	Beat = time.Second
	// LostAfter is how long a replay may not have said so before it is lost.
	LostAfter = 30 * time.Second

	maxReplays = 2 // at a time, of this process; of one tenant one
	endWithin  = 10 * time.Second
)

// Replays runs replays.
type Replays struct {
	Log      Log
	Policies Policies
	Pictures Pictures
	Jobs     Jobs
	// Evaluator makes what decides a replay; nil is one in this process with five times the budget of a decision.
	Evaluator func() (policy.Evaluator, func())
	Now       func() time.Time
	Logger    *slog.Logger

	mu      sync.Mutex
	running map[tenant.UID]bool
	closed  bool
	work    sync.WaitGroup
	ctx     context.Context //nolint:containedctx // ends with the process, not with a request
	stop    context.CancelFunc
}

// Start compiles the draft, answers at once if it cannot decide, and replays beside the requests.
func (r *Replays) Start(ctx context.Context, t tenant.UID, name string, a Asked) (Job, error) {
	if err := r.take(t); err != nil {
		return Job{}, err
	}
	job, run, err := r.prepare(ctx, t, name, a)
	if err != nil {
		r.give(t)
		return Job{}, err
	}
	r.work.Go(func() {
		defer r.give(t)
		run()
	})
	return job, nil
}

func (r *Replays) take(t tenant.UID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil {
		r.running = map[tenant.UID]bool{}
		r.ctx, r.stop = context.WithCancel(context.Background())
	}
	if r.closed || r.running[t] || len(r.running) >= maxReplays {
		return ErrReplayBusy
	}
	r.running[t] = true
	return nil
}

func (r *Replays) give(t tenant.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, t)
}

// Close ends what runs.
func (r *Replays) Close() {
	r.mu.Lock()
	r.closed = true
	if r.stop != nil {
		r.stop()
	}
	r.mu.Unlock()
	r.work.Wait()
}

func (r *Replays) prepare(ctx context.Context, t tenant.UID, name string, a Asked) (Job, func(), error) {
	draft, err := r.Policies.drafted(ctx, t, name, a.Draft, a.Prune)
	if err != nil {
		return Job{}, nil, err
	}
	picture, err := r.Pictures.Get(ctx, name)
	if err != nil {
		return Job{}, nil, err
	}
	now := r.Now()
	if a.Filter.Until.IsZero() || a.Filter.Until.After(now) {
		a.Filter.Until = now // what is decided meanwhile is not waited for
	}
	told, err := json.Marshal(a.told())
	if err != nil {
		return Job{}, nil, err
	}
	job := Job{ID: id.New(id.Replay, now), State: Running, Asked: told, BeganAt: now.UTC()}
	if err := r.Jobs.Begin(ctx, t, job.ID, told); err != nil {
		return Job{}, nil, err
	}
	return job, func() { r.run(t, job.ID, a, draft, implied(picture)) }, nil
}

// told is what is kept of what was asked: not the draft's text.
func (a Asked) told() any {
	names := []string{}
	for _, o := range a.Draft {
		names = append(names, o.Label())
	}
	return struct {
		Since    time.Time       `json:"since,omitzero"`
		Until    time.Time       `json:"until"`
		User     string          `json:"user,omitempty"`
		Client   string          `json:"client,omitempty"`
		Resource string          `json:"resource,omitempty"`
		MaxFlips int             `json:"max_flips"`
		Draft    []string        `json:"draft"`
		Prune    bool            `json:"prune,omitempty"`
		By       audit.Principal `json:"by"`
	}{a.Filter.Since, a.Filter.Until, a.Filter.User, a.Filter.Client, a.Filter.Resource, a.MaxFlips, names, a.Prune, a.By}
}

// errStopped is a replay that somebody ended.
var errStopped = errors.New("it was cancelled")

func (r *Replays) run(t tenant.UID, job string, a Asked, draft panel, implies func(string) (map[string][]string, bool)) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	far := &progress{}
	beats := sync.WaitGroup{}
	beats.Go(func() { r.beat(ctx, t, job, far, cancel) })
	evaluator, done := evaluatorBy(r.Evaluator)
	defer done()
	o := replay.Options{
		MaxFlips: a.MaxFlips, Tenant: t.String(), Implies: implies, Progress: far.set, Evaluator: evaluator,
		Rules:   replay.Rules(policy.WitnessOf(evaluator), draft.set, draft.compiled),
		Workers: max(1, runtime.GOMAXPROCS(0)-1), // requests go first
	}
	report, err := replay.Replay(ctx, Replayed(r.Log.Each(ctx, t, a.Filter)), draft.set, o)
	cause := context.Cause(ctx)
	cancel(nil)
	beats.Wait()

	end := outcome(report, err)
	if errors.Is(cause, errStopped) {
		end.State, end.Message = Cancelled, cause.Error()
	} else if cause != nil {
		end.State, end.Message = Failed, "the server was stopped; start it again"
	} else if end.State == Failed {
		r.Logger.Error("a replay ended early", "replay", job, "error", err)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.ctx), endWithin)
	defer stop()
	if err := r.Jobs.End(ctx, t, job, end); err != nil {
		r.Logger.Error("the result of a replay could not be kept", "replay", job, "error", err)
	}
}

func outcome(report replay.Report, err error) Outcome {
	o := Outcome{State: Done, Read: report.Read, Flips: report.Flips, Report: &report, Verdict: Kept}
	exceeded, over := errors.AsType[*replay.ExceededError](err)
	switch {
	case err == nil:
	case over:
		o.Verdict, o.Message = Exceeded, exceeded.Error()
	case errors.Is(err, replay.ErrNothingCompared):
		o.Verdict, o.Message = Nothing, err.Error()
	case errors.Is(err, replay.ErrTooSlow):
		o.State, o.Verdict, o.Message = Failed, "", err.Error()
	default: // of the database, which is nobody's outside
		o.State, o.Verdict, o.Message = Failed, "", "the decisions could not be read to their end"
	}
	return o
}

// evaluatorBy asks for an evaluator, or makes one in this process with five times the budget of a decision.
func evaluatorBy(made func() (policy.Evaluator, func())) (policy.Evaluator, func()) {
	if made != nil {
		return made()
	}
	return Court{}.evaluator()
}

// progress is how far a replay is.
type progress struct {
	mu  sync.Mutex
	now replay.Progress
}

func (p *progress) set(now replay.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = now
}

func (p *progress) get() replay.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// beat says how far it is, and hears whether it is to end.
func (r *Replays) beat(ctx context.Context, t tenant.UID, job string, far *progress, cancel context.CancelCauseFunc) {
	ticks := time.NewTicker(Beat)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now := far.get()
		stop, err := r.Jobs.Progress(ctx, t, job, now.Read, now.Flips)
		if err != nil && ctx.Err() == nil {
			r.Logger.Warn("the progress of a replay could not be kept", "replay", job, "error", err)
		}
		if stop {
			cancel(errStopped)
		}
	}
}

// Job is how a replay stands.
func (r *Replays) Job(ctx context.Context, t tenant.UID, job string) (Job, error) {
	if _, ok := id.Time(id.Replay, job); !ok {
		return Job{}, ErrReplayUnknown
	}
	found, err := r.Jobs.Job(ctx, t, job)
	if found.State == Lost {
		found.Message = cmp.Or(found.Message, "the server that ran it is gone; start it again")
	}
	return found, err
}

// Stop asks for a replay's end; it comes within a few seconds.
func (r *Replays) Stop(ctx context.Context, t tenant.UID, job string) error {
	if _, ok := id.Time(id.Replay, job); !ok {
		return ErrReplayUnknown
	}
	return r.Jobs.Stop(ctx, t, job)
}
