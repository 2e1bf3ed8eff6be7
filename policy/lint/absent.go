package lint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func absentGrants() Rule {
	return Rule{
		Name: "absent-grants", Severity: Error,
		Title: "That something is absent grants",
		Why: "`not input.user.guest` holds for whoever is no guest, and also where there is no user, or where the identity provider did not say. Much of `input` may be absent. Ask for what must be there: " +
			"`input.user.guest == false`; or have it there first, in the same rule. That there is no user at all may be asked with `not input.user.id`, where `input.actor.kind` says who is there instead.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"no_guest\"}]} if not input.user.guest\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"no_guest\"}]} if input.user.guest == false\n"},
		check: func(p *pass) {
			for b := range p.granting() {
				p.negations(b)
			}
		},
	}
}

// granting are the branches that an answer which may allow rests on.
func (p *pass) granting() map[*branch]bool {
	var begin []*branch
	for _, a := range p.answers() {
		if a.may() {
			begin = append(begin, a.branch)
		}
	}
	all := map[*branch]bool{}
	for _, b := range begin {
		all[b] = true
	}
	var names []string
	for _, b := range begin {
		names = append(names, p.leansOn(b)...)
	}
	for name := range p.reached(names, p.positive) {
		for _, b := range p.graph().rules[name] {
			if !b.file.test && b.name != "deny" {
				all[b] = true
			}
		}
	}
	return all
}

// leansOn are the rules that an answer reads so that it allows.
func (p *pass) leansOn(b *branch) []string {
	var names []string
	p.positive(b, func(t *ast.Term) {
		for _, name := range p.graph().named(b, t) {
			p.step()
			if name != pkgRoot+".decision" {
				names = append(names, name)
			}
		}
	})
	return names
}

// positive visits the terms of a branch that are not under a negation; of an answer,
// only what allows and what is granted.
func (p *pass) positive(b *branch, add func(*ast.Term)) {
	if b.name == "deny" {
		return
	}
	visit := func(x any) {
		p.walk(x, func(x any) bool {
			switch x := x.(type) {
			case *ast.Expr:
				return x.Negated
			case *ast.Not:
				return true
			case *ast.Term:
				add(x)
			}
			return false
		})
	}
	visit(b.rule.Body)
	if b.rule.Head.Key != nil {
		visit(b.rule.Head.Key)
	}
	if b.rule.Head.Value == nil {
		return
	}
	written, ok := members(b.rule.Head.Value)
	if !ok {
		visit(b.rule.Head.Value)
		return
	}
	for name, t := range written {
		if name != "deny" && name != "reasons" {
			visit(t)
		}
	}
}

// negations looks for what holds where nothing is there.
func (p *pass) negations(b *branch) {
	bodies := []ast.Body{b.rule.Body}
	p.walkBranch(b, func(x any) bool {
		if body, ok := x.(ast.Body); ok {
			bodies = append(bodies, body)
		}
		return false
	})
	present := p.present(b)
	for _, body := range bodies {
		for _, e := range body {
			_, inner := e.Terms.(*ast.Not)
			if !e.Negated && !inner {
				continue
			}
			p.walk(bare(e), func(x any) bool {
				t, ok := x.(*ast.Term)
				if !ok {
					return false
				}
				from, ok := b.scope.place(t)
				if _, isRef := t.Value.(ast.Ref); !ok || !isRef || from.root != rootInput || len(from.path) == 0 || p.there(from, present) {
					return false
				}
				p.say(b.file, e.Location, "ask for what must be there, such as "+from.String()+" == false", "this holds where %s is absent, and grants", from)
				return false
			})
		}
	}
}

// bare is an expression without what it is evaluated with.
func bare(e *ast.Expr) *ast.Expr {
	return &ast.Expr{Terms: e.Terms, Location: e.Location}
}

// present are the paths of input that must be there for a branch to hold.
func (p *pass) present(b *branch) map[string]bool {
	all := map[string]bool{}
	for _, e := range b.rule.Body {
		if _, inner := e.Terms.(*ast.Not); e.Negated || inner {
			continue
		}
		p.walk(bare(e), func(x any) bool {
			switch x := x.(type) {
			case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, ast.Body:
				return true // may be empty
			case *ast.Term:
				if from, ok := b.scope.place(x); ok && from.root == rootInput && !strings.HasPrefix(x.String(), "object.get") {
					for i := range from.path {
						all[strings.Join(from.path[:i+1], ".")] = true
					}
				}
			}
			return false
		})
	}
	return all
}

// there reports whether a path is there whenever those of present are.
func (p *pass) there(from place, present map[string]bool) bool {
	at := p.inputSchema()
	if from.is("user.id") && present["actor.kind"] {
		return true // asks whether there is a user, where somebody else is
	}
	for i, name := range from.path {
		if name == each || at == nil {
			return i > 0 && present[strings.Join(from.path[:i], ".")]
		}
		if !at.required[name] && !present[strings.Join(from.path[:i+1], ".")] {
			return false
		}
		at, _ = at.member(name)
	}
	return true
}
