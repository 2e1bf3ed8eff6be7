package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/confine"
)

// Config is what a Pool needs. Executable and Memory are required.
type Config struct {
	Executable string // the binary that becomes a child
	Memory     int64  // what a child may take for evaluating, in bytes
	// Size is how many children there are at most; 0 is one for each core, at least two and at most sixteen.
	Size int
	// Killed is told of each child that a policy took with it, by the code of the denial; nil: nobody.
	Killed func(code string)
	// Log may be nil.
	Log *slog.Logger

	arg  string        // instead of Argument, for tests
	life time.Duration // instead of lifetime, for tests
}

// MinMemory is the least that Config.Memory may be, in bytes.
const MinMemory = 64 << 20

const (
	minSize, maxSize = 2, 16
	// killAfter is how many budgets an evaluation has before its child is killed.
	killAfter = 5
	// startsPerChild bounds how many children are started for each place in startWindow.
	startsPerChild = 4
	startWindow    = time.Second
	retryStart     = 200 * time.Millisecond // after one that failed; then twice as long
	maxRetry       = 5 * time.Second
)

func (c Config) argument() string {
	if c.arg != "" {
		return c.arg
	}
	return Argument
}

func (c Config) lifetime() time.Duration {
	if c.life > 0 {
		return c.life
	}
	return lifetime
}

var errClosed = errors.New("policies are not evaluated any more: the server is stopping")

// Pool implements policy.Far. Children are started when they are first needed and kept.
type Pool struct {
	config Config
	starts chan struct{} // what may still be started in this window
	// suspects is how many children policies may have whose last evaluation did not end in time: however many they are,
	// others have the rest.
	suspects chan struct{}
	// besides is how many of those may be used by what no request waits for: an administrator may ask as often as he likes.
	besides chan struct{}

	mu      sync.Mutex
	idle    []*child // the one that was used last comes last
	places  int      // children that there are, or that are being started
	waiting []chan *child
	closed  bool
	ending  chan struct{} // closed with closed
	busy    sync.WaitGroup
}

var _ policy.Far = (*Pool)(nil)

// New makes a Pool. It fails where processes cannot be limited; it starts none yet (Check does).
func New(c Config) (*Pool, error) {
	if err := confine.Available(); err != nil {
		return nil, fmt.Errorf("policy pool: %w", err)
	}
	if c.Executable == "" || c.Memory < MinMemory || c.Size < 0 {
		return nil, fmt.Errorf("policy pool: a binary, and at least %d MiB of memory, are required", MinMemory>>20)
	}
	if c.Size == 0 {
		c.Size = min(max(runtime.GOMAXPROCS(0), minSize), maxSize)
	}
	if c.Killed == nil {
		c.Killed = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	half := max(1, c.Size/2)
	return &Pool{
		config: c, starts: make(chan struct{}, startsPerChild*c.Size), ending: make(chan struct{}),
		suspects: make(chan struct{}, half), besides: make(chan struct{}, max(1, half-1)),
	}, nil
}

// Check starts one child, if there is none: whoever relies on the pool learns at once that it works.
func (p *Pool) Check(ctx context.Context) error {
	p.mu.Lock()
	if p.places > 0 {
		p.mu.Unlock()
		return nil
	}
	p.places++
	p.mu.Unlock()
	o, err := start(p.config)
	if err != nil {
		p.mu.Lock()
		p.places--
		p.mu.Unlock()
		return err
	}
	p.put(o)
	return ctx.Err()
}

// Evaluate implements policy.Far.
func (p *Pool) Evaluate(ctx context.Context, q policy.Question) (policy.Said, error) {
	a, err := p.ask(ctx, toDecide, q)
	return policy.Said{Decision: a.text, Took: a.took}, err
}

// Explain implements policy.Far.
func (p *Pool) Explain(ctx context.Context, q policy.Question) ([]policy.Rule, error) {
	a, err := p.ask(ctx, toExplain, q)
	if err != nil {
		return nil, err
	}
	var rules []policy.Rule
	if err := json.Unmarshal(a.text, &rules); err != nil {
		return nil, fmt.Errorf("explain policy: %w", err)
	}
	return rules, nil
}

func (p *Pool) ask(ctx context.Context, k kind, q policy.Question) (answered, error) {
	if !q.Policy.Isolated() || q.Budget <= 0 || q.Wait <= 0 {
		return answered{}, errors.New("policy pool: an isolated policy, a budget and a wait are expected")
	}
	o, leave, err := p.enter(ctx, q)
	if err != nil {
		return answered{}, err
	}
	defer leave()
	a, err := p.with(ctx, o, k, q)
	if err != nil {
		died := o.death(err)
		p.replace()
		p.config.Killed(died.Code)
		p.config.Log.Warn("a process that evaluated policies ended", "policy", q.Policy.Ref().Name, "policy_uid", q.Policy.Ref().UID, "code", died.Code)
		return answered{took: q.Budget}, died
	}
	if a.retires {
		o.close()
		p.replace()
	} else {
		p.release(o)
	}
	if a.fault != nil {
		return a, a.fault
	}
	return a, nil
}

// enter waits for a child. A suspect waits for its kind's first, and what no request waits for does too.
func (p *Pool) enter(ctx context.Context, q policy.Question) (o *child, leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	var turns []chan struct{}
	if q.Beside {
		turns = append(turns, p.besides)
	}
	if q.Suspect || q.Beside {
		turns = append(turns, p.suspects)
	}
	taken := 0
	leave = func() {
		for _, turn := range turns[:taken] {
			<-turn
		}
	}
	for _, turn := range turns {
		select {
		case turn <- struct{}{}:
			taken++
		case <-ctx.Done():
			leave()
			return nil, nil, policy.ErrBusy
		}
	}
	key, _, _ := q.Policy.Content()
	if o, err = p.acquire(ctx, key); err != nil {
		leave()
		return nil, nil, err
	}
	return o, leave, nil
}

// with uses a child for one question.
func (p *Pool) with(ctx context.Context, o *child, k kind, q policy.Question) (answered, error) {
	if err := o.load(q.Policy); err != nil {
		return answered{}, err
	}
	var stop func() bool
	a, err := o.ask(k, q, killAfter*q.Budget, func(sequence uint64) {
		stop = context.AfterFunc(ctx, func() { o.cancel(sequence) })
	})
	if stop != nil {
		stop()
	}
	return a, err
}

// acquire takes a child, one that has the policy if it can. It starts one where there is room.
func (p *Pool) acquire(ctx context.Context, key [keySize]byte) (*child, error) {
	if ctx.Err() != nil {
		return nil, policy.ErrBusy
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if len(p.idle) > 0 {
		i := max(0, slices.IndexFunc(p.idle, func(o *child) bool { _, has := o.policies[key]; return has }))
		o := p.idle[i]
		p.idle = slices.Delete(p.idle, i, i+1)
		p.busy.Add(1)
		p.mu.Unlock()
		return o, nil
	}
	if p.places < p.config.Size {
		p.places++
		go p.grow()
	}
	mine := make(chan *child, 1)
	p.waiting = append(p.waiting, mine)
	p.mu.Unlock()
	select {
	case o, ok := <-mine:
		if !ok {
			return nil, errClosed
		}
		return o, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	if i := slices.Index(p.waiting, mine); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.mu.Unlock()
		return nil, policy.ErrBusy
	}
	p.mu.Unlock()
	if o, ok := <-mine; ok { // it came meanwhile
		p.release(o)
	}
	return nil, policy.ErrBusy
}

// release gives back a child that was acquired.
func (p *Pool) release(o *child) {
	defer p.busy.Done()
	p.put(o)
}

// put hands a child to whoever has waited longest, or keeps it.
func (p *Pool) put(o *child) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		o.close()
		return
	}
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.busy.Add(1)
		p.waiting[0] <- o
		p.waiting = p.waiting[1:]
		return
	}
	p.idle = append(p.idle, o)
}

// replace fills the place of a child that was acquired and has ended.
func (p *Pool) replace() {
	go p.grow()
	p.busy.Done()
}

// grow starts a child for a place that is counted already. It tries again while somebody waits; starts are bounded in time.
func (p *Pool) grow() {
	for wait := retryStart; ; wait = min(2*wait, maxRetry) {
		select {
		case p.starts <- struct{}{}:
			time.AfterFunc(startWindow, func() { <-p.starts })
		case <-p.ending:
			return
		}
		o, err := start(p.config)
		if err == nil {
			p.put(o)
			return
		}
		p.config.Log.Error("a process for evaluating policies does not start", "error", err)
		select {
		case <-time.After(wait):
		case <-p.ending:
			return
		}
		p.mu.Lock()
		if len(p.waiting) == 0 {
			p.places--
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	}
}

// Close ends the children: those that evaluate once they have answered, or when ctx is done. Evaluate fails from then on.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.ending)
	idle, waiting := p.idle, p.waiting
	p.idle, p.waiting = nil, nil
	p.mu.Unlock()
	for _, w := range waiting {
		close(w)
	}
	for _, o := range idle {
		o.close()
	}
	done := make(chan struct{})
	go func() {
		p.busy.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("policy pool: %w", ctx.Err()) // a child that is left ends when it has answered
	}
}
