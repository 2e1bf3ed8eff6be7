package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Rule is a rule of a policy that was true for an input.
type Rule struct {
	File string `json:"file"`
	Row  int    `json:"row"`
	Name string `json:"name"`
}

// Explain evaluates the policy again and lists the rules that were true, in the order
// in which they were: those of decision come last. It takes longer than a decision and
// has testBudget to do so. What evaluation itself came to is not its concern.
func (c *Compiled) Explain(ctx context.Context, in *Input) ([]Rule, error) {
	input, err := in.Value()
	if err != nil {
		return nil, err
	}
	q, err := c.prepared(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, testBudget)
	defer stop()
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	t := &ruleTracer{brake: brake{cancel.Cancelled}, seen: map[Rule]bool{}}
	if _, err := q.run(ctx, input, cancel, t); err != nil && cancel.Cancelled() {
		return t.rules, errTimeout
	}
	return t.rules, nil
}

// ruleTracer keeps the rules that evaluation left successfully.
type ruleTracer struct {
	brake

	seen  map[Rule]bool
	rules []Rule
}

// TraceEvent implements topdown.QueryTracer.
func (t *ruleTracer) TraceEvent(e topdown.Event) {
	t.brake.TraceEvent(e)
	r, ok := e.Node.(*ast.Rule)
	if !ok || e.Op != topdown.ExitOp || r.Location == nil {
		return
	}
	rule := Rule{File: r.Location.File, Row: r.Location.Row, Name: r.Head.Ref().String()}
	if !t.seen[rule] {
		t.seen[rule] = true
		t.rules = append(t.rules, rule)
	}
}

// ParseInput reads an input as it was recorded by Input.JSON. Implies is not recorded.
func ParseInput(text []byte) (*Input, error) {
	var recorded struct {
		Version int `json:"version"`
		Input
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&recorded); err != nil {
		return nil, fmt.Errorf("policy input: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("policy input: more than one value")
	}
	if recorded.Version != InputVersion {
		return nil, fmt.Errorf("policy input: version %d is not known", recorded.Version)
	}
	in := recorded.Input
	return &in, nil
}
