package policy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Evaluator decides. It is safe for concurrent use.
type Evaluator interface {
	// Decide asks the policies of set that match input's resource and action and
	// combines what they say. It always answers: what goes wrong denies.
	Decide(ctx context.Context, set *Set, in *Input) Decision
}

// Option changes an evaluator.
type Option func(*InProcess)

// WithApprovals says that an approval workflow is served; without it a policy that
// demands approval denies.
func WithApprovals() Option { return func(e *InProcess) { e.approvals = true } }

// WithFar says where isolated policies are evaluated; without it they deny.
func WithFar(f Far) Option { return func(e *InProcess) { e.far = f } }

// Beside says that no request waits for what is decided: elsewhere, requests go first.
func Beside() Option { return func(e *InProcess) { e.beside = true } }

// InProcess evaluates in this process all but the policies that are isolated.
type InProcess struct {
	budget    time.Duration
	approvals bool
	far       Far // nil: isolated policies deny
	beside    bool
	workers   *workers
	close     func()
}

// NewInProcess makes an Evaluator whose decisions take no longer than budget from the
// moment that they begin, or DefaultBudget when it is zero or less. A policy that cannot be interrupted is left
// behind after five budgets.
func NewInProcess(budget time.Duration, options ...Option) *InProcess {
	if budget <= 0 {
		budget = DefaultBudget
	}
	w := newWorkers()
	e := &InProcess{budget: budget, workers: w, close: sync.OnceFunc(func() { close(w.closed) })}
	for _, o := range options {
		o(e)
	}
	return e
}

// Close lets the evaluator's idle goroutines end. Decide may still be called.
func (e *InProcess) Close() { e.close() }

// Decide implements Evaluator. A panic denies.
func (e *InProcess) Decide(ctx context.Context, set *Set, in *Input) (d Decision) {
	defer func() {
		if r := recover(); r != nil {
			d = Decision{Code: CodeError, Reasons: []Reason{{Code: CodeError, Detail: clip(fmt.Sprintf("%s: %v", errPanicked, r), maxText)}}}
		}
	}()
	b := newBudget(e.budget)
	defer b.soft.Stop()
	return decide(set, in, e.approvals, func(c *Compiled, input view) (ast.Value, error) {
		if c.Isolated() {
			return e.evaluateFar(ctx, set, c, input.text, b)
		}
		return e.evaluate(ctx, set.turns, c, input.value, b)
	})
}
