package vocabulary

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/chancery-dev/chancery/policy"
)

var (
	groupRefs = []ast.Ref{ast.MustParseRef("input.user.groups"), ast.MustParseRef("input.user.group_names")}
	acrRefs   = []ast.Ref{ast.MustParseRef("input.assertion.acr"), ast.MustParseRef("input.assertion.amr")}
)

// modules reads strings off the text. A string that stands in one expression with the user's groups is a group, one with
// the sign-in, or under acr_values, an acr; the rest are texts. What does not parse has no words.
func (f *finder) modules(files map[string]string) {
	for name, text := range files {
		if len(text) > policy.MaxModuleSize {
			continue
		}
		m, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil || m == nil {
			continue
		}
		ast.WalkExprs(m, func(e *ast.Expr) bool {
			switch {
			case mentions(e, groupRefs):
				strings(e, f.groups)
			case mentions(e, acrRefs):
				strings(e, f.acrs)
			}
			return false
		})
		strings(m, f.texts)
		ast.WalkTerms(m, func(t *ast.Term) bool {
			if o, ok := t.Value.(ast.Object); ok {
				f.members(o)
			}
			return false
		})
	}
}

// members reads objects that a module holds, such as a table or a demand for step-up.
func (f *finder) members(o ast.Object) {
	o.Foreach(func(k, v *ast.Term) {
		member, ok := k.Value.(ast.String)
		if !ok {
			return
		}
		if list := f.of(string(member)); list != nil {
			strings(v, list)
		}
	})
}

func mentions(e *ast.Expr, refs []ast.Ref) (found bool) {
	ast.WalkRefs(e, func(r ast.Ref) bool {
		for _, prefix := range refs {
			found = found || r.HasPrefix(prefix)
		}
		return found
	})
	return found
}

// strings collects the strings below x that are values: not the parts of a path, and not the names of members.
func strings(x any, into names) {
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Package, *ast.Import:
			return true
		case ast.String:
			into.add(string(x))
		case ast.Ref:
			for _, part := range x[1:] {
				if _, plain := part.Value.(ast.String); !plain {
					visitor.Walk(part)
				}
			}
			return true
		case ast.Object:
			x.Foreach(func(_, v *ast.Term) { visitor.Walk(v) })
			return true
		}
		return false
	})
	visitor.Walk(x)
}
