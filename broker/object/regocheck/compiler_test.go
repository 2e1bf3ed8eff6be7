package regocheck_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/policy"
)

// What others than the operator write is not evaluated in the server's process.
func TestWherePoliciesAreEvaluated(t *testing.T) {
	written := policy.Source{UID: "pol_1", Name: "a", Role: policy.RoleGrant, Modules: map[string]string{"a.rego": module}}
	template := policy.Source{UID: "pol_2", Name: "b", Role: policy.RoleGuard, Template: "plan-scopes", Data: map[string]any{"plans": []any{}}}
	for name, c := range map[string]struct {
		where    regocheck.Where
		tenant   string
		src      policy.Source
		isolated bool
	}{
		"nothing is":                     {regocheck.Here, "acme", written, false},
		"the operator's own modules":     {regocheck.OthersElsewhere, "default", written, false},
		"another tenant's modules":       {regocheck.OthersElsewhere, "acme", written, true},
		"a template of another tenant":   {regocheck.OthersElsewhere, "acme", template, false},
		"everything: the operator's own": {regocheck.Elsewhere, "default", written, true},
		"everything: a template":         {regocheck.Elsewhere, "default", template, true},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := regocheck.NewCompiler(c.where, policy.NewShelf(0)).Compile(t.Context(), c.tenant, c.src)
			if err != nil || compiled.Isolated() != c.isolated {
				t.Errorf("isolated: %v, %v", compiled != nil && compiled.Isolated(), err)
			}
		})
	}
}
