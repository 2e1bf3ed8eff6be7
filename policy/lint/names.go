package lint

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

func unusedRule() Rule {
	return Rule{
		Name: "unused-rule", Severity: Warning,
		Title: "A rule that decision does not read",
		Why:   "Only `decision` is asked for. A rule that it does not read, itself or through others, decides nothing, whatever its name promises: most often it was meant to be part of the decision.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n\ndeny contains \"guests\" if input.user.guest\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"deny\": deny, \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n\ndeny contains \"guests\" if input.user.guest\n"},
		check: func(p *pass) {
			const entry = pkgRoot + ".decision"
			if p.broken || p.graph().rules[entry] == nil {
				return
			}
			used := p.reached([]string{entry}, func(b *branch, add func(*ast.Term)) { p.terms(b, add) })
			said := map[string]bool{}
			for _, b := range p.modules() {
				key := b.file.pkg + "." + b.name
				if !used[key] && !said[key] {
					said[key] = true
					p.say(b.file, b.at(), "use it in decision, or take it away", "%s is not read by decision", b.name)
				}
			}
		},
	}
}

// terms visits every term of a branch.
func (p *pass) terms(b *branch, f func(*ast.Term)) {
	p.walkBranch(b, func(x any) bool {
		if t, ok := x.(*ast.Term); ok {
			f(t)
		}
		return false
	})
}

func unusedImport() Rule {
	return Rule{
		Name: "unused-import", Severity: Error,
		Title: "An import that is not used",
		Why:   "The compiler refuses it. Where it was meant to be used, something else is.",
		Bad:   Example{Module: "import data.policy.clients\n\ndecision := {\"allow\": false, \"deny\": [\"closed\"]}\n"},
		Good:  Example{Module: "import data.policy.clients\n\ndecision := {\"allow\": true, \"reasons\": [{\"code\": \"listed\"}]} if input.client.name in clients\n", Data: `{"clients": ["claude"]}`},
		check: func(p *pass) {
			for _, f := range p.files {
				used := map[ast.Var]bool{}
				for _, b := range p.branches {
					if b.file == f {
						p.terms(b, func(t *ast.Term) {
							if v, ok := t.Value.(ast.Var); ok {
								used[v] = true
							}
						})
					}
				}
				for _, i := range f.module.Imports {
					if _, counts := f.imports[i.Name()]; counts && !used[i.Name()] {
						p.say(f, i.Location, "take it away", "import %s is not used", i.Name())
					}
				}
			}
		},
	}
}

func unusedVariable() Rule {
	return Rule{
		Name: "unused-variable", Severity: Error,
		Title: "A variable that is not used",
		Why:   "A value that is given a name and not looked at is a condition that somebody forgot. Where only its presence counts, write `_`.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"group\"}]} if {\n\tsome group in input.user.groups\n}\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"group\"}]} if {\n\tsome group in input.user.groups\n\tgroup == \"00g2cd5x7f\"\n}\n"},
		check: func(p *pass) {
			for _, b := range p.branches {
				times := map[ast.Var]int{}
				p.terms(b, func(t *ast.Term) {
					if v, ok := t.Value.(ast.Var); ok {
						times[v]++
					}
				})
				for _, v := range slices.Sorted(maps.Keys(b.scope.vars)) {
					bound := b.scope.vars[v]
					if times[v] > 1 || v.IsGenerated() || bound.arg && (b.whole.Else != nil || b.rule.Default) {
						continue
					}
					p.say(b.file, at(bound, b), "use it, or write _", "%s is not used", v)
				}
			}
		},
	}
}

func at(bound *binding, b *branch) *ast.Location {
	if bound.at != nil {
		return bound.at
	}
	return b.at()
}

func shadowedName() Rule {
	return Rule{
		Name: "shadowed-name", Severity: Error,
		Title: "A variable has the name of something else",
		Why:   "A rule, an argument or a variable named `input` or `data`, or as an import of the file is, takes its place: what reads like the request is not the request.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"claude\"}]} if is_claude(input.client)\n\nis_claude(input) if input.name == \"claude\"\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"claude\"}]} if is_claude(input.client)\n\nis_claude(client) if client.name == \"claude\"\n"},
		check: func(p *pass) {
			for _, b := range p.branches {
				if b.name == "input" || b.name == "data" {
					p.say(b.file, b.at(), "give it another name", "a rule is named %s", b.name)
				}
				for _, v := range slices.Sorted(maps.Keys(b.scope.vars)) {
					_, imported := b.file.imports[v]
					if imported || v == "input" || v == "data" {
						p.say(b.file, at(b.scope.vars[v], b), "give it another name", "%s hides what that name stands for", v)
					}
				}
			}
		},
	}
}

func partialAndComplete() Rule {
	return Rule{
		Name: "partial-and-complete", Severity: Error,
		Title: "One name for a set and for a value",
		Why:   "A name is a set that rules add to (`deny contains …`), a function, or a value: not two of them. The compiler refuses it.",
		Bad:   Example{Module: "deny contains \"guests\" if input.user.guest\n\ndeny := {\"closed\"} if input.time.hour < 8\n\ndecision := {\"allow\": input.user.guest == false, \"deny\": deny, \"reasons\": [{\"code\": \"guests\"}]}\n"},
		Good:  Example{Module: "deny contains \"guests\" if input.user.guest\n\ndeny contains \"closed\" if input.time.hour < 8\n\ndecision := {\"allow\": input.user.guest == false, \"deny\": deny, \"reasons\": [{\"code\": \"guests\"}]}\n"},
		check: func(p *pass) {
			first := map[string]string{}
			for _, b := range p.branches {
				if b.rule != b.whole || len(b.rule.Head.Ref()) != 1 {
					continue
				}
				kind := "a value"
				switch {
				case len(b.rule.Head.Args) > 0:
					kind = "a function"
				case b.rule.Head.RuleKind() == ast.MultiValue:
					kind = "a set"
				}
				key := b.file.pkg + "." + b.name
				before, again := first[key]
				if !again {
					first[key] = kind
				} else if before != kind {
					p.say(b.file, b.at(), "give one of them another name", "%s is %s here, and %s elsewhere", b.name, kind, before)
				}
			}
		},
	}
}
