package lint

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func testMissing() Rule {
	return Rule{
		Name: "test-missing", Severity: Warning,
		Title: "No test reads what grants",
		Why:   "The tests travel with the policy and run at every apply: they are what tells the next person that his change broke something. A policy that can allow needs one that reads `decision`.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"scopes\": [\"notes:read\"], \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n"},
		Good: Example{
			Module: "decision := {\"allow\": true, \"scopes\": [\"notes:read\"], \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n",
			Tests:  "test_claude if decision.allow with input as {\"client\": {\"name\": \"claude\"}}\n\ntest_others if not decision.allow with input as {\"client\": {\"name\": \"other\"}}\n",
		},
		check: func(p *pass) {
			if p.broken {
				return
			}
			read := map[string]bool{}
			for _, b := range p.tests() {
				p.terms(b, func(t *ast.Term) {
					for _, name := range p.graph().named(b, t) {
						p.step()
						read[name] = true
					}
				})
			}
			for _, a := range p.answers() {
				if a.may() && !read[pkgRoot+".decision"] {
					p.say(a.file, a.at(), "write spec.tests: a test_… that is allowed, and one that is not", "no test reads decision, which can allow")
					return
				}
			}
		},
	}
}

func testWithoutDenial() Rule {
	return Rule{
		Name: "test-without-denial", Severity: Warning,
		Title: "No test expects a denial",
		Why:   "A policy that allows everything passes tests that only ask what is allowed. At least one must say who gets nothing: `not decision.allow`, `decision.allow == false`, a `deny`, or a challenge.",
		Bad: Example{
			Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n",
			Tests:  "test_claude if decision.allow with input as {\"client\": {\"name\": \"claude\"}}\n",
		},
		Good: Example{
			Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n",
			Tests:  "test_claude if decision.allow with input as {\"client\": {\"name\": \"claude\"}}\n\ntest_others if not decision.allow with input as {\"client\": {\"name\": \"other\"}}\n",
		},
		check: func(p *pass) {
			tests := p.tests()
			if p.broken || len(tests) == 0 {
				return
			}
			if slices.ContainsFunc(tests, p.denies) {
				return
			}
			p.say(tests[0].file, tests[0].at(), "add a test with not decision.allow", "no test expects a denial")
		},
	}
}

// denies reports whether a branch of a test looks at a refusal. What it cannot tell, it
// takes for one.
func (p *pass) denies(b *branch) bool {
	found := false
	p.walk(b.rule.Body, func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			found = found || x.Negated
			if terms, ok := x.Terms.([]*ast.Term); ok && operator(terms) != "assign" {
				for _, t := range terms {
					found = found || ast.Boolean(false).Equal(t.Value)
				}
			}
		case *ast.Not:
			found = true
		case *ast.Term:
			if r, ok := x.Value.(ast.Ref); ok && len(r) > 1 {
				for _, t := range r[1:] {
					name, _ := t.Value.(ast.String)
					found = found || name == "deny" || name == "step_up" || name == "approval"
				}
			}
			if v, ok := x.Value.(ast.Var); ok && strings.Contains(string(v), "deny") {
				found = true
			}
		case *ast.With:
			return true
		}
		return found
	})
	return found
}
