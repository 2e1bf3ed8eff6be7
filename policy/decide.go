package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// decide asks every policy that matches, by way of evaluate, and combines.
func decide(set *Set, in *Input, approvals bool, evaluate func(*Compiled, view) (ast.Value, error)) Decision {
	// 1. Who is asked.
	var resource string
	if in.Resource != nil {
		resource = in.Resource.Name
	}
	p := set.lookup(resource, in.Action)
	if p.grant == nil {
		return none(resource, in.Action)
	}

	// 2. What they see.
	input, err := p.view(in)
	if err != nil {
		return Decision{Code: CodeError, Reasons: []Reason{{Code: CodeError, Detail: oneLine(err)}}}
	}

	// 3. Ask each, the grant first, within one budget.
	m := combination{in: in}
	ask := func(c *Compiled) bool {
		m.d.Policies = append(m.d.Policies, c.Ref())
		value, err := evaluate(c, input)
		if err != nil {
			m.fail(c, codeOf(err), oneLine(err))
			return false
		}
		r, err := decode(value)
		if err == nil {
			err = m.known(r)
		}
		if err != nil {
			m.fail(c, CodeResultInvalid, oneLine(err))
			return false
		}
		m.add(c, r)
		return true
	}
	if ask(p.grant) {
		for _, g := range p.guards {
			if !ask(g) {
				break
			}
		}
	}

	// 4. Put together what they said.
	return m.decision(approvals)
}

// view is what policies see of one request, in the forms that are asked for.
type view struct {
	value ast.Value // for those who are evaluated here
	text  []byte    // and elsewhere
}

func (p plan) view(in *Input) (v view, err error) {
	if p.far {
		if v.text, err = in.JSON(); err != nil {
			return v, err
		}
	}
	if p.near {
		v.value, err = in.value(p.wants)
	}
	return v, err
}

func none(resource string, action Action) Decision {
	what := fmt.Sprintf("no policy grants for resource %q and action %s", resource, action)
	return Decision{Code: CodeNone, Reasons: []Reason{{Code: CodeNone, Detail: what}}}
}

func codeOf(err error) string {
	if far, ok := errors.AsType[*FarError](err); ok {
		return far.code()
	}
	switch {
	case errors.Is(err, errUndefined):
		return CodeUndefined
	case errors.Is(err, errTimeout), errors.Is(err, errStuck), errors.Is(err, errResting), errors.Is(err, ErrBusy), topdown.IsCancel(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return CodeTimeout
	case errors.Is(err, ErrMemory):
		return CodeMemory
	}
	return CodeError
}
