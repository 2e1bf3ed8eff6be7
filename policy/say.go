package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Say is what this policy alone says of an input, as it says it: the document decision as JSON, nil where it is undefined.
// What it may grant is not cut by anything. It takes longer than a decision and has testBudget to do so.
func (c *Compiled) Say(ctx context.Context, in *Input) (json.RawMessage, error) {
	if c.query == nil {
		return nil, errors.New("a policy without its text says nothing")
	}
	input, err := in.Value()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, testBudget)
	defer stop()
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	said, err := c.query.run(ctx, input, cancel, &brake{cancel.Cancelled})
	switch {
	case errors.Is(err, errUndefined):
		return nil, nil
	case err != nil && cancel.Cancelled():
		return nil, errTimeout
	case err != nil:
		return nil, err
	}
	plain, err := ast.JSON(said)
	if err != nil {
		return nil, fmt.Errorf("decision: %w", err)
	}
	return marshal(plain)
}
