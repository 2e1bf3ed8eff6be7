package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// answer is one value that decision can have, as far as the text says.
type answer struct {
	*branch

	members map[string]*ast.Term
	plain   bool // members are all of it
	object  bool // one object; else one member of it: decision.allow := true
}

// answers are the values of decision, of the policy itself.
func (p *pass) answers() []answer {
	var all []answer
	for _, b := range p.modules() {
		if b.file.pkg != pkgRoot || b.name != "decision" {
			continue
		}
		head := b.rule.Head
		if ref := head.Ref(); len(ref) > 1 {
			name, ok := ref[1].Value.(ast.String)
			value := head.Value
			if value == nil && head.Key != nil {
				value = ast.ArrayTerm(head.Key)
			}
			if ok && len(ref) == 2 && value != nil {
				all = append(all, answer{branch: b, members: map[string]*ast.Term{string(name): value}, plain: true})
			}
			continue
		}
		a := answer{branch: b, object: true}
		if head.Value != nil {
			a.members, a.plain = members(b.scope.literal(head.Value))
		}
		all = append(all, a)
	}
	return all
}

// members are those of an object that is written out, with plain names.
func members(t *ast.Term) (map[string]*ast.Term, bool) {
	o, ok := t.Value.(ast.Object)
	if !ok {
		return nil, false
	}
	all, plain := map[string]*ast.Term{}, true
	o.Foreach(func(k, v *ast.Term) {
		name, ok := k.Value.(ast.String)
		plain = plain && ok
		if ok {
			all[string(name)] = v
		}
	})
	return all, plain
}

// allow is what an answer says of it: written out true or false, or neither.
func (a answer) allow() (yes, no bool) {
	t := a.members["allow"]
	if t == nil {
		return false, a.object && a.plain
	}
	v := a.scope.literal(t).Value
	return ast.Boolean(true).Equal(v), ast.Boolean(false).Equal(v)
}

// chained reports whether a branch is an else of another: without a condition it holds
// for all that the others do not.
func (b *branch) chained() bool { return b.rule != b.whole }

// may reports whether an answer can allow.
func (a answer) may() bool {
	_, no := a.allow()
	return !no && (a.object || a.members["allow"] != nil)
}

// list is the members of a list or set that is written out.
func (s *scope) list(t *ast.Term) ([]*ast.Term, bool) {
	var all []*ast.Term
	one := func(t *ast.Term) { all = append(all, t) }
	switch v := s.literal(t).Value.(type) {
	case *ast.Array:
		v.Foreach(one)
	case ast.Set:
		v.Foreach(one)
	default:
		return nil, false
	}
	return all, true
}

func where(t *ast.Term, or *branch) *ast.Location {
	if t != nil && t.Location != nil && t.Location.Row > 0 {
		return t.Location
	}
	return or.at()
}

// elsewhere reports whether a member is a rule of its own: decision.reasons.
func (p *pass) elsewhere(member string, all []answer) bool {
	return slices.ContainsFunc(all, func(a answer) bool { return !a.object && a.members[member] != nil })
}

func missingReasons() Rule {
	return Rule{
		Name: "missing-reasons", Severity: Error,
		Title: "A decision does not say why",
		Why: "`chancery explain` shows the reasons, the audit log keeps them, and the person who was refused is told them. Without them all that is left is a rule and a line. " +
			"A denial that says neither `reasons` nor `deny` is an error; an answer that grants, cuts or asks for more without `reasons` is a warning.",
		Bad:  Example{Module: "decision := {\"allow\": false} if input.client.plan == \"free\"\n"},
		Good: Example{Module: "decision := {\"allow\": false, \"reasons\": [{\"code\": \"plan_free\", \"detail\": \"plan free has no access\"}]} if input.client.plan == \"free\"\n"},
		check: func(p *pass) {
			all := p.answers()
			if p.elsewhere("reasons", all) {
				return
			}
			for _, a := range all {
				if !a.object || !a.plain || !empty(a, "reasons") {
					continue
				}
				_, no := a.allow()
				bare := !slices.ContainsFunc(slices.Collect(maps.Keys(a.members)), func(name string) bool { return name != "allow" && name != "reasons" })
				const fix = `add "reasons": [{"code": "…", "detail": "…"}]`
				switch {
				case no && empty(a, "deny"):
					p.say(a.file, a.at(), fix, "this answer denies and does not say why")
				case !no && !bare:
					p.sayAs(Warning, a.file, a.at(), fix, "this answer does not say why")
				}
			}
		},
	}
}

// empty reports whether a member is not there, or a list without members.
func empty(a answer, member string) bool {
	t := a.members[member]
	if t == nil {
		return true
	}
	list, ok := a.scope.list(t)
	return ok && len(list) == 0
}

func allowByDefault() Rule {
	return Rule{
		Name: "allow-by-default", Severity: Error,
		Title: "What no rule speaks of is allowed",
		Why: "A default, and an answer without a condition, hold for everybody, and for requests in which nothing is present that the other rules ask for. " +
			"Deny by default, and allow by what must be there. A guard that has nothing to say may say `{\"allow\": true}` of what it looked at; as a default it also says so of what it could not read, which is a warning.",
		Bad:  Example{Module: "default decision := {\"allow\": true, \"scopes\": [\"notes:read\"], \"reasons\": [{\"code\": \"open\"}]}\n"},
		Good: Example{Module: "default decision := {\"allow\": false, \"reasons\": [{\"code\": \"nothing_fits\"}]}\n\ndecision := {\"allow\": true, \"reasons\": [{\"code\": \"claude\"}]} if input.client.name == \"claude\"\n"},
		check: func(p *pass) {
			const fix = "deny by default, and allow under a condition"
			for _, a := range p.answers() {
				yes, _ := a.allow()
				switch {
				case !yes || !a.unconditional():
				case p.options.Role == roleGuard && (a.rule.Default || a.chained()):
					p.sayAs(Warning, a.file, a.at(), "say so under a condition, and deny by default", "the guard lets through whatever it could not read")
				case p.options.Role == roleGuard:
				case a.rule.Default || a.chained():
					p.say(a.file, a.at(), fix, "decision allows by default")
				case p.options.Role == roleGrant || a.members["scopes"] != nil && a.members["step_up"] == nil:
					p.say(a.file, a.at(), fix, "decision allows whatever is asked")
				}
			}
			allows := map[string]bool{} // the rules that allow is
			for _, a := range p.answers() {
				if t := a.members["allow"]; t != nil {
					for _, name := range p.graph().named(a.branch, t) {
						allows[name] = true
					}
				}
			}
			for _, b := range p.modules() {
				named := strings.HasPrefix(b.name, "allow") || allows[b.file.pkg+"."+b.name]
				if b.rule.Default && b.name != "decision" && named && b.rule.Head.Value != nil && ast.Boolean(true).Equal(b.rule.Head.Value.Value) {
					p.say(b.file, b.at(), "write default "+b.name+" := false", "%s is true by default", b.name)
				}
			}
		},
	}
}

func denyAlways() Rule {
	return Rule{
		Name: "deny-always", Severity: Error,
		Title: "A deny entry is always there",
		Why:   "Any entry of `deny` denies, whatever else is said. One without a condition, or beside `\"allow\": true`, refuses everybody. To refuse everybody, say `\"allow\": false`.",
		Bad:   Example{Module: "deny contains \"no guests\"\n\ndecision := {\"allow\": input.user.guest == false, \"deny\": deny, \"reasons\": [{\"code\": \"guests\"}]}\n"},
		Good:  Example{Module: "deny contains \"no guests\" if input.user.guest\n\ndecision := {\"allow\": input.user.guest == false, \"deny\": deny, \"reasons\": [{\"code\": \"guests\"}]}\n"},
		check: func(p *pass) {
			for _, b := range p.modules() {
				ref := b.rule.Head.Ref()
				named := b.name == "deny" && len(ref) == 1 || b.name == "decision" && len(ref) == 2 && ast.String("deny").Equal(ref[1].Value)
				key := b.rule.Head.Key
				if named && b.rule.Head.RuleKind() == ast.MultiValue && key != nil && b.unconditional() && ast.IsConstant(key.Value) {
					p.say(b.file, b.at(), "add a condition: deny contains … if …", "this entry of deny is always there")
				}
			}
			for _, a := range p.answers() {
				yes, _ := a.allow()
				t := a.members["deny"]
				if !yes || t == nil {
					continue
				}
				if list, ok := a.scope.list(t); ok && len(list) > 0 {
					p.say(a.file, where(t, a.branch), `say "allow": false, or leave deny out`, "deny has an entry beside allow: the answer always denies")
				}
			}
		},
	}
}
