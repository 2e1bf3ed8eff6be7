// Package regocheck compiles Policy objects and runs their tests with package
// policy, for the path on which objects change. It keeps the compiler out of
// package object, and must not know stores or HTTP.
package regocheck

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// Checker implements object.Checker.
type Checker struct {
	// Gate checks what others wrote in a child process with hard limits (policy/gate): to compile it is work that
	// its author controls. Nil checks in this process, as embedded templates always are.
	Gate func(ctx context.Context, s policy.Source) error
}

var _ object.Checker = Checker{}

// Source is a Policy object as the policy engine reads it.
func Source(uid, name string, revision int64, s *object.PolicySpec) policy.Source {
	filled := s.WithDefaults()
	return policy.Source{
		UID: uid, Name: name, Revision: revision,
		Role: policy.Role(filled.Role), Binds: policy.Binds(filled.Binds),
		Resources: filled.AppliesTo.Resources, Actions: filled.AppliesTo.Actions,
		Template: filled.Template, Modules: filled.Modules,
		Data: filled.Data, DataSchema: filled.DataSchema, Tests: filled.Tests,
	}
}

// CheckPolicy implements object.Checker.
func (c Checker) CheckPolicy(ctx context.Context, name string, spec *object.PolicySpec) []object.Problem {
	if c.Gate != nil && spec.Template == "" {
		if err := c.Gate(ctx, Source("", name, 0, spec)); err != nil {
			return problems(err)
		}
		return nil
	}
	compiled, err := policy.Compile(ctx, Source("", name, 0, spec))
	if err != nil {
		return problems(err)
	}
	results, err := compiled.RunTests(ctx)
	if err != nil {
		return problems(err)
	}
	return failures(policy.Failed(results))
}

func failures(results []policy.TestResult) []object.Problem {
	var failed []object.Problem
	for _, r := range results {
		text := "test " + r.Name + " does not pass"
		if r.Message != "" {
			text += ": " + r.Message
		}
		failed = append(failed, object.Problem{Path: fmt.Sprintf("spec.tests.%s:%d", r.File, r.Row), Code: "policy_test_failed", Text: text})
	}
	return failed
}

func problems(err error) []object.Problem {
	if tests, ok := errors.AsType[*gate.TestsFailed](err); ok {
		return failures(tests.Results)
	}
	all, ok := errors.AsType[policy.CompileErrors](err)
	if !ok {
		return []object.Problem{{Path: "spec", Code: "policy_compile", Text: err.Error()}}
	}
	var list []object.Problem
	for _, e := range all {
		path := "spec"
		if e.File != "" {
			path = "spec." + e.File
		}
		if e.Row > 0 {
			path = fmt.Sprintf("spec.modules.%s:%d:%d", e.File, e.Row, e.Col)
		}
		list = append(list, object.Problem{Path: path, Code: e.Code, Text: e.Message})
	}
	return list
}
