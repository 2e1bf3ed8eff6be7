// Package regocheck compiles Policy objects and runs their tests with package
// policy, for the path on which objects change. It keeps the compiler out of
// package object, and must not know stores or HTTP.
package regocheck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
	"github.com/chancery-dev/chancery/policy/lint"
)

// Checker implements object.Checker.
type Checker struct {
	// Gate checks what others wrote in a child process with hard limits (policy/gate): to compile it is work that
	// its author controls. Nil checks in this process, as an embedded template is of which nothing is Rego but itself.
	Gate func(ctx context.Context, r gate.Request) (gate.Report, error)
	// Floor is the least coverage of the modules by the tests, in percent; the gate holds it.
	Floor int
	// Budget is how long an evaluation may take; 0 is policy.DefaultBudget.
	Budget time.Duration
	// Inputs are the newest inputs that were decided on for a tenant (policy.Input.JSON), for what evaluation costs; nil is none.
	Inputs func(ctx context.Context, t tenant.UID) iter.Seq[[]byte]
	// Advise makes most of what a reader finds in modules warnings; the gate says which.
	Advise bool
}

var _ object.Reader = Checker{}

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
	refused, _ := c.read(ctx, tenant.UID{}, name, spec, nil)
	return refused
}

// ReadPolicy implements object.Reader.
func (c Checker) ReadPolicy(ctx context.Context, t tenant.UID, name string, spec *object.PolicySpec) (refused, warned []object.Problem) {
	if c.Inputs == nil || t.IsZero() {
		return c.read(ctx, t, name, spec, nil)
	}
	return c.read(ctx, t, name, spec, c.Inputs(ctx, t))
}

func (c Checker) read(ctx context.Context, t tenant.UID, name string, spec *object.PolicySpec, inputs iter.Seq[[]byte]) (refused, warned []object.Problem) {
	if c.Gate == nil || !worded(spec.Template, spec.Tests, spec.DataSchema) {
		return here(ctx, name, spec), nil
	}
	asked := gate.Request{Source: Source("", name, 0, spec), Author: t.String(), Floor: c.Floor, Budget: c.Budget, Advise: c.Advise, Inputs: inputs}
	report, err := c.Gate(ctx, asked)
	for _, f := range report.Warnings(asked) {
		warned = append(warned, Finding(f, spec))
	}
	if err != nil {
		refused = problems(err, spec)
	}
	return refused, warned
}

// worded tells whether anything of a policy is its author's to word: modules, but also the tests and the data_schema that may
// come with a template. A schema of a page can make its validator unfold something endless, as a module can the compiler.
func worded(template string, tests map[string]string, dataSchema map[string]any) bool {
	return template == "" || len(tests) > 0 || dataSchema != nil
}

// here checks in this process.
func here(ctx context.Context, name string, spec *object.PolicySpec) []object.Problem {
	compiled, err := policy.Compile(ctx, Source("", name, 0, spec))
	if err != nil {
		return problems(err, spec)
	}
	results, err := compiled.RunTests(ctx)
	if err != nil {
		return problems(err, spec)
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
		failed = append(failed, object.Problem{Path: fmt.Sprintf("spec.tests.%s:%d", r.File, r.Row), Code: "policy_test_failed", Text: text, File: r.File, Row: r.Row})
	}
	return failed
}

// Finding is what a reader found, as a problem of the object.
func Finding(f lint.Finding, spec *object.PolicySpec) object.Problem {
	text := f.Text
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	return at(f.File, f.Row, f.Column, spec, object.Problem{Code: f.Rule, Text: text})
}

// at says where a problem is.
func at(file string, row, column int, spec *object.PolicySpec, p object.Problem) object.Problem {
	p.Path = place(file, row, column, spec)
	if file != "" && row > 0 {
		p.File, p.Row, p.Col = file, row, column
	}
	return p
}

// place is where something is in a Policy object: spec.modules.FILE:ROW:COLUMN, or the member that it is about.
func place(file string, row, column int, spec *object.PolicySpec) string {
	switch {
	case file == "":
		return "spec"
	case row == 0:
		return "spec." + file
	}
	member := "modules"
	if _, ok := spec.Tests[file]; ok {
		member = "tests"
	}
	at := fmt.Sprintf("spec.%s.%s:%d", member, file, row)
	if column > 0 {
		at += fmt.Sprintf(":%d", column)
	}
	return at
}

func problems(err error, spec *object.PolicySpec) []object.Problem {
	if tests, ok := errors.AsType[*gate.TestsFailed](err); ok {
		return failures(tests.Results)
	}
	if found, ok := errors.AsType[*gate.Findings](err); ok {
		var list []object.Problem
		for _, f := range found.Errors {
			list = append(list, Finding(f, spec))
		}
		return list
	}
	if low, ok := errors.AsType[*gate.CoverageLow](err); ok {
		return []object.Problem{at(low.File, low.Row, 0, spec, object.Problem{Code: "policy_coverage", Text: err.Error() + "; the first line that none does is here"})}
	}
	if _, ok := errors.AsType[*gate.TooManyFlips](err); ok {
		return []object.Problem{{Path: "spec", Code: "policy_replay", Text: err.Error()}}
	}
	if all, ok := errors.AsType[policy.CompileErrors](err); ok {
		var list []object.Problem
		for _, e := range all {
			list = append(list, at(e.File, e.Row, e.Col, spec, object.Problem{Code: e.Code, Text: e.Message}))
		}
		return list
	}
	return []object.Problem{{Path: "spec", Code: "policy_compile", Text: err.Error()}}
}
