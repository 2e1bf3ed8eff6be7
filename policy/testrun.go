package policy

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// TestResult is the outcome of one rule of the tests member.
type TestResult struct {
	File    string `json:"file"`
	Row     int    `json:"row"`
	Package string `json:"package"`
	Name    string `json:"name"`
	Passed  bool   `json:"passed"`
	Message string `json:"message,omitempty"` // why it did not pass
}

// Failed is the results that did not pass.
func Failed(results []TestResult) []TestResult {
	var failed []TestResult
	for _, r := range results {
		if !r.Passed {
			failed = append(failed, r)
		}
	}
	return failed
}

func isTest(r *ast.Rule) bool { return strings.HasPrefix(testName(r), "test_") }

func testName(r *ast.Rule) string {
	ref := r.Head.Ref()
	if len(ref) == 0 {
		return ""
	}
	if name, ok := ref[0].Value.(ast.Var); ok {
		return string(name)
	}
	return ""
}

// RunTests evaluates every rule named test_… of the tests member with the policy's
// own modules and data; a test may replace input and data.policy using "with". It
// passes when it is true. The error says that the tests could not be run at all: it
// is a CompileErrors.
func (c *Compiled) RunTests(ctx context.Context) ([]TestResult, error) {
	return c.runTests(ctx, nil)
}

func (c *Compiled) runTests(ctx context.Context, tracer topdown.QueryTracer) ([]TestResult, error) {
	if len(c.tests) == 0 {
		return nil, nil
	}
	modules := maps.Clone(c.plain)
	maps.Copy(modules, c.tests)
	q, err := newQuery(ctx, modules, c.data, entrypoint)
	if err != nil {
		return nil, err
	}
	var results []TestResult
	for _, file := range sortedKeys(c.tests) {
		m, seen := c.tests[file], map[string]bool{}
		for _, r := range m.Rules {
			name := testName(r)
			if !isTest(r) || seen[name] {
				continue
			}
			seen[name] = true
			result := TestResult{File: file, Row: r.Location.Row, Package: strings.TrimPrefix(m.Package.Path.String(), "data."), Name: name}
			if err := q.test(ctx, m.Package.Path.String()+"."+name, tracer); err != nil {
				result.Message = oneLine(err)
			}
			result.Passed = result.Message == ""
			results = append(results, result)
		}
	}
	return results, nil
}

var errNotTrue = errors.New("the rule is not true")

// test evaluates one rule over the modules of q.
func (q *query) test(ctx context.Context, rule string, tracer topdown.QueryTracer) error {
	one := &query{compiler: q.compiler}
	body, err := ast.ParseBodyWithOpts(resultVar+" = "+rule, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return err
	}
	one.prepared = q.compiler.QueryCompiler()
	if one.body, err = one.prepared.Compile(body); err != nil {
		return err
	}
	one.store, one.txn = q.store, q.txn
	ctx, cancel := context.WithTimeout(ctx, testBudget)
	defer cancel()
	result, err := one.eval(ctx, nil, tracer)
	switch {
	case errors.Is(err, errUndefined):
		return errNotTrue
	case err != nil:
		return err
	case !ast.Boolean(true).Equal(result):
		return errNotTrue
	}
	return nil
}
