package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Far evaluates isolated policies somewhere else: in processes whose memory and time the kernel bounds (policy/pool).
type Far interface {
	// Evaluate asks one policy for its decision on a recorded input (Input.JSON) and returns it as JSON. The error is a
	// *FarError where it was the policy that failed.
	Evaluate(ctx context.Context, q Question) (Said, error)
	// Explain lists the rules that were true for the input, as Compiled.Explain does.
	Explain(ctx context.Context, q Question) ([]Rule, error)
}

// Question is one evaluation elsewhere.
type Question struct {
	Policy *Compiled // isolated
	Input  []byte
	Budget time.Duration // of the evaluation, once it has begun
	Wait   time.Duration // until it begins; compiling the policy there is apart
	// Suspect is a policy whose last evaluation did not end in time.
	Suspect bool
	// Beside is a question that no request waits for: an explanation, a replay, a matrix, a draft.
	Beside bool
}

// Said is an answer from elsewhere.
type Said struct {
	Decision []byte        // JSON
	Took     time.Duration // of the budget
}

// FarError is a policy that failed elsewhere. Killed says that what evaluated it had to be ended with it.
type FarError struct {
	Code   string // CodeUndefined, CodeResultInvalid, CodeError, CodeTimeout or CodeMemory
	Detail string
	Killed bool
}

func (e *FarError) Error() string { return e.Detail }

// code is e's, if it is one that an evaluation may end with.
func (e *FarError) code() string {
	switch e.Code {
	case CodeUndefined, CodeResultInvalid, CodeTimeout, CodeMemory:
		return e.Code
	}
	return CodeError
}

// ErrBusy is Far without room for one more evaluation.
var ErrBusy = errors.New("no process was free to evaluate the policy")

var errIsolated = errors.New("the policy is evaluated in another process only")

// Isolate takes a policy that is evaluated elsewhere. Nothing of it is compiled here: compiling is work that its author
// controls. What that would refuse denies when the policy is asked. The error is a CompileErrors.
func Isolate(src Source) (*Compiled, error) {
	c := &Compiled{hash: src.Hash(), flight: newFlight()}
	resolved, err := resolve(src)
	if err != nil {
		return nil, err
	}
	if err := checkAppliesTo(resolved); err != nil {
		return nil, err
	}
	if c.kept, err = pack(src); err != nil {
		return nil, err
	}
	c.sees = seenBy(resolved.Modules)
	c.src = resolved
	c.src.Data, c.src.DataSchema, c.src.Modules, c.src.Tests = nil, nil, nil, nil
	return c, nil
}

// Isolated reports whether the policy is evaluated elsewhere.
func (c *Compiled) Isolated() bool { return c.query == nil && c.shelved == nil }

// Content is what whoever evaluates an isolated policy needs of it, a Source as JSON (ParseContent), and the size of that.
// Policies with the same key decide alike.
func (c *Compiled) Content() (key [32]byte, text func() ([]byte, error), size int) {
	return c.kept.key, c.kept.unpack, c.kept.size
}

// Explain lists the rules of a policy that were true for an input, wherever it is evaluated.
func (e *InProcess) Explain(ctx context.Context, c *Compiled, in *Input) ([]Rule, error) {
	if !c.Isolated() {
		return c.Explain(ctx, in)
	}
	if e.far == nil {
		return nil, errIsolated
	}
	text, err := in.JSON()
	if err != nil {
		return nil, err
	}
	return e.far.Explain(ctx, Question{Policy: c, Input: text, Budget: testBudget, Wait: besideWait, Beside: true})
}

// Say is what one policy alone says of an input, as Compiled.Say, wherever it is evaluated.
func (e *InProcess) Say(ctx context.Context, c *Compiled, in *Input) (json.RawMessage, error) {
	if !c.Isolated() {
		return c.Say(ctx, in)
	}
	if e.far == nil {
		return nil, errIsolated
	}
	text, err := in.JSON()
	if err != nil {
		return nil, err
	}
	said, err := e.far.Evaluate(ctx, Question{Policy: c, Input: text, Budget: testBudget, Wait: besideWait, Beside: true})
	if far, ok := errors.AsType[*FarError](err); ok && far.Code == CodeUndefined {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return said.Decision, nil
}

// Witness tells more of an evaluation than its decision. An evaluator of isolated policies is one.
type Witness interface {
	Explain(ctx context.Context, c *Compiled, in *Input) ([]Rule, error)
	Say(ctx context.Context, c *Compiled, in *Input) (json.RawMessage, error)
}

var _ Witness = (*InProcess)(nil)

// WitnessOf is the evaluator itself, or what evaluates in this process alone, where isolated policies say nothing.
func WitnessOf(e Evaluator) Witness {
	if w, ok := e.(Witness); ok {
		return w
	}
	return here{}
}

type here struct{}

func (here) Explain(ctx context.Context, c *Compiled, in *Input) ([]Rule, error) {
	return c.Explain(ctx, in)
}

func (here) Say(ctx context.Context, c *Compiled, in *Input) (json.RawMessage, error) {
	return c.Say(ctx, in)
}

// evaluateFar asks one isolated policy. Its slots and turns are as in evaluate; the turns of a set are fewer, so that one
// tenant leaves evaluators to others.
func (e *InProcess) evaluateFar(ctx context.Context, set *Set, c *Compiled, input []byte, b *budget) (ast.Value, error) {
	if e.far == nil {
		return nil, errIsolated
	}
	f := c.flight
	leave, err := f.enter(ctx, b)
	if err != nil {
		return nil, err
	}
	defer leave()
	select {
	case set.farTurns <- struct{}{}:
		defer func() { <-set.farTurns }()
	case <-ctx.Done():
		return nil, errTimeout
	case <-b.soft.C:
		return nil, errTimeout
	}
	left := b.left()
	if left <= 0 {
		return nil, errTimeout
	}
	said, err := e.far.Evaluate(ctx, Question{Policy: c, Input: input, Budget: left, Wait: b.full * waitForTurn, Suspect: f.suspect.Load(), Beside: e.beside})
	b.spend(said.Took)
	f.learn(err)
	if err != nil {
		return nil, err
	}
	value, err := ast.ValueFromReader(bytes.NewReader(said.Decision))
	if err != nil {
		return nil, &FarError{Code: CodeResultInvalid, Detail: oneLine(err)}
	}
	return value, nil
}

// Answer is the other end of Far: it decides on a recorded input as the only policy that is asked. The error is a *FarError.
// What it returns has the shape of a decision; whoever asked checks that again.
func (e *InProcess) Answer(ctx context.Context, c *Compiled, input []byte, allowed time.Duration) ([]byte, error) {
	in, err := ParseInput(input)
	if err != nil {
		return nil, &FarError{Code: CodeError, Detail: oneLine(err)}
	}
	value, err := in.value(c.wants)
	if err != nil {
		return nil, &FarError{Code: CodeError, Detail: oneLine(err)}
	}
	b := newBudget(allowed)
	defer b.soft.Stop()
	said, err := e.evaluate(ctx, make(chan struct{}, 1), c, value, b)
	if err != nil {
		return nil, &FarError{Code: codeOf(err), Detail: oneLine(err), Killed: c.flight.stuck.Load() > 0}
	}
	if _, err := decode(said); err != nil { // it is bounded from here on
		return nil, &FarError{Code: CodeResultInvalid, Detail: oneLine(err)}
	}
	plain, err := ast.JSON(said)
	if err != nil {
		return nil, &FarError{Code: CodeResultInvalid, Detail: oneLine(err)}
	}
	text, err := marshal(plain)
	if err != nil {
		return nil, &FarError{Code: CodeResultInvalid, Detail: oneLine(err)}
	}
	return text, nil
}
