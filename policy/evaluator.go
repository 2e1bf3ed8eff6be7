package policy

import (
	"context"
	"time"
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

// InProcess evaluates in this process.
type InProcess struct {
	budget    time.Duration
	approvals bool
}

// NewInProcess makes an Evaluator whose decisions take no longer than budget;
// DefaultBudget when it is zero or less.
func NewInProcess(budget time.Duration, options ...Option) *InProcess {
	if budget <= 0 {
		budget = DefaultBudget
	}
	e := &InProcess{budget: budget}
	for _, o := range options {
		o(e)
	}
	return e
}
