package lint

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// UnknownInput is the rule about members of input that there are not.
const UnknownInput = "unknown-input"

func unknownInput() Rule {
	return Rule{
		Name: UnknownInput, Severity: Error,
		Title: "A member of input that does not exist",
		Why: "What is not in the [published schema](../../policy/schema/input.v1.json) is undefined: the rule that reads it never holds, and its negation always does. " +
			"Tests are read too: one that sets a misspelt member tests nothing.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"editor\"}]} if \"notes-editors\" in input.user.gropus\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"editor\"}]} if \"notes-editors\" in input.user.groups\n"},
		check: func(p *pass) {
			p.unknown(rootInput)
			for _, b := range p.branches {
				p.walkBranch(b, func(x any) bool {
					if w, ok := x.(*ast.With); ok {
						if at, ok := b.scope.place(w.Target); ok && at.root == rootInput {
							p.fixture(b, w.Value, at, 0)
						}
					}
					return false
				})
			}
		},
	}
}

func unknownData() Rule {
	return Rule{
		Name: "unknown-data", Severity: Error,
		Title: "A path of data.policy that does not exist",
		Why: "`data.policy` is the object's `data`, as its `data_schema` describes it. A path that the schema does not have is undefined, and what reads it never holds. " +
			"Where there is no schema, a first name that the data does not have is a warning.",
		Bad: Example{
			Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"listed\"}]} if input.client.name in data.policy.cleints\n",
			Data:   `{"clients": ["claude"]}`,
			Schema: `{"type": "object", "additionalProperties": false, "properties": {"clients": {"type": "array", "items": {"type": "string"}}}}`,
		},
		Good: Example{
			Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"listed\"}]} if input.client.name in data.policy.clients\n",
			Data:   `{"clients": ["claude"]}`,
			Schema: `{"type": "object", "additionalProperties": false, "properties": {"clients": {"type": "array", "items": {"type": "string"}}}}`,
		},
		check: func(p *pass) { p.unknown(rootPolicy) },
	}
}

// unknown follows every reference to where its schema ends.
func (p *pass) unknown(root string) {
	for _, b := range p.branches {
		p.walkBranch(b, func(x any) bool {
			t, ok := x.(*ast.Term)
			if !ok {
				return false
			}
			switch v := t.Value.(type) {
			case ast.Ref:
				if len(v) > maxPath {
					return false
				}
				if from, rest, ok := b.scope.base(v, 0); ok && from.root == root {
					p.follow(b, from, rest)
				}
			case ast.Call:
				p.got(b, root, v, t.Location)
			}
			return false
		})
		p.walkBranch(b, func(x any) bool {
			if e, ok := x.(*ast.Expr); ok {
				if terms, ok := e.Terms.([]*ast.Term); ok {
					p.got(b, root, terms, e.Location)
				}
			}
			return false
		})
	}
	p.imported(root)
}

func (p *pass) follow(b *branch, from place, rest ast.Ref) {
	for _, t := range rest {
		names := b.scope.names(t)
		if len(names) == 0 {
			from = from.any()
			continue
		}
		for _, name := range names {
			if !p.has(b.file, where(t, b), from, name) {
				return
			}
		}
		if len(names) > 1 {
			from = from.any()
			continue
		}
		from = from.child(names[0])
	}
}

// has speaks of a name that is not at a place.
func (p *pass) has(f *file, at *ast.Location, from place, name string) bool {
	if _, ok := from.node.member(name); ok {
		return true
	}
	full := from.String() + "." + name
	switch {
	case from.node.kind == "array":
		p.say(f, at, "write "+quoted(name)+" in "+from.String(), "%s is a list: nothing in it has the name %s", from, quoted(name))
	case len(from.node.members) == 0:
		p.say(f, at, "", "%s is %s: it has no member %s", from, article(from.node.kind), quoted(name))
	default:
		severity, fix := p.rule.Severity, "its members are "+strings.Join(from.node.names(), ", ")
		if near := nearest(name, from.node.names()); near != "" {
			fix = "did you mean " + from.String() + "." + near + "?"
		}
		if from.root == rootPolicy && p.options.DataSchema == nil {
			severity = Warning
		}
		p.sayAs(severity, f, at, fix, "%s does not exist", full)
	}
	return false
}

// got is object.get, which names members as text.
func (p *pass) got(b *branch, root string, call []*ast.Term, at *ast.Location) {
	if operator(call) != "object.get" || len(call) < 3 {
		return
	}
	from, ok := b.scope.place(call[1])
	path, plain := b.scope.getPath(call[2])
	if !ok || !plain || from.root != root {
		return
	}
	for _, name := range path {
		if !p.has(b.file, at, from, name) {
			return
		}
		from = from.child(name)
	}
}

// imported are paths that an import names: import input.user.groups.
func (p *pass) imported(root string) {
	for _, f := range p.files {
		s := &scope{p: p, b: &branch{file: f}}
		for _, i := range f.module.Imports {
			if r, ok := i.Path.Value.(ast.Ref); ok && len(r) <= maxPath {
				if from, rest, ok := s.base(r, 0); ok && from.root == root {
					p.follow(&branch{file: f, scope: s, rule: &ast.Rule{Location: i.Location}}, from, rest)
				}
			}
		}
	}
}

// fixture holds an input that a test writes out against the schema.
func (p *pass) fixture(b *branch, t *ast.Term, at place, depth int) {
	p.step()
	if at.node == nil || depth > maxPath {
		return
	}
	switch v := b.scope.literal(t).Value.(type) {
	case ast.Object:
		v.Foreach(func(k, v *ast.Term) {
			name, ok := k.Value.(ast.String)
			if !ok || slices.Contains([]string{"string", "number", "boolean", "array"}, at.node.kind) {
				return
			}
			if p.has(b.file, where(k, b), at, string(name)) {
				p.fixture(b, v, at.child(string(name)), depth+1)
			}
		})
	case *ast.Array:
		if at.node.kind == "array" {
			v.Foreach(func(t *ast.Term) { p.fixture(b, t, at.any(), depth+1) })
		}
	}
}
