package policy

import "github.com/open-policy-agent/opa/v1/ast"

// wanted is which members of input a policy can read: by name of a member of input,
// the names of its members. Building the rest costs more than deciding does.
// A nil wanted is everything; so is a nil set of members.
type wanted map[string]map[string]bool

// wantedBy reads off compiled modules what they can see of input. Wherever it is
// not plain from the text, it is everything.
func wantedBy(compiler *ast.Compiler) wanted {
	modules := make([]*ast.Module, 0, len(compiler.Modules))
	for _, m := range compiler.Modules {
		modules = append(modules, m)
	}
	return wantedIn(modules...)
}

func wantedIn(modules ...*ast.Module) wanted {
	w := wanted{}
	everything := false
	visit := func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Var:
			everything = everything || v.Equal(ast.InputRootDocument.Value)
		case ast.Ref:
			if !v[0].Equal(ast.InputRootDocument) {
				return false
			}
			everything = everything || !w.ref(v)
			for _, t := range v[1:] { // what is inside brackets may read input too
				everything = everything || readsInput(t)
			}
			return true
		}
		return everything
	}
	for _, m := range modules {
		ast.WalkTerms(m, visit)
	}
	if everything {
		return nil
	}
	return w
}

// readsInput reports whether a part of a reference reads input in its turn, which
// counts as reading everything.
func readsInput(t *ast.Term) (everything bool) {
	ast.WalkTerms(t, func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Var:
			everything = everything || v.Equal(ast.InputRootDocument.Value)
		case ast.Ref:
			if v[0].Equal(ast.InputRootDocument) {
				everything = true
			}
		}
		return everything
	})
	return everything
}

// ref adds one reference; false is that it could read anything.
func (w wanted) ref(r ast.Ref) bool {
	if len(r) < 2 {
		return false
	}
	member, ok := r[1].Value.(ast.String)
	if !ok {
		return false
	}
	members, seen := w[string(member)]
	if seen && members == nil {
		return true
	}
	if len(r) < 3 {
		w[string(member)] = nil
		return true
	}
	inner, ok := r[2].Value.(ast.String)
	if !ok {
		w[string(member)] = nil
		return true
	}
	if members == nil {
		members = map[string]bool{}
		w[string(member)] = members
	}
	members[string(inner)] = true
	return true
}

// and is what either of two policies can read.
func (w wanted) and(o wanted) wanted {
	if w == nil || o == nil {
		return nil
	}
	both := wanted{}
	for _, part := range []wanted{w, o} {
		for member, inner := range part {
			have, seen := both[member]
			switch {
			case seen && have == nil:
			case inner == nil:
				both[member] = nil
			default:
				if have == nil {
					have = map[string]bool{}
				}
				for name := range inner {
					have[name] = true
				}
				both[member] = have
			}
		}
	}
	return both
}

// has reports whether a member of input is read at all.
func (w wanted) has(member string) bool {
	if w == nil {
		return true
	}
	_, ok := w[member]
	return ok
}
