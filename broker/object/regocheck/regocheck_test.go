package regocheck_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
)

const module = `package chancery.authz

import rego.v1

decision := {"allow": true, "scopes": input.requested.scopes}
`

func spec() *object.PolicySpec {
	return &object.PolicySpec{
		Role: "grant", Modules: map[string]string{"a.rego": module},
		Tests: map[string]string{"a_test.rego": "package chancery.authz\n\nimport rego.v1\n\ntest_allows if decision.allow with input as {\"requested\": {\"scopes\": [\"a\"]}}\n"},
	}
}

func TestCheckPolicy(t *testing.T) {
	if problems := (regocheck.Checker{}).CheckPolicy(t.Context(), "a", spec()); len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	for name, test := range map[string]struct {
		change func(*object.PolicySpec)
		code   string
	}{
		"a test that fails": {func(s *object.PolicySpec) {
			s.Tests["b_test.rego"] = "package chancery.authz\n\nimport rego.v1\n\ntest_denies if not decision.allow with input as {\"requested\": {\"scopes\": []}}\n"
		}, "policy_test_failed"},
		"Rego that does not parse": {func(s *object.PolicySpec) { s.Modules["a.rego"] = "package chancery.authz\n\ndecision := {" }, ""},
		"a template that is none":  {func(s *object.PolicySpec) { s.Modules, s.Tests, s.Template = nil, nil, "grants-everything" }, ""},
		"the network": {func(s *object.PolicySpec) {
			s.Modules["a.rego"] = "package chancery.authz\n\nimport rego.v1\n\ndecision := http.send({\"url\": \"http://a\"})\n"
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec()
			test.change(s)
			problems := regocheck.Checker{}.CheckPolicy(t.Context(), "a", s)
			if len(problems) == 0 || test.code != "" && problems[0].Code != test.code {
				t.Fatalf("%v", problems)
			}
		})
	}
}
