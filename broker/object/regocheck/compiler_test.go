package regocheck_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// What others than the operator write is not evaluated in the server's process.
func TestWherePoliciesAreEvaluated(t *testing.T) {
	written := policy.Source{UID: "pol_1", Name: "a", Role: policy.RoleGrant, Modules: map[string]string{"a.rego": module}}
	template := policy.Source{UID: "pol_2", Name: "b", Role: policy.RoleGuard, Template: "plan-scopes", Data: map[string]any{"plans": []any{}}}
	schemed := template
	schemed.DataSchema = endless()
	for name, c := range map[string]struct {
		where    regocheck.Where
		tenant   string
		src      policy.Source
		isolated bool
	}{
		"nothing is":                                   {regocheck.Here, "acme", written, false},
		"the operator's own modules":                   {regocheck.OthersElsewhere, "default", written, false},
		"another tenant's modules":                     {regocheck.OthersElsewhere, "acme", written, true},
		"a template of another tenant":                 {regocheck.OthersElsewhere, "acme", template, false},
		"a template with a schema of another tenant's": {regocheck.OthersElsewhere, "acme", schemed, true},
		"everything: the operator's own":               {regocheck.Elsewhere, "default", written, true},
		"everything: a template":                       {regocheck.Elsewhere, "default", template, true},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := regocheck.NewCompiler(c.where, policy.NewShelf(0)).Compile(t.Context(), c.tenant, c.src)
			if err != nil || compiled.Isolated() != c.isolated {
				t.Errorf("isolated: %v, %v", compiled != nil && compiled.Isolated(), err)
			}
		})
	}
}

// endless is a schema whose validation takes a step for each of 2^60 ways through it.
func endless() map[string]any {
	definitions := map[string]any{"d0": map[string]any{"type": "object"}}
	for i := 1; i <= 60; i++ {
		twice := map[string]any{"$ref": fmt.Sprintf("#/definitions/d%d", i-1)}
		definitions[fmt.Sprintf("d%d", i)] = map[string]any{"allOf": []any{twice, twice}}
	}
	return map[string]any{"definitions": definitions, "$ref": "#/definitions/d60"}
}

// A template is ours; tests and a schema that come with it are not.
func TestWhatOthersWordIsCheckedInTheGate(t *testing.T) {
	errGate := errors.New("asked the gate")
	checker := regocheck.Checker{Gate: func(context.Context, gate.Request) (gate.Report, error) { return gate.Report{}, errGate }}
	for name, c := range map[string]struct {
		change func(*object.PolicySpec)
		asked  bool
	}{
		"a template alone":           {func(*object.PolicySpec) {}, false},
		"with tests":                 {func(s *object.PolicySpec) { s.Tests = spec().Tests }, true},
		"with a schema of its data":  {func(s *object.PolicySpec) { s.DataSchema = endless() }, true},
		"modules instead":            {func(s *object.PolicySpec) { *s = *spec() }, true},
		"with an empty set of tests": {func(s *object.PolicySpec) { s.Tests = map[string]string{} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &object.PolicySpec{Role: "guard", Template: "plan-scopes", Data: map[string]any{"plans": []any{}}}
			c.change(s)
			refused := checker.CheckPolicy(t.Context(), "a", s)
			if asked := len(refused) == 1 && refused[0].Text == errGate.Error(); asked != c.asked {
				t.Errorf("the gate was asked: %v, %v", asked, refused)
			}
		})
	}
}
