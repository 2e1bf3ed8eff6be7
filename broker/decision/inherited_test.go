package decision_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/policy"
)

// busy has no evaluator to spare.
type busy struct{}

func (busy) Decide(context.Context, *policy.Set, *policy.Input) policy.Decision {
	return policy.Decision{Code: policy.CodeTimeout}
}

// A machine that is busy is not a policy that says something else today.
func TestWhatIsNotAnsweredDoesNotDiffer(t *testing.T) {
	d := decided(t, masks(t), request(), grouped())
	c := court(t, past{acme.String() + "pol_1": grouped()})
	c.Evaluator = busy{}
	if again, err := c.Decide(t.Context(), acme, d); err != nil || again.Differs || again.Result != nil || !strings.Contains(again.Problem, "in time") {
		t.Errorf("%+v, %v", again, err)
	}
}

// A guard of tenant default that binds all tells other tenants what it said, and where; its text and its data are the operator's.
func TestGuardsOfTenantDefaultKeepTheirWords(t *testing.T) {
	const secret = "night-watch"
	guard := source(`import data.policy.groups

default decision := {"allow": false, "reasons": [{"code": "not_today", "detail": "ask the operator"}]}

# Only ` + secret + ` and those who are with it.
decision := {"allow": true} if {
	some g in groups
	g in input.user.group_names
}
`)
	guard.UID, guard.Name, guard.Role, guard.Binds = "pol_2", "operators", policy.RoleGuard, policy.BindsAll
	guard.Data = map[string]any{"groups": []any{secret}}
	d := decided(t, masks(t), request(), grouped(), guard)
	for name, compile := range map[string]decision.Compile{"here": nil, "elsewhere": isolate} {
		c := court(t, past{acme.String() + "pol_1": grouped(), other.String() + "pol_2": guard})
		c.Compile = compile
		if compile != nil {
			c.Evaluator, c.Tests = apart(t), testedElsewhere
		}
		again, err := c.Decide(t.Context(), acme, d)
		if err != nil || again.Problem != "" || again.Differs {
			t.Fatalf("%s: %+v, %v", name, again, err)
		}
		i := slices.IndexFunc(again.Rules, func(r decision.Rule) bool { return r.Policy == "operators" && r.Decided })
		if i < 0 || again.Rules[i].Row == 0 || again.Rules[i].Text != nil {
			t.Errorf("%s: %+v", name, again.Rules)
		}
		told, err := json.Marshal(again)
		if err != nil || strings.Contains(string(told), secret) || !strings.Contains(string(told), "not_today") {
			t.Errorf("%s: %s, %v", name, told, err)
		}
		made, err := c.TestCase(t.Context(), acme, d, "operators")
		if err != nil || strings.Contains(made.Text, secret) || strings.Contains(made.Text, "data.policy") {
			t.Errorf("%s: %s, %v", name, made.Text, err)
		}
		if made, err = c.TestCase(t.Context(), acme, d, ""); err != nil || !strings.Contains(made.Text, "data.policy") {
			t.Errorf("%s: of the tenant's own %s, %v", name, made.Text, err)
		}
	}
}
