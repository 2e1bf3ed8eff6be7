package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// query is a prepared query over modules and data that never change.
type query struct {
	body     ast.Body
	compiler *ast.Compiler
	prepared ast.QueryCompiler
	data     ast.Object
	store    storage.Store
	txn      storage.Transaction // read only, for the life of the query
}

const resultVar = "result"

var (
	errUndefined = errors.New("undefined")
	errPanicked  = errors.New("evaluation failed")
)

// newQuery compiles modules strictly, with nothing but the reviewed capabilities,
// and one query over them. The modules stay as they were parsed.
func newQuery(ctx context.Context, modules map[string]*ast.Module, data ast.Object, text string) (*query, error) {
	// Print statements are enabled so that they are refused, not dropped: what they
	// are rewritten to is no capability.
	compiler := ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true).
		WithDefaultRegoVersion(ast.RegoV1).WithEnablePrintStatements(true)
	copies := make(map[string]*ast.Module, len(modules))
	for name, m := range modules {
		copies[name] = m.Copy()
	}
	compiler.Compile(copies)
	if compiler.Failed() {
		return nil, compileErrors("modules", compiler.Errors)
	}
	q := &query{compiler: compiler}
	if err := q.prepare(ctx, data, text); err != nil {
		return nil, err
	}
	return q, nil
}

func (q *query) prepare(ctx context.Context, data ast.Object, text string) error {
	body, err := ast.ParseBodyWithOpts(resultVar+" = "+text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return compileErrors("modules", err)
	}
	q.prepared = q.compiler.QueryCompiler()
	if q.body, err = q.prepared.Compile(body); err != nil {
		return compileErrors("modules", err)
	}
	q.data = data
	q.store = inmem.NewFromASTObject(data)
	if q.txn, err = q.store.NewTransaction(ctx); err != nil {
		return compileErrors("data", fmt.Errorf("open data: %w", err))
	}
	return nil
}

// eval answers the query, or errUndefined. It stops soon after ctx is done, unless
// it is inside a call that cannot be cancelled.
func (q *query) eval(ctx context.Context, input ast.Value, tracer topdown.QueryTracer) (ast.Value, error) {
	cancel := topdown.NewCancel()
	stop := context.AfterFunc(ctx, cancel.Cancel)
	defer stop()
	return q.run(ctx, input, cancel, tracer)
}

// run answers the query until cancel says otherwise. A panic is an error.
func (q *query) run(ctx context.Context, input ast.Value, cancel topdown.Cancel, tracer topdown.QueryTracer) (result ast.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, fmt.Errorf("%w: %v", errPanicked, r)
		}
	}()
	t := topdown.NewQuery(q.body).
		WithQueryCompiler(q.prepared).
		WithCompiler(q.compiler).
		WithStore(q.store).
		WithTransaction(q.txn).
		WithMetrics(metrics.NoOp()).
		WithStrictBuiltinErrors(true).
		WithCancel(cancel)
	if tracer != nil {
		t = t.WithQueryTracer(tracer)
	}
	if input != nil {
		t = t.WithInput(ast.NewTerm(input))
	}
	answers := 0
	err = t.Iter(ctx, func(r topdown.QueryResult) error {
		answers++
		result = r[ast.Var(resultVar)].Value
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case answers == 0:
		return nil, errUndefined
	case answers > 1:
		return nil, fmt.Errorf("%d answers where one is allowed", answers)
	}
	return result, nil
}

// oneLine is the message of an evaluation error without what follows it.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return clip(line, maxText)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
