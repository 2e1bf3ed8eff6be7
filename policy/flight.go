package policy

import (
	"context"
	"errors"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

var (
	errTimeout = errors.New("the time budget is spent")
	// ErrMemory is an evaluation that reached its memory limit; only an evaluator
	// that evaluates in another process can tell.
	ErrMemory = errors.New("the memory limit is reached")
)

// evaluate asks the policy within ctx.
func (c *Compiled) evaluate(ctx context.Context, input ast.Value, _ time.Duration) (ast.Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.query.eval(ctx, input)
}
