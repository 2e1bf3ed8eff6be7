package policy

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
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
	// Stopped is the last expression of the test's file that was not true, of one that did not pass. TestOptions.Why asks it.
	Stopped *Place `json:"stopped,omitempty"`
}

// Place is an expression of a file, from 1, and the first line of its text.
type Place struct {
	File string `json:"file"`
	Row  int    `json:"row"`
	Col  int    `json:"col"`
	Text string `json:"text"`
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
	results, _, err := c.Test(ctx, TestOptions{})
	return results, err
}

// TestOptions say which tests are run, and what is noted of them.
type TestOptions struct {
	// Only takes some tests, by package and rule, such as chancery.authz_test.test_closed; nil takes all.
	Only func(name string) bool
	// Cover asks which lines of the modules were evaluated. It takes longer, as Why does.
	Cover bool
	// Why asks where a test that does not pass stopped.
	Why bool
}

// Test is RunTests with options. Without Cover there is no Coverage.
func (c *Compiled) Test(ctx context.Context, o TestOptions) ([]TestResult, Coverage, error) {
	if !o.Cover {
		results, err := c.runTests(ctx, o, nil)
		return results, Coverage{}, err
	}
	tracer := cover.New()
	results, err := c.runTests(ctx, o, tracer)
	if err != nil {
		return nil, Coverage{}, err
	}
	return results, c.coverage(tracer), nil
}

func (c *Compiled) runTests(ctx context.Context, o TestOptions, covering topdown.QueryTracer) ([]TestResult, error) {
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
			if o.Only != nil && !o.Only(result.Package+"."+name) {
				continue
			}
			tracer := covering
			var last *stopTracer
			if o.Why {
				last = &stopTracer{also: covering, file: file}
				tracer = last
			}
			if err := q.test(ctx, m.Package.Path.String()+"."+name, tracer); err != nil {
				result.Message = oneLine(err)
				result.Stopped = last.place()
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

// stopTracer remembers the last expression of one file that was not true.
type stopTracer struct {
	also topdown.QueryTracer // or nil
	file string
	at   *ast.Location
}

// Enabled implements topdown.QueryTracer.
func (t *stopTracer) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (t *stopTracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (t *stopTracer) TraceEvent(e topdown.Event) {
	if t.also != nil {
		t.also.TraceEvent(e)
	}
	if e.Op == topdown.FailOp && e.Location != nil && e.Location.File == t.file {
		t.at = e.Location
	}
}

func (t *stopTracer) place() *Place {
	if t == nil || t.at == nil {
		return nil
	}
	text, _, _ := strings.Cut(string(t.at.Text), "\n")
	return &Place{File: t.at.File, Row: t.at.Row, Col: t.at.Col, Text: clip(strings.TrimSpace(text), maxText)}
}
