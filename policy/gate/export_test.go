package gate

import (
	"context"

	"github.com/chancery-dev/chancery/policy"
)

// CheckAs is Check with another argument for the child.
func CheckAs(ctx context.Context, exe, argument string, src policy.Source) error {
	_, err := examineAs(ctx, exe, argument, Request{Source: src})
	return err
}

// EnterFrom limits this process as the child does.
func EnterFrom(memory int64) error {
	return enter(limits{Memory: memory, Time: Time, Budget: policy.DefaultBudget})
}
