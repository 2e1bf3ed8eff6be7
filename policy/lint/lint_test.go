package lint_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/lint"
)

const head = "package chancery.authz\n\n"

// check is what is said of an example.
func check(tb testing.TB, e lint.Example, o lint.Options) []lint.Finding {
	tb.Helper()
	modules, tests := map[string]string{"policy.rego": head + e.Module}, map[string]string{}
	if e.Tests != "" {
		tests["policy_test.rego"] = head + e.Tests
	}
	var data map[string]any
	if e.Data != "" {
		if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
			tb.Fatal(err)
		}
	}
	if e.Schema != "" {
		if err := json.Unmarshal([]byte(e.Schema), &o.DataSchema); err != nil {
			tb.Fatal(err)
		}
	}
	return lint.Check(tb.Context(), modules, tests, data, o)
}

func named(all []lint.Finding, rule string) []lint.Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f lint.Finding) bool { return f.Rule != rule })
}

// What the pages show is so.
func TestExamples(t *testing.T) {
	for _, r := range lint.Rules() {
		t.Run(r.Name, func(t *testing.T) {
			if r.Title == "" || r.Why == "" {
				t.Error("the rule has no words")
			}
			if r.Bad.Module == "" {
				return // incomplete: TestBounds
			}
			bad := named(check(t, r.Bad, lint.Options{}), r.Name)
			if len(bad) == 0 {
				t.Errorf("%s is not found in:\n%s", r.Name, r.Bad.Module)
			}
			for _, f := range bad {
				if f.Severity != r.Severity || f.Row == 0 || f.Column == 0 || f.File == "" || f.Page != r.Page() || f.Text == "" {
					t.Errorf("%+v", f)
				}
			}
			src := policy.Source{Name: "good", Role: policy.RoleGrant, Modules: map[string]string{"policy.rego": head + r.Good.Module}}
			if _, err := policy.Compile(t.Context(), src); err != nil {
				t.Errorf("the good one does not compile: %s", err)
			}
			for _, f := range check(t, r.Good, lint.Options{}) {
				if f.Rule != "test-missing" {
					t.Errorf("the good one: %s", f)
				}
			}
		})
	}
}

const (
	grants = `decision := {"allow": true, "scopes": ["notes:read"], "reasons": [{"code": "x"}]} if `
	closed = `decision := {"allow": false, "deny": ["closed"]}` + "\n\n"
)

// TestRules starts each from a policy that is good, and breaks one thing.
func TestRules(t *testing.T) {
	cases := []struct {
		name, rule, module string
		want               []string // parts of what is said, one each; none: nothing of the rule
	}{
		{"a misspelt member", "unknown-input", grants + `"a" in input.user.gropus`, []string{"did you mean input.user.groups?"}},
		{"in brackets", "unknown-input", grants + `"a" in input["user"]["gropus"]`, []string{"input.user.groups?"}},
		{"in some", "unknown-input", grants + "{\n\tsome g in input.user.gropus\n\tg == \"a\"\n}", []string{"input.user.groups?"}},
		{"through a variable", "unknown-input", grants + "{\n\tu := input.user\n\t\"a\" in u.gropus\n}", []string{"input.user.groups?"}},
		{"through a rule", "unknown-input", grants + "\"a\" in who.gropus\n\nwho := input.user", []string{"input.user.groups?"}},
		{"through an import", "unknown-input", "import input.user as who\n\n" + grants + `"a" in who.gropus`, []string{"input.user.groups?"}},
		{"in an import", "unknown-input", "import input.user.gropus\n\n" + grants + `"a" in gropus`, []string{"input.user.groups?"}},
		{"named by a variable", "unknown-input", grants + "{\n\tsome name in {\"groups\", \"gropus\"}\n\t\"a\" in input.user[name]\n}", []string{"input.user.groups?"}},
		{"in object.get", "unknown-input", grants + `"a" in object.get(input.user, "gropus", [])`, []string{"input.user.groups?"}},
		{"in object.get with a path", "unknown-input", grants + `"a" in object.get(input, ["user", "gropus"], [])`, []string{"input.user.groups?"}},
		{"inside brackets of another", "unknown-input", grants + `data.policy.x[input.cleint.name]`, []string{"input.client?"}},
		{"in a comprehension", "unknown-input", grants + `count([g | some g in input.user.gropus]) > 0`, []string{"input.user.groups?"}},
		{"in a function", "unknown-input", grants + "f(1)\n\nf(x) if input.user.gropus[x]", []string{"input.user.groups?"}},
		{"at the top", "unknown-input", grants + `input.users.id == "a"`, []string{"input.user?"}},
		{"below a string", "unknown-input", grants + `input.client.name.first == "a"`, []string{"input.client.name is a string"}},
		{"a list by name", "unknown-input", grants + `input.client.scopes["notes:read"]`, []string{`write "notes:read" in input.client.scopes`}},
		{"of an actor in the chain", "unknown-input", grants + `input.actor.chain[0].isss == "a"`, []string{"did you mean"}},
		{"far from every name", "unknown-input", grants + `input.zzzzzzzz == 1`, []string{"its members are action"}},
		{"private claims are open", "unknown-input", grants + `input.assertion.claims.anything.else == "a"`, nil},
		{"attributes are open", "unknown-input", grants + `input.user.attributes.floor == "a"`, nil},
		{"risk is by scope", "unknown-input", grants + `input.resource.risk["notes:read"] == "high"`, nil},
		{"a name that is not in the text", "unknown-input", grants + "{\n\tname := lower(\"GROPUS\")\n\tinput.user[name]\n}", nil},
		{"a variable of two meanings", "unknown-input", grants + "count([u | u := input.user; u.id]) + count([u | u := input.client; u.name]) > 0", nil},
		{"an argument named so", "unknown-input", grants + "f(input.client)\n\nf(user) if user.name == \"a\"", nil},

		{"a string for a number", "impossible-comparison", grants + `input.time.hour == "9"`, []string{"number"}},
		{"the other way around", "impossible-comparison", grants + `"9" == input.time.hour`, []string{"number"}},
		{"less than", "impossible-comparison", grants + `input.time.hour < "9"`, []string{"number"}},
		{"a number for a string", "impossible-comparison", grants + `input.client.name == 1`, []string{"string"}},
		{"in a set", "impossible-comparison", grants + `input.client.name in {1, 2}`, []string{"number"}},
		{"in a list of strings", "impossible-comparison", grants + `1 in input.user.groups`, []string{"string"}},
		{"an action that is none", "impossible-comparison", grants + `input.action == "isue"`, []string{`did you mean "issue"?`}},
		{"an action in a set", "impossible-comparison", grants + `input.action in {"issue", "refrsh"}`, []string{`"refresh"`}},
		{"a state that is none", "impossible-comparison", grants + `input.user.groups_state != "complet"`, []string{`"complete"`}},
		{"a weekday in small letters", "impossible-comparison", grants + `input.time.weekday == "monday"`, []string{`"Monday"`}},
		{"null", "impossible-comparison", grants + `input.user.email != null`, []string{"absent is undefined"}},
		{"a list for a set", "impossible-comparison", grants + `input.user.groups == {"a"}`, []string{"set"}},
		{"in a string", "impossible-comparison", grants + `"a" in input.client.name`, []string{"nothing is in it"}},
		{"a boolean as text", "impossible-comparison", grants + `input.user.guest == "false"`, []string{"boolean"}},
		{"through count", "impossible-comparison", grants + `input.client.name == count(input.user.groups)`, []string{"string"}},
		{"two of different kinds", "impossible-comparison", grants + `input.user.groups == input.user.id`, []string{"is an array, and is compared with a string"}},
		{"of one kind", "impossible-comparison", grants + `input.time.hour == 9`, nil},
		{"a changed value", "impossible-comparison", grants + `upper(input.action) == "ISSUE"`, nil},
		{"a value with a default", "impossible-comparison", grants + `object.get(input.user, "email", null) == null`, nil},
		{"claims are of any kind", "impossible-comparison", grants + `input.assertion.claims.level == 3`, nil},
		{"two of input", "impossible-comparison", grants + `input.user.home_tenant == input.tenant.id`, nil},

		{"email in a set", "email-equality", grants + `input.user.email in {"a@b.c"}`, []string{""}},
		{"email through a variable", "email-equality", grants + "{\n\te := lower(input.user.email)\n\te == \"a@b.c\"\n}", []string{""}},
		{"email looked up", "email-equality", grants + `data.policy.people[input.user.email]`, []string{"looked up"}},
		{"email's domain", "email-equality", grants + `endswith(input.user.email, "@acme.com")`, []string{""}},
		{"email taken apart", "email-equality", grants + `split(input.user.email, "@")[1] == "acme.com"`, []string{""}},
		{"upn", "email-equality", grants + `input.assertion.claims.upn == "a@b.c"`, []string{""}},
		{"email in a list of data", "email-equality", grants + `input.user.email in data.policy.people`, []string{""}},
		{"email is there", "email-equality", grants + `input.user.email`, nil},
		{"another member", "email-equality", grants + `input.user.sub == "00u1"`, nil},

		{"group names in a list", "group-by-name", grants + "{\n\tsome n in input.user.group_names\n\tn == \"Editors\"\n}", []string{""}},
		{"a name with a space", "group-by-name", grants + `"Notes Editors" in input.user.groups`, []string{"Notes Editors"}},
		{"an id", "group-by-name", grants + `"00g2cd" in input.user.groups`, nil},
		{"names from data", "group-by-name", grants + "{\n\tsome n in data.policy.groups\n\tn in input.user.group_names\n}", nil},

		{"how an issuer ends", "issuer-prefix", grants + `endswith(input.issuer.id, "acme.com")`, []string{"issuer.id"}},
		{"what a URI contains", "issuer-prefix", grants + `contains(input.resource.uri, "acme")`, []string{"resource.uri"}},
		{"any prefix", "issuer-prefix", grants + `strings.any_prefix_match(input.client.id, ["https://a"])`, []string{"client.id"}},
		{"an issuer in the chain", "issuer-prefix", grants + "{\n\tsome a in input.actor.chain\n\tstartswith(a.iss, \"https://a\")\n}", []string{"actor.chain"}},
		{"how an address begins", "issuer-prefix", grants + `startswith(input.network.ip, "10.")`, []string{"network.ip"}},
		{"how a scope begins", "issuer-prefix", grants + "{\n\tsome s in input.requested.scopes\n\tstartswith(s, \"notes:\")\n}", nil},
		{"the whole", "issuer-prefix", grants + `input.issuer.id == "https://a"`, nil},

		{"no end", "regex-unanchored", grants + "regex.match(`^build-`, input.client.name)", []string{"^build-"}},
		{"no beginning", "regex-unanchored", grants + "regex.match(`-prod$`, input.client.name)", []string{""}},
		{"alternatives", "regex-unanchored", grants + "regex.match(`^a|b$`, input.client.name)", []string{""}},
		{"at line ends", "regex-unanchored", grants + "regex.match(`(?m)^a$`, input.client.name)", []string{""}},
		{"no pattern", "regex-unanchored", grants + "regex.match(`^(a$`, input.client.name)", []string{"no pattern"}},
		{"both", "regex-unanchored", grants + "regex.match(`^[a-z]+$`, input.client.name)", nil},
		{"both, of each", "regex-unanchored", grants + "regex.match(`^a$|^b$`, input.client.name)", nil},
		{"by other names", "regex-unanchored", grants + "regex.match(`\\A(a|b)\\z`, input.client.name)", nil},
		{"of data", "regex-unanchored", grants + "regex.match(data.policy.pattern, input.client.name)", nil},

		{"by default", "allow-by-default", `default decision := {"allow": true}`, []string{"by default"}},
		{"whatever is asked", "allow-by-default", `decision := {"allow": true, "scopes": input.resource.scopes}`, []string{"whatever"}},
		{"a named default", "allow-by-default", closed + "default allow_all := true", []string{"allow_all"}},
		{"a member by default", "allow-by-default", "default decision.allow := true", []string{"by default"}},
		{"with a step-up", "allow-by-default", `decision := {"allow": true, "step_up": {"max_age": 300}, "reasons": [{"code": "x"}]}`, nil},
		{"under a condition", "allow-by-default", grants + `input.client.dpop`, nil},
		{"whatever is left", "allow-by-default", "decision := {\"allow\": false, \"deny\": [\"x\"]} if input.user.guest\n\nelse := {\"allow\": true}", []string{"by default"}},
		{"by default, by another name", "allow-by-default", "decision := {\"allow\": ok, \"reasons\": [{\"code\": \"x\"}]}\n\ndefault ok := true\n\nok := false if input.user.guest", []string{"ok is true by default"}},
		{"a default that is false", "allow-by-default", "decision := {\"allow\": ok, \"reasons\": [{\"code\": \"x\"}]}\n\ndefault ok := false\n\nok if input.client.dpop", nil},
		{"what is left, under a condition", "allow-by-default", "decision := {\"allow\": false, \"deny\": [\"x\"]} if input.user.guest\n\nelse := {\"allow\": true} if input.client.dpop", nil},
		{"after an else", "allow-by-default", grants + "input.client.dpop\n\nelse := {\"allow\": false, \"deny\": [\"x\"]}", nil},

		{"not guest", "absent-grants", grants + `not input.user.guest`, []string{"input.user.guest"}},
		{"not in a list", "absent-grants", grants + `not input.network.ip in data.policy.blocked`, []string{"input.network.ip"}},
		{"not a call", "absent-grants", grants + `not net.cidr_contains("10.0.0.0/8", input.network.ip)`, []string{"input.network.ip"}},
		{"in a rule that allows", "absent-grants", grants + "ok\n\nok if not input.user.guest", []string{"input.user.guest"}},
		{"in what allow is", "absent-grants", "decision := {\"allow\": ok, \"reasons\": [{\"code\": \"x\"}]}\n\nok if not input.user.guest", []string{"input.user.guest"}},
		{"with something else of the user", "absent-grants", grants + "{\n\tinput.user.sub == \"a\"\n\tnot input.user.guest\n}", nil},
		{"something else that is not the user's", "absent-grants", grants + "{\n\tinput.client.name == \"a\"\n\tnot input.user.guest\n}", []string{"input.user.guest"}},
		{"the same, asked for", "absent-grants", grants + "{\n\tinput.network.ip\n\tnot input.network.ip in data.policy.blocked\n}", nil},
		{"no user, and who else", "absent-grants", grants + "{\n\tnot input.user.id\n\tinput.actor.kind == \"client\"\n}", nil},
		{"no user, and nobody else", "absent-grants", grants + "{\n\tnot input.user.id\n\tinput.client.name == \"a\"\n}", []string{"input.user.id"}},
		{"what is always there", "absent-grants", grants + `not input.time.hour < 8`, nil},
		{"in a denial", "absent-grants", `decision := {"allow": false, "deny": ["x"]} if not input.client.plan`, nil},
		{"in deny", "absent-grants", "decision := {\"allow\": true, \"deny\": deny, \"reasons\": [{\"code\": \"x\"}]} if input.client.dpop\n\ndeny contains \"x\" if not input.user.guest == false", nil},
		{"of data", "absent-grants", grants + "{\n\tname := input.client.name\n\tnot name in data.policy.blocked\n}", nil},

		{"a set that always has one", "deny-always", "decision.deny contains \"x\"\n\ndecision.allow := true", []string{""}},
		{"beside allow", "deny-always", `decision := {"allow": true, "deny": ["x"], "reasons": [{"code": "x"}]}`, []string{"beside"}},
		{"empty beside allow", "deny-always", `decision := {"allow": true, "deny": [], "reasons": [{"code": "x"}]}`, nil},
		{"a stop", "deny-always", closed, nil},
		{"what another says", "deny-always", closed + "deny contains x if some x in data.policy.deny", nil},

		{"a denial without", "missing-reasons", `decision := {"allow": false} if input.client.dpop`, []string{"denies"}},
		{"with an empty list", "missing-reasons", `decision := {"allow": false, "reasons": []}`, []string{"denies"}},
		{"a grant without", "missing-reasons", `decision := {"allow": true, "scopes": ["a"]} if input.client.dpop`, []string{"does not say"}},
		{"else without", "missing-reasons", grants + "input.client.dpop\n\nelse := {\"allow\": false}", []string{"denies"}},
		{"takes nothing away", "missing-reasons", `decision := {"allow": true} if input.client.dpop`, nil},
		{"computed", "missing-reasons", "decision := object.union(base, {\"reasons\": [{\"code\": \"x\"}]})\n\nbase := {\"allow\": false}", nil},
		{"elsewhere", "missing-reasons", "decision.allow := false\n\ndecision.reasons contains {\"code\": \"x\"} if true", nil},

		{"a member too many", "decision-member", `decision := {"allow": true, "scope": ["a"]}`, []string{"did you mean scopes?"}},
		{"a rule too many", "decision-member", "decision.allow := false\n\ndecision.denny contains \"x\"", []string{"did you mean deny?"}},
		{"in a step-up", "decision-member", `decision := {"allow": true, "step_up": {"acr": ["phr"]}}`, []string{"step_up.acr"}},
		{"in a reason", "decision-member", `decision := {"allow": false, "reasons": [{"kode": "x"}]}`, []string{"did you mean code?"}},
		{"allow as text", "decision-member", `decision := {"allow": "true"}`, []string{"allow is a string"}},
		{"scopes as text", "decision-member", `decision := {"allow": true, "scopes": "a b"}`, []string{"scopes is a string"}},
		{"scopes as a set", "decision-member", `decision := {"allow": true, "scopes": {"a"}}`, nil},
		{"claims are open", "decision-member", `decision := {"allow": true, "claims": {"team": {"a": 1}}}`, nil},

		{"an empty object", "step-up-empty", `decision := {"allow": true, "step_up": {}}`, []string{"neither"}},
		{"less than none", "step-up-empty", `decision := {"allow": true, "step_up": {"max_age": -1}}`, []string{"-1"}},
		{"a part of a second", "step-up-empty", `decision := {"allow": true, "step_up": {"max_age": 1.5}}`, []string{"1.5"}},
		{"one of them", "step-up-empty", `decision := {"allow": true, "step_up": {"max_age": 0}}`, nil},
		{"of data", "step-up-empty", `decision := {"allow": true, "step_up": {"acr_values": data.policy.acr}}`, nil},

		{"as text", "lifetime-positive", `decision := {"allow": true, "lifetime": "600"}`, []string{`"600"`}},
		{"less than one", "lifetime-positive", `decision := {"allow": true, "lifetime": -5}`, []string{"-5"}},
		{"a part", "lifetime-positive", `decision := {"allow": true, "lifetime": 0.5}`, []string{"0.5"}},
		{"in a rule", "lifetime-positive", "decision := {\"allow\": true, \"lifetime\": short}\n\nshort := 0", []string{"0"}},
		{"an approval", "lifetime-positive", `decision := {"allow": true, "approval": {"group": "a", "within": 0}}`, []string{"within"}},
		{"one", "lifetime-positive", `decision := {"allow": true, "lifetime": 1}`, nil},

		{"a star", "wildcard-scope", `decision := {"allow": true, "scopes": ["*"]}`, []string{`"*"`}},
		{"in a set of a rule", "wildcard-scope", "decision := {\"allow\": true, \"scopes\": all}\n\nall := {\"notes:*\"}", []string{"notes:*"}},
		{"no star", "wildcard-scope", `decision := {"allow": true, "scopes": ["notes:read"]}`, nil},

		{"what is asserted", "scope-source", `decision := {"allow": true, "scopes": input.asserted.scopes}`, []string{"asserted"}},
		{"claims", "scope-source", `decision := {"allow": true, "scopes": input.assertion.claims.scp}`, []string{"claims"}},
		{"collected", "scope-source", `decision := {"allow": true, "scopes": [s | some s in input.client.scopes]}`, []string{"client.scopes"}},
		{"collected and held against", "scope-source", `decision := {"allow": true, "scopes": [s | some s in input.client.scopes; s in input.resource.scopes]}`, nil},
		{"what is asked for", "scope-source", `decision := {"allow": true, "scopes": input.requested.scopes}`, nil},

		{"text against text", "time-as-string", grants + `input.time.rfc3339 > "2026-01-01"`, []string{""}},
		{"an hour", "time-as-string", grants + `data.policy.hour < "09:00"`, []string{""}},
		{"the beginning", "time-as-string", grants + `startswith(input.time.rfc3339, "2026-")`, []string{""}},
		{"numbers", "time-as-string", grants + `input.time.hour < 9`, nil},
		{"parsed", "time-as-string", grants + `time.parse_rfc3339_ns(input.time.rfc3339) < 10`, nil},
		{"a date that is equal", "time-as-string", grants + `data.policy.day == "2026-01-01"`, nil},

		{"false", "constant-condition", grants + "false", []string{"never"}},
		{"not true", "constant-condition", grants + "not true", []string{"never"}},
		{"two values", "constant-condition", grants + `1 == 2`, []string{"never"}},
		{"two that are the same", "constant-condition", grants + `1 != 1`, []string{"never"}},
		{"true", "constant-condition", grants + "true", nil},
		{"two of a list", "constant-condition", grants + "{\n\tinput.user.groups[_] == \"a\"\n\tinput.user.groups[_] == \"b\"\n}", nil},
		{"the same twice", "constant-condition", grants + "{\n\tinput.client.name == \"a\"\n\tinput.client.name == \"a\"\n}", nil},

		{"nobody reads it", "unused-rule", closed + "helper := 1", []string{"helper"}},
		{"only itself", "unused-rule", closed + "f(x) := g(x)\n\ng(x) := f(x)", []string{"f is", "g is"}},
		{"through another", "unused-rule", grants + "a\n\na if b\n\nb if input.client.dpop", nil},
		{"by its path", "unused-rule", grants + "data.chancery.authz.a\n\na if input.client.dpop", nil},
		{"by its package", "unused-rule", "import data.chancery.authz as it\n\n" + grants + "it.a\n\na if input.client.dpop", nil},
		{"by a computed name", "unused-rule", grants + "data.chancery.authz[input.client.name]\n\na if input.client.dpop", nil},

		{"an alias", "unused-import", "import data.policy as p\n\n" + closed, []string{"import p"}},
		{"used in a head", "unused-import", "import data.policy.scopes\n\ndecision := {\"allow\": true, \"scopes\": scopes} if input.client.dpop", nil},
		{"rego.v1", "unused-import", "import rego.v1\n\n" + closed, nil},

		{"assigned", "unused-variable", grants + "x := input.client.name", []string{"x is"}},
		{"an argument", "unused-variable", grants + "f(1)\n\nf(x) if input.client.dpop", []string{"x is"}},
		{"a key", "unused-variable", grants + "{\n\tsome k, v in data.policy\n\tv == 1\n}", []string{"k is"}},
		{"in the head", "unused-variable", "decision := {\"allow\": x, \"reasons\": [{\"code\": \"x\"}]} if x := input.client.dpop", nil},
		{"an argument of one else", "unused-variable", grants + "f(1)\n\nf(x) if x == 1\n\nelse := true if input.client.dpop", nil},
		{"an underscore", "unused-variable", grants + "{\n\tsome _, v in data.policy\n\tv == 1\n}", nil},

		{"an argument", "shadowed-name", grants + "f(1)\n\nf(data) if data == 1", []string{"data"}},
		{"a variable", "shadowed-name", grants + "{\n\tinput := 1\n\tinput == 1\n}", []string{"input"}},
		{"some", "shadowed-name", grants + "{\n\tsome input in data.policy\n\tinput == 1\n}", []string{"input"}},
		{"a rule", "shadowed-name", closed + "input := 1", []string{"a rule is named input"}},
		{"an import", "shadowed-name", "import data.policy as p\n\n" + grants + "{\n\tp := 1\n\tp == 1\n}", []string{"p hides"}},
		{"a member named so", "shadowed-name", grants + `data.policy.input == 1`, nil},

		{"a function and a value", "partial-and-complete", closed + "f(x) := x\n\nf := 1", []string{"a value here, and a function"}},
		{"two sets", "partial-and-complete", closed + "d contains 1\n\nd contains 2", nil},
		{"a default", "partial-and-complete", closed + "default a := 1\n\na := 2 if input.client.dpop", nil},

		{"three lists in a row", "unbounded-iteration", grants + "{\n\tsome a in input.user.groups\n\tsome b in input.requested.scopes\n\ta == b\n}", []string{"each of input.user.groups"}},
		{"by brackets", "unbounded-iteration", grants + `input.user.groups[_] == data.policy.groups[_]`, []string{"data.policy.groups"}},
		{"by a variable in brackets", "unbounded-iteration", grants + "{\n\tinput.user.groups[i] == data.policy.groups[j]\n\ti != j\n}", []string{"data.policy.groups"}},
		{"in a comprehension", "unbounded-iteration", grants + `count([1 | some a in input.user.groups; some b in data.policy.groups; a == b]) > 0`, []string{""}},
		{"in a comprehension inside", "unbounded-iteration", grants + "{\n\tsome a in input.user.groups\n\tcount([1 | some b in data.policy.groups; a == b]) > 0\n}", []string{""}},
		{"in every", "unbounded-iteration", grants + "{\n\tsome a in input.user.groups\n\tevery b in data.policy.groups { a == b }\n}", []string{""}},
		{"one in the other", "unbounded-iteration", grants + "{\n\tsome a in data.policy.grants\n\tsome b in a.groups\n\tb in input.user.groups\n}", nil},
		{"two beside each other", "unbounded-iteration", grants + `count([a | some a in input.user.groups]) + count([b | some b in input.user.roles]) > 1`, nil},
		{"a written set", "unbounded-iteration", grants + "{\n\tsome a in {\"x\", \"y\"}\n\tsome b in input.user.groups\n\ta == b\n}", nil},
		{"looked up", "unbounded-iteration", grants + `data.policy.groups[input.user.groups[_]]`, nil},

		{"walk", "builtin-unavailable", grants + "{\n\twalk(input, [_, v])\n\tv == 1\n}", []string{"name the paths"}},
		{"the network", "builtin-unavailable", grants + `http.send({"method": "get", "url": "https://a"}).status_code == 200`, []string{"data.policy"}},
		{"given up", "builtin-unavailable", grants + `re_match("^a$", input.client.name)`, []string{"regex.match"}},
		{"a shift", "builtin-unavailable", grants + `bits.lsh(1, 3) == 8`, []string{"bits.lsh"}},
		{"one that is there", "builtin-unavailable", grants + `count(input.user.groups) > 0`, nil},
		{"a function of one's own", "builtin-unavailable", grants + "sum(1)\n\nsum(x) if x == 1", nil},

		{"print in a function", "print-statement", grants + "f(1)\n\nf(x) if {\n\tprint(x)\n\tx == 1\n}", []string{"print"}},
		{"the word", "print-statement", grants + `input.client.name == "print"`, nil},

		{"a known prefix", "secret-literal", grants + `input.client.name == "ghp_abcdefghijklmnopqrstuvwxyz0123456789"`, []string{"secret"}},
		{"no order", "secret-literal", grants + `input.client.name == "q7RZx0PfW2kLm9TnB4vYc8JhD1sGa6Ue"`, []string{"secret"}},
		{"by its name", "secret-literal", grants + "{\n\tclient_secret := \"hunter2hunter2\"\n\tinput.assertion.claims.s == client_secret\n}", []string{"secret"}},
		{"in an object", "secret-literal", grants + `input.assertion.claims == {"password": "hunter2hunter2"}`, []string{"secret"}},
		{"an id", "secret-literal", grants + `input.client.id == "5b0c1d0e-3f60-4b8e-9f0e-6a2f1f6f2b11"`, nil},
		{"a URL", "secret-literal", grants + `input.client.id == "https://agent.example/Client/metadata-2026.json"`, nil},
		{"a group's id", "secret-literal", grants + `"00g1ab2cd3ef4gh5ij6k" in input.user.groups`, nil},
		{"words", "secret-literal", grants + `input.client.name == "the-very-long-name-of-a-client-in-production"`, nil},
		{"a scope named so", "secret-literal", grants + `"vault:secret" in input.requested.scopes`, nil},
	}
	for _, c := range cases {
		t.Run(c.rule+"/"+c.name, func(t *testing.T) {
			all := check(t, lint.Example{Module: c.module + "\n"}, lint.Options{})
			got := named(all, c.rule)
			for _, broken := range append(named(all, "parse-error"), named(all, "incomplete")...) {
				t.Errorf("%s", broken)
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d findings, want %d: %v", len(got), len(c.want), got)
			}
			for i, want := range c.want {
				if !strings.Contains(got[i].String(), want) {
					t.Errorf("%s\ndoes not say %q", got[i], want)
				}
			}
		})
	}
}
