package lint

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// address reports whether a place holds what a person or an administrator elsewhere
// may set as he likes.
func (p place) address() bool {
	return p.is("user.email", "assertion.claims.email", "assertion.claims.upn", "assertion.claims.preferred_username", "assertion.claims.unique_name")
}

func emailEquality() Rule {
	return Rule{
		Name: "email-equality", Severity: Error,
		Title: "An e-mail address decides",
		Why: "An address names nobody: it can be changed, given to another person, and in multi-tenant identity providers set to whatever its administrator likes (the attack known as nOAuth). " +
			"Decide by `input.user.id`, which is ours, by `input.user.sub` with `input.issuer.id`, or by groups. The same holds for `upn` and `preferred_username`.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"alice\"}]} if lower(input.user.email) == \"alice@acme.com\"\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"alice\", \"detail\": sprintf(\"%s is on call\", [input.user.email])}]} if input.user.id == \"usr_01JZ8Q0V9V\"\n"},
		check: func(p *pass) {
			const fix = "decide by input.user.id, by input.user.sub and input.issuer.id, or by groups"
			for _, b := range p.modules() {
				is := func(t *ast.Term) bool {
					from, ok := b.scope.place(t)
					return ok && from.address()
				}
				for _, c := range p.comparisons(b) {
					if is(c.left) || is(c.right) {
						p.say(b.file, c.at, fix, "an e-mail address is compared: it names nobody")
					}
				}
				p.calls(b, func(op string, args []*ast.Term, at *ast.Location) {
					if matches(op) && slices.ContainsFunc(args, is) || op == "object.get" && len(args) > 1 && is(args[1]) {
						p.say(b.file, at, fix, "an e-mail address is compared: it names nobody")
					}
				})
				p.walkBranch(b, func(x any) bool {
					if t, ok := x.(*ast.Term); ok {
						if r, ok := t.Value.(ast.Ref); ok && len(r) > 1 && slices.ContainsFunc(r[1:], is) {
							p.say(b.file, where(t, b), fix, "an e-mail address is what is looked up: it names nobody")
						}
					}
					return false
				})
			}
		},
	}
}

// matches reports whether a built-in compares parts of strings.
func matches(op string) bool {
	switch op {
	case "startswith", "endswith", "contains", "regex.match", "strings.any_prefix_match", "strings.any_suffix_match", "indexof", "glob.match", "split":
		return true
	}
	return false
}

func groupByName() Rule {
	return Rule{
		Name: "group-by-name", Severity: Warning,
		Title: "A group is known by its display name",
		Why: "Names of groups are changed by whoever runs the directory, and in many anybody may create a group of any name. Compare `input.user.groups`, which is what the identity provider sends, with its id; " +
			"or keep groups in `data.policy`, where they can be changed without touching a rule. `group_names` holds the aliases of the IdP's entry: where those are kept with care, ignore this with that reason.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"editors\"}]} if \"Notes Editors\" in input.user.group_names\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"editors\"}]} if \"00g2cd5x7f\" in input.user.groups\n"},
		check: func(p *pass) {
			const fix = "compare input.user.groups with the group's id, or keep groups in data.policy"
			for _, b := range p.modules() {
				for _, c := range p.comparisons(b) {
					for _, side := range [][2]*ast.Term{{c.left, c.right}, {c.right, c.left}} {
						from, ok := b.scope.place(side[0])
						if !ok {
							continue
						}
						written := b.scope.written(side[1])
						spaced := slices.ContainsFunc(written, func(s string) bool { return strings.Contains(s, " ") })
						if len(written) > 0 && (from.is("user.group_names", "user.group_names.*") || spaced && from.is("user.groups", "user.groups.*")) {
							p.say(b.file, c.at, fix, "a group is compared by its name: %s", quoted(written[0]))
						}
					}
				}
			}
		},
	}
}

// written are the strings of a literal, alone or in a list.
func (s *scope) written(t *ast.Term) []string {
	t = s.literal(t)
	if text, ok := t.Value.(ast.String); ok {
		return []string{string(text)}
	}
	if names := s.names(t); names != nil {
		return names
	}
	return stringsOf(t)
}

func issuerPrefix() Rule {
	return Rule{
		Name: "issuer-prefix", Severity: Error,
		Title: "A part of an issuer, a URL or an identifier is compared",
		Why:   "`https://idp.example` is how `https://idp.example.attacker.com` begins, and `example.com` how `notexample.com` ends. Issuers and clients are compared as a whole, byte for byte; several are a list.",
		Bad:   Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"ours\"}]} if startswith(input.issuer.id, \"https://idp.acme.com\")\n"},
		Good:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"ours\"}]} if input.issuer.id in {\"https://idp.acme.com\", \"https://idp.acme.eu\"}\n"},
		check: func(p *pass) {
			for _, b := range p.modules() {
				p.calls(b, func(op string, args []*ast.Term, at *ast.Location) {
					if !matches(op) || op == "regex.match" || op == "split" {
						return
					}
					for _, t := range args {
						if from, ok := b.scope.place(t); ok && from.identifier() {
							fix := "compare the whole, or write " + from.String() + " in {…}"
							if from.is("network.ip") {
								fix = "use net.cidr_contains"
							}
							p.say(b.file, at, fix, "%s compares a part of %s", op, from)
						}
					}
				})
			}
		},
	}
}

// identifier reports whether a place names an issuer, a client, a resource or a person.
func (p place) identifier() bool {
	return p.is("issuer.id", "issuer.name", "client.id", "resource.uri", "user.id", "user.sub", "user.home_tenant", "workload.sub", "actor.parent_app",
		"actor.chain.*.iss", "actor.chain.*.sub", "actor.chain.*.client_id", "assertion.claims.iss", "assertion.claims.azp", "assertion.claims.tid", "tenant.id", "network.ip", "connection.account")
}

func regexUnanchored() Rule {
	return Rule{
		Name: "regex-unanchored", Severity: Error,
		Title: "A pattern that matches anywhere",
		Why: "`regex.match` looks for its pattern anywhere: `acme` is found in `not-acme.attacker.com`. Begin with `^` and end with `$`, for each alternative: in `^a|b$` neither has both. `(?m)` makes them match at " +
			"line ends, which are not the end.",
		Bad:  Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"build\"}]} if regex.match(`^build-|^deploy-`, input.client.name)\n"},
		Good: Example{Module: "decision := {\"allow\": true, \"reasons\": [{\"code\": \"build\"}]} if regex.match(`^(build|deploy)-[a-z0-9]+$`, input.client.name)\n"},
		check: func(p *pass) {
			for _, b := range p.modules() {
				p.calls(b, func(op string, args []*ast.Term, at *ast.Location) {
					if op != "regex.match" || len(args) < 2 {
						return
					}
					pattern, ok := b.scope.literal(args[0]).Value.(ast.String)
					from, reads := b.scope.place(args[1])
					if !ok || !reads || from.root != rootInput || len(pattern) > 256 {
						return
					}
					tree, err := syntax.Parse(string(pattern), syntax.Perl)
					if err != nil {
						p.say(b.file, at, "", "%s is no pattern: %s", quoted(string(pattern)), err)
						return
					}
					if !anchored(tree, syntax.OpBeginText) || !anchored(tree, syntax.OpEndText) {
						p.say(b.file, at, "write ^(…)$", "%s is found anywhere in %s", quoted(string(pattern)), from)
					}
				})
			}
		},
	}
}

// anchored reports whether every way through a pattern begins, or ends, with op.
func anchored(tree *syntax.Regexp, op syntax.Op) bool {
	switch tree.Op {
	case op:
		return true
	case syntax.OpCapture:
		return anchored(tree.Sub[0], op)
	case syntax.OpConcat:
		if len(tree.Sub) == 0 {
			return false
		}
		if op == syntax.OpBeginText {
			return anchored(tree.Sub[0], op)
		}
		return anchored(tree.Sub[len(tree.Sub)-1], op)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(tree.Sub, func(sub *syntax.Regexp) bool { return !anchored(sub, op) })
	default:
		return false
	}
}
