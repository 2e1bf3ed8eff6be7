package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// comparison is one comparison or membership in a branch.
type comparison struct {
	op          string // equal, eq, neq, lt, lte, gt, gte, in
	left, right *ast.Term
	at          *ast.Location
	negated     bool
}

// comparisons are those of a branch, also where they are values.
func (p *pass) comparisons(b *branch) []comparison {
	var all []comparison
	add := func(terms []*ast.Term, at *ast.Location, negated bool) {
		if len(terms) != 3 {
			return
		}
		op := operator(terms)
		switch op {
		case "internal.member_2":
			op = "in"
		case "equal", "neq", "lt", "lte", "gt", "gte":
		case "eq": // a variable that gets its value there is not compared
			for _, t := range terms[1:] {
				if v, ok := t.Value.(ast.Var); ok && b.scope.vars[v] != nil {
					return
				}
			}
		default:
			return
		}
		all = append(all, comparison{op: op, left: terms[1], right: terms[2], at: at, negated: negated})
	}
	p.walkBranch(b, func(x any) bool {
		switch x := x.(type) {
		case *ast.SomeDecl: // binds, compares nothing
			for _, t := range x.Symbols {
				if call, ok := t.Value.(ast.Call); ok && len(call) > 0 {
					p.walk(call[len(call)-1], func(any) bool { return false })
				}
			}
			return true
		case *ast.Expr:
			if terms, ok := x.Terms.([]*ast.Term); ok {
				add(terms, x.Location, x.Negated)
			}
		case *ast.Term:
			if call, ok := x.Value.(ast.Call); ok {
				add(call, x.Location, false)
			}
		}
		return false
	})
	return all
}

// kind is the type of a term where it is plain, or "".
func (s *scope) kind(t *ast.Term) string {
	switch v := t.Value.(type) {
	case ast.String, *ast.TemplateString:
		return "string"
	case ast.Number:
		return "number"
	case ast.Boolean:
		return "boolean"
	case ast.Null:
		return "null"
	case *ast.Array, *ast.ArrayComprehension:
		return "array"
	case ast.Set, *ast.SetComprehension:
		return "set"
	case ast.Object, *ast.ObjectComprehension:
		return "object"
	case ast.Call:
		if kind := resultKind(operator(v)); kind != "" {
			return kind
		}
	case ast.Var:
		literal := s.literal(t)
		if _, still := literal.Value.(ast.Var); !still {
			return s.kind(literal)
		}
	}
	if at, ok := s.place(t); ok && at.node != nil {
		return at.node.kind
	}
	return ""
}

// resultKind is what a built-in answers, where it is always of one type.
func resultKind(op string) string {
	switch op {
	case "count", "to_number", "plus", "mul", "div", "rem", "abs", "ceil", "floor", "round", "indexof", "time.parse_rfc3339_ns", "time.parse_duration_ns", "strings.count":
		return "number"
	case "concat", "format_int", "lower", "upper", "replace", "sprintf", "substring", "trim", "trim_left", "trim_right", "trim_prefix", "trim_suffix", "trim_space", "type_name", "crypto.sha256":
		return "string"
	case "split", "array.concat", "array.slice", "array.reverse", "sort":
		return "array"
	case "startswith", "endswith", "contains", "regex.match", "net.cidr_contains":
		return "boolean"
	}
	return ""
}

func impossibleComparison() Rule {
	return Rule{
		Name: "impossible-comparison", Severity: Error,
		Title: "A comparison that always has the same answer",
		Why: "A number is never equal to a string, a member with listed values never has another one, and what is absent from `input` is absent, not `null`. " +
			"The rule then never holds, or always does, which is worse.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"morning\"}]} if input.time.hour == \"9\"\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"morning\"}]} if input.time.hour == 9\n"},
		check: func(p *pass) {
			for _, b := range p.branches {
				for _, c := range p.comparisons(b) {
					p.impossible(b, c)
				}
			}
		},
	}
}

func (p *pass) impossible(b *branch, c comparison) {
	for _, side := range [][2]*ast.Term{{c.left, c.right}, {c.right, c.left}} {
		from, ok := b.scope.place(side[0])
		if !ok || from.node == nil {
			continue
		}
		if c.op == "in" {
			p.impossibleIn(b, c, from, side[0] == c.right)
			continue
		}
		p.values(b, c, from, b.scope.literal(side[1]))
		if side[0] == c.left || !isPlace(b.scope, c.left) { // two places are said of once
			p.kinds(b, c, from, b.scope.kind(side[1]))
		}
	}
}

// article is a kind as it stands in a sentence.
func article(kind string) string {
	switch kind {
	case "array", "object":
		return "an " + kind
	case "null":
		return kind
	}
	return "a " + kind
}

func isPlace(s *scope, t *ast.Term) bool { _, ok := s.place(t); return ok }

// impossibleIn is "x in from", or "from in x".
func (p *pass) impossibleIn(b *branch, c comparison, from place, list bool) {
	switch {
	case !list:
		items, ok := b.scope.list(c.right)
		if !ok {
			return
		}
		for _, item := range items {
			p.values(b, c, from, item)
			p.kinds(b, c, from, b.scope.kind(item))
		}
	case from.node.kind == "string" || from.node.kind == "number" || from.node.kind == "boolean":
		p.say(b.file, c.at, "compare with ==", "%s is %s: nothing is in it", from, article(from.node.kind))
	case from.node.kind == "array" && from.node.items != nil:
		p.kinds(b, c, from.any(), b.scope.kind(c.left))
	}
}

func (p *pass) kinds(b *branch, c comparison, from place, kind string) {
	if kind == "" || from.node == nil || from.node.kind == "" || kind == from.node.kind {
		return
	}
	fix := ""
	if kind == "null" {
		fix = "what is absent is undefined: ask for what must be there"
	}
	p.say(b.file, c.at, fix, "%s is %s, and is compared with %s", from, article(from.node.kind), article(kind))
}

// values holds a written value against those that a place can have.
func (p *pass) values(b *branch, c comparison, from place, value *ast.Term) {
	s, ok := value.Value.(ast.String)
	if !ok || len(from.node.enum) == 0 || from.changed || slices.Contains(from.node.enum, string(s)) {
		return
	}
	fix := "its values are " + strings.Join(from.node.enum, ", ")
	if near := nearest(string(s), from.node.enum); near != "" {
		fix = "did you mean " + quoted(near) + "?"
	}
	p.say(b.file, c.at, fix, "%s is never %s", from, quoted(string(s)))
}

var (
	dateLike = regexp.MustCompile(`^\d{4}-\d\d-\d\d(T.*)?$`)
	hourLike = regexp.MustCompile(`^\d{1,2}:\d\d(:\d\d)?([+-Z].*)?$`)
)

func timeAsString() Rule {
	return Rule{
		Name: "time-as-string", Severity: Error,
		Title: "Times are compared as text",
		Why: "`input.time.rfc3339` is in the tenant's time zone: as text, `2026-07-01T09:00:00+02:00` comes after `2026-07-01T08:30:00Z`, which is the later of the two. Compare `input.time.unix`, " +
			"or `input.time.hour` and `weekday`.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"open\"}]} if input.time.rfc3339 < \"2027-01-01T00:00:00Z\"\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"open\"}]} if input.time.unix * 1000000000 < time.parse_rfc3339_ns(\"2027-01-01T00:00:00Z\")\n"},
		check: func(p *pass) {
			const fix = "compare input.time.unix with time.parse_rfc3339_ns(…) / 1000000000"
			for _, b := range p.branches {
				for _, c := range p.comparisons(b) {
					ordered := c.op == "lt" || c.op == "lte" || c.op == "gt" || c.op == "gte"
					for _, t := range []*ast.Term{c.left, c.right} {
						from, ok := b.scope.place(t)
						clock := ok && from.is("time.rfc3339")
						s, isString := b.scope.literal(t).Value.(ast.String)
						moment := isString && (dateLike.MatchString(string(s)) || hourLike.MatchString(string(s)))
						if ordered && (clock || moment) || clock && c.op != "in" && !b.file.test {
							p.say(b.file, c.at, fix, "times are compared as text")
							break
						}
					}
				}
				if b.file.test {
					continue
				}
				p.calls(b, func(op string, args []*ast.Term, at *ast.Location) {
					switch op {
					case "startswith", "endswith", "contains", "regex.match", "substring":
						for _, t := range args {
							if from, ok := b.scope.place(t); ok && !from.changed && from.is("time.rfc3339") {
								p.say(b.file, at, "use input.time.hour, input.time.weekday or input.time.unix", "a time is taken apart as text")
							}
						}
					}
				})
			}
		},
	}
}

func constantCondition() Rule {
	return Rule{
		Name: "constant-condition", Severity: Warning,
		Title: "A rule that can never be true",
		Why:   "A condition that is false, compares two written values, or asks for two different values of one thing never holds. What was meant to be decided there falls to the default.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"either\"}]} if {\n\tinput.client.name == \"claude\"\n\tinput.client.name == \"cursor\"\n}\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"either\"}]} if input.client.name in {\"claude\", \"cursor\"}\n"},
		check: func(p *pass) {
			for _, b := range p.branches {
				p.walkBranch(b, func(x any) bool {
					if body, ok := x.(ast.Body); ok {
						p.never(b, body)
					}
					return false
				})
			}
		},
	}
}

func (p *pass) never(b *branch, body ast.Body) {
	asked := map[string]ast.Value{}
	for _, e := range body {
		switch terms := e.Terms.(type) {
		case *ast.Term:
			if v, ok := terms.Value.(ast.Boolean); ok && (!bool(v) && !e.Negated || bool(v) && e.Negated) {
				p.say(b.file, e.Location, "take the rule away", "this condition is never true")
			}
		case []*ast.Term:
			p.neverExpr(b, e, terms, asked)
		}
	}
}

func (p *pass) neverExpr(b *branch, e *ast.Expr, terms []*ast.Term, asked map[string]ast.Value) {
	op := operator(terms)
	if len(terms) != 3 || op != "equal" && op != "eq" && op != "neq" || len(e.With) > 0 {
		return
	}
	left, right := terms[1], terms[2]
	if ast.IsScalar(left.Value) && ast.IsScalar(right.Value) {
		same := left.Value.Compare(right.Value) == 0
		if same == (op == "neq") != e.Negated {
			p.say(b.file, e.Location, "take the rule away", "this condition is never true")
		}
		return
	}
	if op == "neq" || e.Negated {
		return
	}
	for _, side := range [][2]*ast.Term{{left, right}, {right, left}} {
		at, ok := b.scope.place(side[0])
		if !ok || !ast.IsScalar(side[1].Value) || slices.Contains(at.path, each) || at.changed {
			continue
		}
		if before, again := asked[at.String()]; again && before.Compare(side[1].Value) != 0 {
			p.say(b.file, e.Location, "write "+at.String()+" in {…} if either will do", "%s is asked to be two different values", at)
		}
		asked[at.String()] = side[1].Value
	}
}
