package policy

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Lean is the same policy without what only its tests, and whoever publishes it, need:
// pictures of tenants hold a great many entries of data in memory, and what is held is
// what the collector looks at. It decides and explains exactly as before; it has no tests
// to run, and its Source has neither data nor text.
func (c *Compiled) Lean(ctx context.Context) (*Compiled, error) {
	if c.query == nil { // it is
		return c, nil
	}
	lean := &Compiled{src: c.src, hash: c.hash, wants: c.wants, flight: c.flight, query: c.query}
	lean.src.Data, lean.src.DataSchema, lean.src.Modules, lean.src.Tests = nil, nil, nil, nil
	if !c.indexed || readsPolicy(c.query.compiler) {
		return lean, nil
	}
	data := ast.NewObject()
	c.query.data.Foreach(func(key, value *ast.Term) {
		if !key.Equal(policyKey) {
			data.Insert(key, value)
		}
	})
	q := &query{compiler: c.query.compiler}
	if err := q.prepare(ctx, data, entrypoint); err != nil {
		return nil, err
	}
	lean.query = q
	return lean, nil
}

var policyKey = ast.StringTerm("policy")

// readsPolicy reports whether modules can see data.policy. Wherever it is not plain
// from the text that they cannot, they can.
func readsPolicy(compiler *ast.Compiler) (reads bool) {
	visit := func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Var:
			reads = reads || v.Equal(ast.DefaultRootDocument.Value)
		case ast.Ref:
			if v[0].Equal(ast.DefaultRootDocument) {
				reads = reads || len(v) < 2 || v[1].Equal(policyKey) || !isString(v[1])
				for _, part := range v[1:] { // what is inside brackets may read it too
					ast.WalkTerms(part, func(t *ast.Term) bool {
						if inner, ok := t.Value.(ast.Ref); ok && inner[0].Equal(ast.DefaultRootDocument) {
							reads = true
						}
						return reads
					})
				}
				return true
			}
		}
		return reads
	}
	for _, m := range compiler.Modules {
		for _, r := range m.Rules { // imports are written out by now, and a package's own name reads nothing
			ast.WalkTerms(r, visit)
		}
	}
	return reads
}

func isString(t *ast.Term) bool {
	_, ok := t.Value.(ast.String)
	return ok
}
