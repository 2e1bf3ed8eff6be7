package lint

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/chancery-dev/chancery/policy"
)

// calls visits every call of a branch.
func (p *pass) calls(b *branch, f func(op string, args []*ast.Term, at *ast.Location)) {
	p.walkBranch(b, func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if terms, ok := x.Terms.([]*ast.Term); ok && len(terms) > 0 {
				f(operator(terms), terms[1:], x.Location)
			}
		case *ast.Term:
			if call, ok := x.Value.(ast.Call); ok && len(call) > 0 {
				f(operator(call), call[1:], x.Location)
			}
		}
		return false
	})
}

// instead is what to use for a built-in that is not there.
func instead(op string) string {
	switch op {
	case "http.send", "net.lookup_ip_addr", "opa.runtime":
		return "a policy reaches nothing: bring what it needs in data.policy"
	case "time.now_ns", "time.clock", "time.date", "time.weekday":
		return "use input.time"
	case "walk", "graph.reachable", "graph.reachable_paths", "json.filter":
		return "name the paths, or build what is looked up in package chancery.authz.index"
	case "sum", "product":
		return "count what is there, or bring the result in data.policy"
	case "union", "object.union_n":
		return "use | or object.union of two"
	case "any", "all":
		return "use some … in, or every"
	case "re_match", "regex.find_n", "regex.is_valid", "regex.replace", "regex.split", "glob.match":
		return "use regex.match with ^ and $"
	case "net.cidr_overlap", "net.cidr_contains_matches", "net.cidr_expand":
		return "use net.cidr_contains"
	case "set_diff":
		return "use the operator -"
	case "cast_array", "cast_set", "cast_string", "cast_boolean", "cast_null", "cast_object":
		return "use is_array, is_string and the like"
	case "io.jwt.decode", "io.jwt.decode_verify", "io.jwt.verify_rs256", "io.jwt.verify_es256":
		return "tokens are verified before policy is asked: use input.assertion"
	case "numbers.range", "numbers.range_step":
		return "compare with < and >="
	case "rand.intn", "uuid.rfc4122":
		return "a decision is the same for the same input"
	case "strings.replace_n", "strings.render_template":
		return "use replace or sprintf"
	}
	return "the list is policy/builtins.txt"
}

func builtinUnavailable() Rule {
	return Rule{
		Name: "builtin-unavailable", Severity: Error,
		Title: "A built-in that policies cannot call",
		Why: "Built-ins are an [allow-list](../../policy/builtins.txt): none that reaches the network, the host, the clock or chance, none that can exhaust memory in one call, none that Rego has given up. " +
			"The compiler refuses the policy.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"early\"}]} if time.now_ns() < 2000000000000000000\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"early\"}]} if input.time.unix < 2000000000\n"},
		check: func(p *pass) {
			known := map[string]bool{}
			for _, b := range ast.Builtins {
				known[b.Name] = true
			}
			allowed := policy.Builtins()
			for _, b := range p.branches {
				p.calls(b, func(op string, _ []*ast.Term, at *ast.Location) {
					name, _, _ := strings.Cut(op, ".")
					if !known[op] || slices.Contains(allowed, op) || printing(op) || b.file.rules[name] || b.scope.vars[ast.Var(name)] != nil {
						return
					}
					p.say(b.file, at, instead(op), "%s is not available to policies", op)
				})
			}
		},
	}
}

func printing(op string) bool { return op == "print" || op == "internal.print" || op == "trace" }

func printStatement() Rule {
	return Rule{
		Name: "print-statement", Severity: Error,
		Title: "A print statement",
		Why:   "What a policy sees is personal data, and has one way out: the decision log, with its masks. `print` and `trace` are refused by the compiler. Use `chancery policy eval` and `chancery explain`.",
		Bad:   Example{Module: "decision := {\"allow\": false, \"deny\": [\"closed\"]} if print(input.user)\n"},
		Good:  Example{Module: "decision := {\"allow\": false, \"deny\": [\"closed\"]}\n"},
		check: func(p *pass) {
			for _, b := range p.branches {
				p.calls(b, func(op string, _ []*ast.Term, at *ast.Location) {
					if printing(op) && !b.file.rules[op] {
						p.say(b.file, at, "use chancery policy eval, or chancery explain", "%s does not belong into a policy", op)
					}
				})
			}
		},
	}
}

var (
	secretPrefix = regexp.MustCompile(`^(sk_live_|sk_test_|sk-[A-Za-z0-9]|rk_live_|gh[pousr]_[A-Za-z0-9]{20}|github_pat_|glpat-|xox[abprs]-|AKIA[0-9A-Z]{12}|AIza[0-9A-Za-z_-]{20}|hvs\.|npm_[A-Za-z0-9]{20}|-----BEGIN|eyJ[A-Za-z0-9_-]{10,}\.eyJ)`)
	secretName   = regexp.MustCompile(`(?i)(^|_)(secret|password|passwd|api_?key|private_?key|bearer|credential)$`)
	uuidLike     = regexp.MustCompile(`(?i)^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$`)
)

func secretLiteral() Rule {
	return Rule{
		Name: "secret-literal", Severity: Error,
		Title: "Something that looks like a secret",
		Why: "Modules, their history and what `explain` shows are read by many, and are backed up in clear. Nothing that a policy decides needs a secret: clients and people have proved who they are before it is asked. " +
			"If it is one, replace it where it is used: it has been seen.",
		Bad:  Example{Module: "api_key := \"correct-horse-battery\"\n\ndecision := {\"allow\": true, \"reasons\": [{\"code\": \"key\"}]} if input.assertion.claims.key == api_key\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"claude\"}]} if input.client.id == \"5b0c1d0e-3f60-4b8e-9f0e-6a2f1f6f2b11\"\n"},
		check: func(p *pass) {
			for _, b := range p.branches {
				if s, ok := headString(b); ok && secretName.MatchString(b.name) && len(s) >= 8 {
					p.secret(b, b.at())
				}
				p.walkBranch(b, func(x any) bool {
					switch x := x.(type) {
					case *ast.Term:
						if s, ok := x.Value.(ast.String); ok && looksSecret(string(s)) {
							p.secret(b, where(x, b))
						}
						if o, ok := x.Value.(ast.Object); ok {
							o.Foreach(func(k, v *ast.Term) {
								name, named := k.Value.(ast.String)
								s, ok := v.Value.(ast.String)
								if named && ok && len(s) >= 8 && secretName.MatchString(string(name)) {
									p.secret(b, where(v, b))
								}
							})
						}
					case *ast.Expr:
						if terms, ok := x.Terms.([]*ast.Term); ok && len(terms) == 3 && operator(terms) == "assign" {
							s, isString := terms[2].Value.(ast.String)
							if v, isVar := terms[1].Value.(ast.Var); isVar && isString && len(s) >= 8 && secretName.MatchString(string(v)) {
								p.secret(b, x.Location)
							}
						}
					}
					return false
				})
			}
		},
	}
}

func headString(b *branch) (string, bool) {
	if b.rule.Head.Value == nil {
		return "", false
	}
	s, ok := b.rule.Head.Value.Value.(ast.String)
	return string(s), ok
}

// secret does not repeat what it found.
func (p *pass) secret(b *branch, at *ast.Location) {
	p.say(b.file, at, "take it out, and replace it where it is used", "this looks like a secret")
}

// looksSecret is a known prefix, or 32 letters and digits or more without any order.
func looksSecret(s string) bool {
	if secretPrefix.MatchString(s) {
		return true
	}
	if len(s) < 32 || len(s) > 512 || uuidLike.MatchString(s) {
		return false
	}
	var lower, upper, digit bool
	seen := map[rune]float64{}
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z':
			lower = true
		case c >= 'A' && c <= 'Z':
			upper = true
		case c >= '0' && c <= '9':
			digit = true
		case !strings.ContainsRune("+/=_-", c):
			return false
		}
		seen[c]++
	}
	bits := 0.0
	for _, n := range seen {
		bits -= n / float64(len(s)) * math.Log2(n/float64(len(s)))
	}
	return lower && upper && digit && bits > 4
}
