package decision_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// past holds revisions by tenant, uid and number.
type past map[string]policy.Source

func (p past) Get(_ context.Context, t tenant.UID, uid string, number int64) (policy.Source, error) {
	src, ok := p[t.String()+uid]
	if !ok || src.Revision != number {
		return policy.Source{}, errors.New("unknown revision")
	}
	return src, nil
}

const byGroup = `import data.policy.groups

default decision := {"allow": false, "reasons": [{"code": "no_group", "detail": "no group grants"}]}

# The person is in a group that
# grants everything that was asked for.
decision := {
	"allow": true,
	"scopes": input.requested.scopes,
	"reasons": [{"code": "group_grants", "detail": sprintf("%s may", [input.user.email])}],
} if {
	some g in groups
	g in input.user.group_names
}
`

func grouped() policy.Source {
	src := source(byGroup)
	src.Data = map[string]any{"groups": []any{"editors"}}
	return src
}

// decided is a request as it was decided and recorded.
func decided(t testing.TB, m *decision.Masks, in *policy.Input, sources ...policy.Source) ledger.Decision {
	t.Helper()
	var own []*policy.Compiled
	for _, src := range sources {
		c, err := policy.Compile(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, c)
	}
	s, err := policy.NewSet(own, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := policy.NewInProcess(10 * time.Second)
	t.Cleanup(e.Close)
	d := e.Decide(t.Context(), s, in)
	made := ledger.Decision{ID: "dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G", At: time.Unix(in.Time.Unix, 0), Tenant: acme, Action: string(in.Action), Allow: d.Allow, Code: d.Code}
	for _, p := range d.Policies {
		made.Policies = append(made.Policies, audit.PolicyRef{Name: p.Name, Revision: p.Revision, Role: string(p.Role), UID: p.UID, Hash: p.Hash})
	}
	if made.Input, made.Result, err = m.Record(acme, s, in, d); err != nil {
		t.Fatal(err)
	}
	return made
}

func court(t *testing.T, p past) decision.Court {
	t.Helper()
	e := policy.NewInProcess(10 * time.Second)
	t.Cleanup(e.Close)
	return decision.Court{Revisions: p, Root: other, Evaluator: e}
}

func TestAgain(t *testing.T) {
	in := request()
	in.User.GroupNames = []string{"sales"}
	d := decided(t, masks(t), in, grouped())
	a, err := court(t, past{acme.String() + "pol_1": grouped()}).Decide(t.Context(), acme, d)
	if err != nil || a.Problem != "" || a.Differs || len(a.Masked) != 0 || len(a.Silent) != 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	i := slices.IndexFunc(a.Rules, func(r decision.Rule) bool { return r.Decided })
	if i < 0 || a.Rules[i].Row != 5 || a.Rules[i].File != "notes.rego" || !strings.HasPrefix(a.Rules[i].Text[0], "default decision") {
		t.Errorf("rules %+v", a.Rules)
	}
	if len(a.Reasons) != 1 || a.Reasons[0].File != "notes.rego" || a.Reasons[0].Row != 5 {
		t.Errorf("reasons %+v", a.Reasons)
	}
	if a.Remedies == nil || len(a.Remedies.Ways) == 0 || a.Remedies.Ways[0].Changes[0].Value != "editors" {
		t.Errorf("remedies %+v", a.Remedies)
	}

	t.Run("allowed", func(t *testing.T) {
		d := decided(t, masks(t), request(), grouped())
		a, err := court(t, past{acme.String() + "pol_1": grouped()}).Decide(t.Context(), acme, d)
		if err != nil || a.Differs || a.Remedies != nil {
			t.Fatalf("%+v, %v", a, err)
		}
		if m := a.Reasons[0]; m.Means != "The person is in a group that grants everything that was asked for." || m.Row != 12 {
			t.Errorf("%+v", m)
		}
		i := slices.IndexFunc(a.Rules, func(r decision.Rule) bool { return r.Decided })
		if a.Rules[i].Row != 9 || len(a.Rules[i].Text) != 8 {
			t.Errorf("%+v", a.Rules[i])
		}
	})
	t.Run("what was masked", func(t *testing.T) {
		d := decided(t, masks(t, "user.email"), request(), grouped())
		a, err := court(t, past{acme.String() + "pol_1": grouped()}).Decide(t.Context(), acme, d)
		if err != nil || a.Differs || !slices.Equal(a.Masked, []string{"user.email"}) {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("another text", func(t *testing.T) {
		changed := grouped()
		changed.Data = map[string]any{"groups": []any{"sales"}}
		if a, err := court(t, past{acme.String() + "pol_1": changed}).Decide(t.Context(), acme, d); err != nil || !strings.Contains(a.Problem, "not the text that decided") {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("a revision that is gone", func(t *testing.T) {
		if a, err := court(t, past{}).Decide(t.Context(), acme, d); err != nil || !strings.Contains(a.Problem, "is gone") {
			t.Errorf("%+v, %v", a, err)
		}
		if a, err := court(t, past{other.String() + "pol_1": grouped()}).Decide(t.Context(), acme, d); err != nil || !strings.Contains(a.Problem, "is gone") {
			t.Errorf("another tenant's grant policy was asked: %+v, %v", a, err)
		}
	})
	t.Run("an input that is gone", func(t *testing.T) {
		purged := d
		purged.Input = nil
		if a, err := court(t, past{}).Decide(t.Context(), acme, purged); err != nil || !strings.Contains(a.Problem, "no longer kept") {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("nobody was asked", func(t *testing.T) {
		nobody := d
		nobody.Policies = nil
		if a, err := court(t, past{}).Decide(t.Context(), acme, nobody); err != nil || !strings.Contains(a.Problem, "nobody was asked") {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestTestCase(t *testing.T) {
	alice := func(in *policy.Input) {}
	sales := func(in *policy.Input) { in.User.GroupNames = []string{"sales"} }
	template := policy.Source{UID: "pol_1", Name: "notes", Revision: 1, Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{
		"grants": []any{map[string]any{"groups": []any{"editors"}, "resource": "notes", "scopes": []any{"notes:read"}}},
	}}
	tests := map[string]struct {
		src    policy.Source
		change func(*policy.Input)
		kept   []string
		want   string
	}{
		"allowed":              {grouped(), alice, nil, `"allow", null) == true`},
		"denied":               {grouped(), sales, nil, `"allow", null) == false`},
		"by a template":        {template, alice, nil, `"allow", null) == true`},
		"undefined":            {source(byClient), func(in *policy.Input) { in.Client.Name = "other" }, nil, "not authz.decision"},
		"by the domain":        {source(`decision := {"allow": true, "scopes": {"notes:read"}, "lifetime": 60} if endswith(input.user.email, "@acme.com")`), alice, nil, "person@acme.com"},
		"by the person":        {source(`decision := {"allow": true, "scopes": []} if input.user.sub == "00u1alice"`), alice, []string{"user.sub"}, "00u1alice"},
		"by our id":            {source(`decision := {"allow": true, "step_up": {"max_age": 60}} if input.user.id == "usr_1"`), alice, []string{"user.id"}, `{"max_age": 60}`},
		"with deny and reason": {source(`decision := {"allow": true, "deny": [sprintf("not %s", [input.user.email])], "reasons": [{"code": "b"}, {"code": "a"}]}`), alice, nil, `"deny", [])) == 1`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := request()
			test.change(in)
			d := decided(t, masks(t), in, test.src)
			made, err := court(t, past{acme.String() + "pol_1": test.src}).TestCase(t.Context(), acme, d, "")
			if err != nil {
				t.Fatalf("%v\n%s", err, made.Text)
			}
			if !slices.Equal(made.Kept, test.kept) || !strings.Contains(made.Text, test.want) {
				t.Errorf("kept %v; %s", made.Kept, made.Text)
			}
			for _, clear := range []string{"alice@", "4711", "+49", "192.0.2.7"} {
				if strings.Contains(made.Text, clear) {
					t.Errorf("%q is in the test: %s", clear, made.Text)
				}
			}
			// The test is one: it fails on a policy that says something else.
			src := test.src
			src.Template = ""
			src.Modules = map[string]string{"notes.rego": "package chancery.authz\n\ndecision := {\"allow\": true, \"scopes\": [\"notes:everything\"]}\n"}
			src.Tests = map[string]string{made.File: made.Text}
			c, err := policy.Compile(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			if results, err := c.RunTests(t.Context()); err != nil || len(policy.Failed(results)) != 1 {
				t.Errorf("%+v, %v", results, err)
			}
		})
	}
	d := decided(t, masks(t), request(), grouped())
	if _, err := court(t, past{acme.String() + "pol_1": grouped()}).TestCase(t.Context(), acme, d, "other"); !errors.Is(err, decision.ErrNoCase) {
		t.Errorf("a policy that was not asked: %v", err)
	}
	d.Input = nil
	if _, err := court(t, past{acme.String() + "pol_1": grouped()}).TestCase(t.Context(), acme, d, ""); !errors.Is(err, decision.ErrNoCase) {
		t.Errorf("an input that is gone: %v", err)
	}
}
