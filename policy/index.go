package policy

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/chancery-dev/chancery/rego"
)

// indexPackage is evaluated once, when the policy is compiled, and its document
// takes the place of its modules.
//
// A decision may not walk a hundred thousand entries of data, and OPA keeps nothing
// between decisions. A policy therefore brings a package chancery.authz.index that
// turns data.policy into lookups. In tests, and under "opa test", the package is
// evaluated like any other, so data can be replaced with "with data.policy as …".
var indexPackage = ast.MustParseRef("data.chancery.authz.index")

// index splits the modules: the index package becomes data.
func (c *Compiled) index(ctx context.Context) (map[string]*ast.Module, ast.Object, error) {
	indexing, deciding := map[string]*ast.Module{}, map[string]*ast.Module{}
	for name, m := range c.plain {
		if m.Package.Path.HasPrefix(indexPackage) {
			indexing[name] = m
			continue
		}
		deciding[name] = m
	}
	if len(indexing) == 0 {
		return deciding, c.data, nil
	}
	document, err := c.document(ctx, indexing)
	if err != nil {
		return nil, nil, err
	}
	data := ast.NewObject()
	c.data.Foreach(data.Insert)
	data.Insert(ast.StringTerm("chancery"), ast.ObjectTerm([2]*ast.Term{
		ast.StringTerm("authz"), ast.ObjectTerm([2]*ast.Term{ast.StringTerm("index"), document}),
	}))
	return deciding, data, nil
}

// document is what the index package says of the policy's data.
func (c *Compiled) document(ctx context.Context, modules map[string]*ast.Module) (*ast.Term, error) {
	if t, ok := rego.Lookup(c.src.Template); ok && t.Index != nil {
		conv := &converter{room: 4 * MaxDataSize}
		document := conv.object(t.Index(c.src.Data), 1)
		if conv.err != nil {
			return nil, refuse("data", "data_refused", "%s", conv.err)
		}
		return document, nil
	}
	if err := refuseInput(modules); err != nil {
		return nil, err
	}
	if err := refuseOthers(modules); err != nil {
		return nil, err
	}
	q, err := newQuery(ctx, modules, c.data, indexPackage.String())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, indexBudget)
	defer cancel()
	value, err := q.eval(ctx, nil, nil)
	switch {
	case errors.Is(err, errUndefined):
		return ast.ObjectTerm(), nil
	case err != nil:
		return nil, refuse("modules", "index_failed", "package chancery.authz.index: %s", oneLine(err))
	}
	return ast.NewTerm(value), nil
}

// refuseInput keeps the index a function of the policy's own data.
func refuseInput(modules map[string]*ast.Module) error {
	var errs CompileErrors
	for _, name := range sortedKeys(modules) {
		ast.WalkRefs(modules[name], func(r ast.Ref) bool {
			if r.HasPrefix(ast.InputRootRef) {
				errs = append(errs, located(name, r[0].Location, "index_input", "package chancery.authz.index is evaluated once, without input")...)
			}
			return false
		})
		ast.WalkVars(modules[name], func(v ast.Var) bool {
			if v.Equal(ast.InputRootDocument.Value) && len(errs) == 0 {
				errs = append(errs, refuse(name, "index_input", "package chancery.authz.index is evaluated once, without input")...)
			}
			return false
		})
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// refuseOthers keeps the index to data.policy and to itself: the rest of the policy is
// not there when it is evaluated, and what is not there would read as nothing.
func refuseOthers(modules map[string]*ast.Module) error {
	var errs CompileErrors
	var name string
	var visit func(*ast.Term) bool
	visit = func(t *ast.Term) bool {
		r, isRef := t.Value.(ast.Ref)
		if !isRef {
			r = ast.Ref{t}
		}
		if r[0].Equal(ast.DefaultRootDocument) && !r.HasPrefix(policyRef) && !r.HasPrefix(indexPackage) {
			errs = append(errs, located(name, t.Location, "index_reads", "package chancery.authz.index sees data.policy and itself, not %s", r)...)
		}
		for _, part := range r[1:] { // what is inside brackets
			ast.WalkTerms(part, visit)
		}
		return isRef
	}
	for _, name = range sortedKeys(modules) { // a package's own name reads nothing
		for _, i := range modules[name].Imports {
			ast.WalkTerms(i, visit)
		}
		for _, r := range modules[name].Rules {
			ast.WalkTerms(r, visit)
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

var policyRef = ast.MustParseRef("data.policy")
