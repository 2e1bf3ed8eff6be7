package lint

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/chancery-dev/chancery/policy"
)

const (
	roleGrant = policy.RoleGrant
	roleGuard = policy.RoleGuard
)

// decisionSchema is the published one of what a policy says.
func (p *pass) decisionSchema() *node {
	var schema map[string]any
	if err := json.Unmarshal(policy.DecisionSchema, &schema); err != nil {
		panic(err)
	}
	return p.shape(schema, schema, 0)
}

func decisionMember() Rule {
	return Rule{
		Name: "decision-member", Severity: Error,
		Title: "The decision has a member that does not exist, or of the wrong kind",
		Why:   "A result that does not fit the [published schema](../../policy/schema/decision.v1.json) denies, whatever it says: a misspelt `scopes` does not grant less, it refuses everybody.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"scope\": [\"notes:read\"], \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"scopes\": [\"notes:read\"], \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n"},
		check: func(p *pass) {
			schema := p.decisionSchema()
			for _, a := range p.answers() {
				for name, t := range a.members {
					p.fits(a, name, t, schema, name, 0)
				}
			}
		},
	}
}

// fits holds one member of an answer, and what is in it, against the schema.
func (p *pass) fits(a answer, name string, t *ast.Term, of *node, path string, depth int) {
	p.step()
	member, ok := of.member(name)
	if !ok {
		fix := "its members are " + strings.Join(of.names(), ", ")
		if near := nearest(name, of.names()); near != "" {
			fix = "did you mean " + near + "?"
		}
		p.say(a.file, where(t, a.branch), fix, "%s is no member of a decision: the answer would deny", path)
		return
	}
	p.fitsNode(a, t, member, path, depth)
}

func (p *pass) fitsNode(a answer, t *ast.Term, want *node, path string, depth int) {
	p.step()
	if want == nil || depth > 6 {
		return
	}
	t = a.scope.literal(t)
	kind := a.scope.kind(t)
	if kind == "set" {
		kind = "array"
	}
	if kind != "" && want.kind != "" && kind != want.kind {
		p.say(a.file, where(t, a.branch), "", "%s is %s, where a decision has %s: the answer would deny", path, article(kind), article(want.kind))
		return
	}
	if list, ok := a.scope.list(t); ok && want.items != nil {
		for _, item := range list {
			p.fitsNode(a, item, want.items, path+"[_]", depth+1)
		}
	}
	if inner, ok := members(t); (ok || inner != nil) && want.kind == "object" {
		for name, t := range inner {
			p.fits(a, name, t, want, path+"."+name, depth+1)
		}
	}
}

func stepUpEmpty() Rule {
	return Rule{
		Name: "step-up-empty", Severity: Error,
		Title: "A step-up asks for nothing",
		Why:   "`step_up` needs `acr_values`, `max_age` or both: with neither, or with an empty list, the result does not fit and the request is denied, with no way for the person to do better.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"step_up\": {\"acr_values\": []}, \"reasons\": [{\"code\": \"strong\"}]} if input.client.name == \"claude\"\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"step_up\": {\"acr_values\": [\"phr\"], \"max_age\": 300}, \"reasons\": [{\"code\": \"strong\"}]} if input.client.name == \"claude\"\n"},
		check: func(p *pass) {
			const fix = `write {"acr_values": ["phr"], "max_age": 300}`
			for _, a := range p.answers() {
				t := a.members["step_up"]
				if t == nil {
					continue
				}
				asked, plain := members(a.scope.literal(t))
				if !plain {
					continue
				}
				if asked["acr_values"] == nil && asked["max_age"] == nil {
					p.say(a.file, where(t, a.branch), fix, "step_up has neither acr_values nor max_age")
				}
				if acr := asked["acr_values"]; acr != nil {
					if list, ok := a.scope.list(acr); ok && len(list) == 0 {
						p.say(a.file, where(acr, a.branch), fix, "acr_values is empty: nothing would do")
					}
				}
				if age := asked["max_age"]; age != nil && !whole(a.scope.literal(age), 0) {
					p.say(a.file, where(age, a.branch), fix, "max_age is %s: it is a whole number of seconds, 0 or more", clip(age.String()))
				}
			}
		},
	}
}

// whole reports whether a term is no literal, or a whole number of at least least.
func whole(t *ast.Term, least int64) bool {
	if !ast.IsConstant(t.Value) {
		return true
	}
	n, ok := t.Value.(ast.Number)
	if !ok {
		return false
	}
	value, err := strconv.ParseInt(string(n), 10, 64)
	return err == nil && value >= least
}

func lifetimePositive() Rule {
	return Rule{
		Name: "lifetime-positive", Severity: Error,
		Title: "A lifetime is not a whole number of seconds",
		Why:   "`lifetime` is a whole number, 1 or more, in seconds. Anything else does not fit, and the answer denies.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"lifetime\": 0, \"reasons\": [{\"code\": \"short\"}]} if input.client.name == \"claude\"\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"lifetime\": 600, \"reasons\": [{\"code\": \"short\"}]} if input.client.name == \"claude\"\n"},
		check: func(p *pass) {
			for _, a := range p.answers() {
				if t := a.members["lifetime"]; t != nil && !whole(a.scope.literal(t), 1) {
					p.say(a.file, where(t, a.branch), "write seconds, such as 600", "lifetime is %s: it is a whole number of seconds, 1 or more", clip(t.String()))
				}
			}
			for _, a := range p.answers() {
				asked, _ := members(a.scope.literal(orNull(a.members["approval"])))
				if t := asked["within"]; t != nil && !whole(a.scope.literal(t), 1) {
					p.say(a.file, where(t, a.branch), "write seconds, such as 600", "within is %s: it is a whole number of seconds, 1 or more", clip(t.String()))
				}
			}
		},
	}
}

func orNull(t *ast.Term) *ast.Term {
	if t == nil {
		return ast.NullTerm()
	}
	return t
}

func wildcardScope() Rule {
	return Rule{
		Name: "wildcard-scope", Severity: Error,
		Title: "A scope with a star",
		Why: "Scopes are compared as they are written: `notes:*` is not all scopes of notes, it is a scope of that name. Where no resource has one, the result is invalid and denies; where one has, " +
			"it grants what nobody listed.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"scopes\": [\"notes:*\"], \"reasons\": [{\"code\": \"all\"}]} if input.client.name == \"claude\"\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"scopes\": input.available_scopes, \"reasons\": [{\"code\": \"all\"}]} if input.client.name == \"claude\"\n"},
		check: func(p *pass) {
			const fix = "list the scopes, or grant input.available_scopes"
			for _, a := range p.answers() {
				t := a.members["scopes"]
				if t == nil {
					continue
				}
				list, _ := a.scope.list(t)
				for _, item := range list {
					if s, ok := item.Value.(ast.String); ok && strings.Contains(string(s), "*") {
						p.say(a.file, where(item, a.branch), fix, "%s is no pattern: scopes are compared as they are written", quoted(string(s)))
					}
				}
			}
			p.starred(p.data, false, 0)
		},
	}
}

// starred looks for scopes with a star in the data of a policy.
func (p *pass) starred(v any, scopes bool, depth int) {
	p.step()
	if depth > policy.MaxDataDepth {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			p.starred(member, name == "scopes" || name == "scope", depth+1)
		}
	case []any:
		for _, item := range v {
			p.starred(item, scopes, depth+1)
		}
	case string:
		if scopes && strings.Contains(v, "*") {
			p.say(&file{name: "data"}, nil, "list the scopes", "%s is no pattern: scopes are compared as they are written", quoted(v))
		}
	}
}

func scopeSource() Rule {
	return Rule{
		Name: "scope-source", Severity: Error,
		Title: "Scopes are granted from where other resources' scopes are too",
		Why: "What a client may have at all (`input.client.scopes`), what an assertion says (`input.asserted.scopes`, `input.assertion.claims`) and what an attribute lists can name scopes that this resource " +
			"does not know: one of them makes the result invalid, and it denies. Keep those that are in `input.available_scopes`. Scopes that are written out must be the resource's own.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"scopes\": input.client.scopes, \"reasons\": [{\"code\": \"own\"}]} if input.client.name == \"claude\"\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"scopes\": granted, \"reasons\": [{\"code\": \"own\"}]} if input.client.name == \"claude\"\n\ngranted := {scope | some scope in input.client.scopes; scope in input.available_scopes}\n"},
		check: func(p *pass) {
			for _, a := range p.answers() {
				if t := a.members["scopes"]; t != nil {
					p.scopes(a, t)
				}
			}
		},
	}
}

func (p *pass) scopes(a answer, t *ast.Term) {
	if list, ok := a.scope.list(t); ok && p.options.Scopes != nil {
		for _, item := range list {
			s, ok := item.Value.(ast.String)
			if !ok || slices.Contains(p.options.Scopes, string(s)) || strings.Contains(string(s), "*") {
				continue
			}
			fix := ""
			if near := nearest(string(s), p.options.Scopes); near != "" {
				fix = "did you mean " + near + "?"
			}
			p.say(a.file, where(item, a.branch), fix, "no resource of this policy knows scope %s: the answer would deny", quoted(string(s)))
		}
		return
	}
	from, ok := a.scope.place(t)
	if !ok {
		from, ok = a.scope.collected(a.scope.literal(t))
	}
	foreign := ok && from.root == rootInput && len(from.path) > 0 &&
		(from.is("client.scopes", "client.scopes.*", "asserted.scopes", "asserted.scopes.*", "connection.scopes", "connection.scopes.*") ||
			len(from.path) > 1 && (from.path[1] == "claims" || from.path[1] == "attributes"))
	if foreign {
		p.say(a.file, where(t, a.branch), "keep those that are in input.available_scopes", "%s may hold scopes that the resource does not know: the answer would deny", from)
	}
}

// collected is where the members of a comprehension are from, unless its body holds
// them against what the resource has.
func (s *scope) collected(t *ast.Term) (place, bool) {
	var head *ast.Term
	var body ast.Body
	switch v := t.Value.(type) {
	case *ast.SetComprehension:
		head, body = v.Term, v.Body
	case *ast.ArrayComprehension:
		head, body = v.Term, v.Body
	default:
		return place{}, false
	}
	for _, e := range body {
		terms, ok := e.Terms.([]*ast.Term)
		if !ok || e.Negated || operator(terms) != "internal.member_2" {
			continue
		}
		return place{}, false // held against something
	}
	return s.place(head)
}
