package lint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The limits of what is read at a glance.
const (
	maxRuleLines = 40
	maxNesting   = 3
)

func longRule() Rule {
	return Rule{
		Name: "long-rule", Severity: Warning,
		Title: "A rule that is too long or too deep",
		Why:   "Whoever approves a change must see what a rule says: at most 40 lines, and comprehensions and `every` at most three deep. Give the parts names.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"scopes\": {s | some s in {t | some t in {u | some u in {v | some v in input.available_scopes}}}}, \"reasons\": [{\"code\": \"all\"}]} if input.client.name == \"claude\"\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"scopes\": {s | some s in input.available_scopes}, \"reasons\": [{\"code\": \"all\"}]} if input.client.name == \"claude\"\n"},
		check: func(p *pass) {
			for _, b := range p.branches {
				if b.rule == b.whole && !b.file.test && lines(b.rule) > maxRuleLines {
					p.say(b.file, b.at(), "give its parts names", "%s has %d lines; at most %d are read at a glance", b.name, lines(b.rule), maxRuleLines)
				}
				if deep := p.deepest(b); deep != nil {
					p.say(b.file, deep, "give its parts names", "this is nested more than %d deep", maxNesting)
				}
			}
		},
	}
}

// deepest is where a branch is nested too deeply, or nil.
func (p *pass) deepest(b *branch) *ast.Location {
	var found *ast.Location
	var depth int
	visitor := ast.NewBeforeAfterVisitor(func(x any) bool {
		p.step()
		switch x := x.(type) {
		case *ast.Term:
			if comprehends(x) {
				if depth++; depth > maxNesting && found == nil {
					found = x.Location
				}
			}
		case *ast.Every:
			if depth++; depth > maxNesting && found == nil {
				found = x.Location
			}
		}
		return found != nil
	}, func(x any) {
		switch x := x.(type) {
		case *ast.Term:
			if comprehends(x) {
				depth--
			}
		case *ast.Every:
			depth--
		}
	})
	for _, part := range b.parts() {
		visitor.Walk(part)
	}
	return found
}

func comprehends(t *ast.Term) bool {
	switch t.Value.(type) {
	case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
		return true
	}
	return false
}

func unboundedIteration() Rule {
	return Rule{
		Name: "unbounded-iteration", Severity: Warning,
		Title: "A product of two lists",
		Why: "Two lists that are gone through in one body, neither of which is in the other, are compared each with each: 1,000 groups and 10,000 entries of data are ten million steps, and a decision has 50 ms. " +
			"Look one of them up: `x in list`, `object[key]`, or a package [`chancery.authz.index`](../policy.md#large-data).",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"group\"}]} if {\n\tsome group in input.user.groups\n\tsome entry in data.policy.grants\n\tentry.group == group\n}\n", Data: `{"grants": [{"group": "00g2cd5x7f"}]}`},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"group\"}]} if {\n\tsome entry in data.policy.grants\n\tentry.group in input.user.groups\n}\n", Data: `{"grants": [{"group": "00g2cd5x7f"}]}`},
		check: func(p *pass) {
			for _, b := range p.modules() {
				for _, part := range b.parts() {
					if body, ok := part.(ast.Body); ok {
						p.product(b, body, nil)
						continue
					}
					p.bodies(b, part, nil)
				}
			}
		},
	}
}

// loop is one list that a body goes through.
type loop struct {
	text string // the list
	at   *ast.Location
}

// product looks for a second loop in a body, and in the bodies inside it.
func (p *pass) product(b *branch, body ast.Body, outer []loop) {
	loops := slices.Clip(outer)
	for _, e := range body {
		for _, l := range p.loops(b, e) {
			if len(loops) > 0 {
				p.say(b.file, l.at, "look one of them up, or build an index", "each of %s is compared with each of %s", clip(loops[0].text), clip(l.text))
				return
			}
			loops = append(loops, l)
		}
	}
	for _, e := range body {
		p.bodies(b, e, loops)
	}
}

// bodies goes into the comprehensions of x, but not into theirs.
func (p *pass) bodies(b *branch, x any, outer []loop) {
	p.walk(x, func(x any) bool {
		switch x := x.(type) {
		case *ast.ArrayComprehension:
			p.product(b, x.Body, outer)
			return true
		case *ast.SetComprehension:
			p.product(b, x.Body, outer)
			return true
		case *ast.ObjectComprehension:
			p.product(b, x.Body, outer)
			return true
		case *ast.Every:
			inner := outer
			if l, ok := p.loop(b, x.Domain, x.Location); ok {
				if len(outer) > 0 {
					p.say(b.file, l.at, "look one of them up, or build an index", "each of %s is compared with each of %s", clip(outer[0].text), clip(l.text))
					return true
				}
				inner = append(slices.Clip(inner), l)
			}
			p.product(b, x.Body, inner)
			return true
		}
		return false
	})
}

// loops are the lists that one expression goes through, without those inside.
func (p *pass) loops(b *branch, e *ast.Expr) []loop {
	var all []loop
	p.walk(e, func(x any) bool {
		switch x := x.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every, *ast.Not:
			return true
		case *ast.SomeDecl:
			for _, t := range x.Symbols {
				call, ok := t.Value.(ast.Call)
				if !ok {
					continue
				}
				if l, ok := p.loop(b, call[len(call)-1], x.Location); ok {
					all = append(all, l)
				}
			}
		case *ast.Term:
			if r, ok := x.Value.(ast.Ref); ok {
				for i := 1; i < len(r) && i <= maxPath; i++ {
					if v, ok := r[i].Value.(ast.Var); ok && p.free(b, v) {
						if l, ok := p.loop(b, ast.NewTerm(r[:i]), x.Location); ok {
							all = append(all, l)
						}
						break
					}
				}
			}
		}
		return false
	})
	return all
}

// free reports whether a variable in brackets goes through all there is.
func (p *pass) free(b *branch, v ast.Var) bool {
	if v.IsWildcard() || v.IsGenerated() {
		return true
	}
	if b.scope.global(v) {
		return false
	}
	bound := b.scope.vars[v]
	return bound == nil || bound.term == nil && !bound.arg
}

// loop is a list of input or data that no loop gave.
func (p *pass) loop(b *branch, list *ast.Term, at *ast.Location) (loop, bool) {
	from, ok := b.scope.place(list)
	if !ok {
		if r, isRef := list.Value.(ast.Ref); isRef && r[0].Equal(ast.DefaultRootDocument) {
			return loop{text: list.String(), at: at}, true
		}
		return loop{}, false
	}
	if slices.Contains(from.path, each) {
		return loop{}, false
	}
	return loop{text: from.String(), at: at}, true
}
