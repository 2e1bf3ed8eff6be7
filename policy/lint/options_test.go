package lint_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/lint"
)

func TestRole(t *testing.T) {
	const (
		always    = `decision := {"allow": true}` + "\n"
		byDefault = `default decision := {"allow": true}` + "\n"
	)
	cases := []struct {
		name, module string
		role         policy.Role
		want         []lint.Severity
	}{
		{"a grant policy that always allows", always, policy.RoleGrant, []lint.Severity{lint.Error}},
		{"a guard that always allows", always, policy.RoleGuard, nil},
		{"either, that grants nothing", always, "", nil},
		{"a grant policy by default", byDefault, policy.RoleGrant, []lint.Severity{lint.Error}},
		{"a guard by default", byDefault, policy.RoleGuard, []lint.Severity{lint.Warning}},
		{"either by default", byDefault, "", []lint.Severity{lint.Error}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []lint.Severity
			for _, f := range named(check(t, lint.Example{Module: c.module}, lint.Options{Role: c.role}), "allow-by-default") {
				got = append(got, f.Severity)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	const module = `decision := {"allow": true, "scopes": ["notes:raed"], "reasons": [{"code": "x"}]} if input.client.dpop` + "\n"
	for name, c := range map[string]struct {
		scopes []string
		want   int
	}{"unknown": {nil, 0}, "another": {[]string{"notes:read"}, 1}, "none": {[]string{}, 1}, "the same": {[]string{"notes:raed"}, 0}} {
		t.Run(name, func(t *testing.T) {
			got := named(check(t, lint.Example{Module: module}, lint.Options{Scopes: c.scopes}), "scope-source")
			if len(got) != c.want {
				t.Fatal(got)
			}
			if name == "another" && !strings.Contains(got[0].Fix, "notes:read") {
				t.Error(got[0])
			}
		})
	}
}

func TestData(t *testing.T) {
	const (
		open   = `{"type": "object", "properties": {"grants": {"$ref": "#/$defs/grants"}}, "$defs": {"grants": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {"group": {"type": "string"}, "size": {"type": "integer"}}}}}}`
		either = `{"type": "object", "additionalProperties": false, "properties": {"a": {"oneOf": [{"type": "string"}, {"type": "object"}]}}}`
	)
	cases := []struct {
		name, body, data, schema string
		want                     []string
	}{
		{"below a list", "{\n\tsome g in data.policy.grants\n\tg.gruop in input.user.groups\n}", "", open, []string{"error: unknown-data: data.policy.grants[_].gruop does not exist; did you mean data.policy.grants[_].group?"}},
		{"by brackets", `data.policy.grants[_].gruop in input.user.groups`, "", open, []string{"gruop"}},
		{"through an import", "{\n\tsome g in policy.grants\n\tg.gruop in input.user.groups\n}", "", open, []string{"gruop"}},
		{"its kind", `data.policy.grants[_].size == "large"`, "", open, []string{"impossible-comparison: data.policy.grants[_].size is a number"}},
		{"an open schema", `data.policy.others == 1`, "", open, nil},
		{"one of several", `data.policy.a.b == 1`, "", either, nil},
		{"data alone", `data.policy.others == 1`, `{"grants": []}`, "", []string{"warning: unknown-data"}},
		{"data alone, below", `data.policy.grants.x == 1`, `{"grants": []}`, "", nil},
		{"neither", `data.policy.others == 1`, "", "", nil},
		{"a scope with a star", "data.policy.scopes == []", `{"scopes": ["a:*"]}`, "", []string{"data: error: wildcard-scope"}},
		{"a resource with a star", `data.policy.resource == "*"`, `{"resource": "*"}`, "", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			module := grants + c.body + "\n"
			if strings.Contains(c.body, " policy.") {
				module = "import data.policy\n\n" + module
			}
			var got []string
			for _, f := range check(t, lint.Example{Module: module, Data: c.data, Schema: c.schema}, lint.Options{}) {
				if f.Rule != "test-missing" {
					got = append(got, f.String())
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("%q", got)
			}
			for i, want := range c.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%s\ndoes not say %s", got[i], want)
				}
			}
		})
	}
}

func TestFixtures(t *testing.T) {
	const module = grants + `input.client.name == "claude"` + "\n"
	cases := []struct{ name, tests, want string }{
		{"a literal", `test_a if not decision with input as {"client": {"nam": "claude"}}`, "input.client.name?"},
		{"a rule", "request := {\"cleint\": {}}\n\ntest_a if not decision with input as request", "input.client?"},
		{"one member", `test_a if not decision with input.user.gropus as []`, "input.user.groups?"},
		{"in a list", `test_a if not decision with input as {"actor": {"chain": [{"subb": "a"}]}}`, "input.actor.chain[_].sub?"},
		{"right", `test_a if not decision with input as {"client": {"name": "claude"}, "assertion": {"claims": {"x": {"y": 1}}}}`, ""},
		{"computed", `test_a if not decision with input as object.union({"cleint": 1}, {})`, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := named(check(t, lint.Example{Module: module, Tests: c.tests + "\n"}, lint.Options{}), "unknown-input")
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0].Fix, c.want) || got[0].File != "policy_test.rego") {
				t.Errorf("%v, want %q", got, c.want)
			}
		})
	}
}

func TestDenials(t *testing.T) {
	const module = grants + `input.client.name == "claude"` + "\n"
	for name, c := range map[string]struct {
		test string
		want int
	}{
		"allowed":          {`test_a if decision.allow with input as {}`, 1},
		"allowed, by name": {"test_a if {\n\td := decision with input as {}\n\td.allow == true\n}", 1},
		"a false fixture":  {`test_a if decision.allow with input as {"client": {"dpop": false}}`, 1},
		"not":              {`test_a if not decision.allow with input as {}`, 0},
		"false":            {"test_a if {\n\td := decision with input as {}\n\td.allow == false\n}", 0},
		"deny":             {`test_a if count(decision.deny) > 0 with input as {}`, 0},
		"a challenge":      {`test_a if decision.step_up.max_age == 300 with input as {}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			all := check(t, lint.Example{Module: module, Tests: c.test + "\n"}, lint.Options{})
			if got := named(all, "test-without-denial"); len(got) != c.want {
				t.Error(got)
			}
			if got := named(all, "test-missing"); len(got) != 0 {
				t.Error(got)
			}
		})
	}
	if got := named(check(t, lint.Example{Module: module, Tests: "test_a if not 1 == 2\n"}, lint.Options{}), "test-missing"); len(got) != 1 {
		t.Errorf("a test of nothing: %v", got)
	}
	if got := named(check(t, lint.Example{Module: closed}, lint.Options{}), "test-missing"); len(got) != 0 {
		t.Errorf("what never allows: %v", got)
	}
}

func TestIgnore(t *testing.T) {
	const email = `input.user.email == "a@b.c"`
	cases := []struct {
		name, module string
		email        int
		ignore       string // what is said of the comment
	}{
		{"in the line above", grants + "{\n\t# lint:ignore email-equality it is verified\n\t" + email + "\n}", 0, ""},
		{"in the line", grants + "{\n\t" + email + " # lint:ignore email-equality it is verified\n}", 0, ""},
		{"above the rule", "# lint:ignore email-equality it is verified\n" + grants + "{\n\tinput.client.dpop\n\t" + email + "\n}", 0, ""},
		{"above other comments", "# lint:ignore email-equality it is verified\n# Somebody.\n" + grants + email, 0, ""},
		{"two of them", "# lint:ignore email-equality it is verified\n# lint:ignore missing-reasons they are in the other\n" + `decision := {"allow": true, "scopes": []} if ` + email, 0, ""},
		{"without a reason", "# lint:ignore email-equality\n" + grants + email, 1, "error: ignore: no reason"},
		{"another rule", "# lint:ignore group-by-name it is verified\n" + grants + email, 1, "warning: ignore: there is nothing of group-by-name"},
		{"no rule", "# lint:ignore email-equalty it is verified\n" + grants + email, 1, "did you mean email-equality?"},
		{"nothing", "# lint:ignore\n" + grants + email, 1, "error: ignore"},
		{"too far", "# lint:ignore email-equality it is verified\n\n" + grants + email, 1, "warning: ignore"},
		{"in the line before", grants + "{\n\tinput.client.dpop # lint:ignore email-equality it is verified\n\t" + email + "\n}", 1, "warning: ignore"},
		{"the comment itself", "# lint:ignore ignore it is verified\n" + grants + email, 1, "cannot be ignored"},
		{"the check", "# lint:ignore incomplete it is long\n" + grants + email, 1, "cannot be ignored"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			all := check(t, lint.Example{Module: c.module + "\n"}, lint.Options{})
			if got := named(all, "email-equality"); len(got) != c.email {
				t.Errorf("%v", got)
			}
			said := named(all, "ignore")
			if c.ignore == "" && len(said) != 0 || c.ignore != "" && (len(said) != 1 || !strings.Contains(said[0].String(), c.ignore)) {
				t.Errorf("%v, want %q", said, c.ignore)
			}
		})
	}
}
