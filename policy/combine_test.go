package policy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

const both = `"scopes": ["notes:read", "notes:write"]`

// wants is what a combination comes to.
type wants struct {
	allow    bool
	code     string
	scopes   string // joined by spaces
	narrowed string
	reasons  string // codes that must be there
	check    func(policy.Decision) bool
}

// Contract section 4: the grant ∩ every guard.
func TestCombination(t *testing.T) {
	all := func(s string) policy.Source { return grant(`decision := {"allow": true, ` + both + s + `}`) }
	g := func(result string) policy.Source { return guard("guard", "decision := "+result) }
	h := func(result string) policy.Source { return guard("second", "decision := "+result) }
	age := func(d policy.Decision) int64 {
		if d.StepUp == nil || d.StepUp.MaxAge == nil {
			return -1
		}
		return *d.StepUp.MaxAge
	}
	acr := func(d policy.Decision) string {
		if d.StepUp == nil {
			return "none"
		}
		return strings.Join(d.StepUp.ACRValues, " ")
	}
	for name, tc := range map[string]struct {
		policies []policy.Source
		change   func(*policy.Input)
		want     wants
	}{
		"grant alone":                    {[]policy.Source{all("")}, nil, wants{allow: true, scopes: "notes:read notes:write"}},
		"no policy":                      {nil, nil, wants{code: policy.CodeNone, reasons: "policy_none"}},
		"guard alone":                    {[]policy.Source{g(`{"allow": true, ` + both + `}`)}, nil, wants{code: policy.CodeNone}},
		"grant without scopes":           {[]policy.Source{grant(yes)}, nil, wants{allow: true}},
		"grant with no scope":            {[]policy.Source{grant(`decision := {"allow": true, "scopes": []}`)}, nil, wants{allow: true}},
		"grant says no":                  {[]policy.Source{grant(`decision := {"allow": false, ` + both + `}`)}, nil, wants{code: policy.CodeDenied}},
		"guard without scopes":           {[]policy.Source{all(""), g(`{"allow": true}`)}, nil, wants{allow: true, scopes: "notes:read notes:write"}},
		"guard with no scope":            {[]policy.Source{all(""), g(`{"allow": true, "scopes": []}`)}, nil, wants{allow: true}},
		"guard takes a scope":            {[]policy.Source{all(""), g(`{"allow": true, "scopes": ["notes:read"]}`)}, nil, wants{allow: true, scopes: "notes:read"}},
		"guard cannot add a scope":       {[]policy.Source{grant(`decision := {"allow": true, "scopes": ["notes:read"]}`), g(`{"allow": true, ` + both + `}`)}, nil, wants{allow: true, scopes: "notes:read"}},
		"guard cannot add to none":       {[]policy.Source{grant(yes), g(`{"allow": true, ` + both + `}`)}, nil, wants{allow: true}},
		"guards leave nothing":           {[]policy.Source{all(""), g(`{"allow": true, "scopes": ["notes:read"]}`), h(`{"allow": true, "scopes": []}`)}, nil, wants{allow: true}},
		"guard says no":                  {[]policy.Source{all(""), g(`{"allow": false}`)}, nil, wants{code: policy.CodeDenied}},
		"second guard says no":           {[]policy.Source{all(""), g(`{"allow": true}`), h(`{"allow": false}`)}, nil, wants{code: policy.CodeDenied}},
		"guard is undefined":             {[]policy.Source{all(""), guard("guard", yes+" if input.user.guest")}, nil, wants{code: policy.CodeUndefined, reasons: "policy_undefined"}},
		"guard is invalid":               {[]policy.Source{all(""), g(`{"allow": "true"}`)}, nil, wants{code: policy.CodeResultInvalid, reasons: "policy_result_invalid"}},
		"grant denies":                   {[]policy.Source{all(`, "deny": ["closed"]`)}, nil, wants{code: policy.CodeDenied, check: func(d policy.Decision) bool { return slices.Equal(d.Deny, []string{"closed"}) }}},
		"empty deny":                     {[]policy.Source{all(`, "deny": []`)}, nil, wants{allow: true, scopes: "notes:read notes:write"}},
		"guard denies":                   {[]policy.Source{all(""), g(`{"allow": true, "deny": ["closed"]}`)}, nil, wants{code: policy.CodeDenied}},
		"denials add up":                 {[]policy.Source{all(`, "deny": ["a"]`), g(`{"allow": true, "deny": ["b"]}`)}, nil, wants{code: policy.CodeDenied, check: func(d policy.Decision) bool { return slices.Equal(d.Deny, []string{"a", "b"}) }}},
		"deny beats step-up":             {[]policy.Source{all(`, "step_up": {"max_age": 1}`), g(`{"allow": true, "deny": ["closed"]}`)}, nil, wants{code: policy.CodeDenied, check: func(d policy.Decision) bool { return d.StepUp == nil }}},
		"refusal beats step-up":          {[]policy.Source{grant(`decision := {"allow": false, "step_up": {"max_age": 1}}`)}, nil, wants{code: policy.CodeDenied, check: func(d policy.Decision) bool { return d.StepUp == nil }}},
		"step-up of the grant":           {[]policy.Source{all(`, "step_up": {"acr_values": ["phr"], "max_age": 300}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return age(d) == 300 && acr(d) == "phr" }}},
		"step-up of a guard":             {[]policy.Source{all(""), g(`{"allow": true, "step_up": {"max_age": 300}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return age(d) == 300 && acr(d) == "" }}},
		"lesser age":                     {[]policy.Source{all(`, "step_up": {"max_age": 300}`), g(`{"allow": true, "step_up": {"max_age": 60}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return age(d) == 60 }}},
		"lesser age first":               {[]policy.Source{all(`, "step_up": {"max_age": 60}`), g(`{"allow": true, "step_up": {"max_age": 300}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return age(d) == 60 }}},
		"age zero":                       {[]policy.Source{all(`, "step_up": {"max_age": 0}`), g(`{"allow": true, "step_up": {"max_age": 300}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return age(d) == 0 }}},
		"age and acr":                    {[]policy.Source{all(`, "step_up": {"max_age": 300}`), g(`{"allow": true, "step_up": {"acr_values": ["phr"]}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return age(d) == 300 && acr(d) == "phr" }}},
		"acr of both":                    {[]policy.Source{all(`, "step_up": {"acr_values": ["phr", "phrh"]}`), g(`{"allow": true, "step_up": {"acr_values": ["phrh", "mfa"]}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return acr(d) == "phrh" }}},
		"acr of neither":                 {[]policy.Source{all(`, "step_up": {"acr_values": ["phr"]}`), g(`{"allow": true, "step_up": {"acr_values": ["mfa"]}}`)}, nil, wants{code: policy.CodeDenied, reasons: "step_up_impossible"}},
		"approval without workflow":      {[]policy.Source{all(`, "approval": {"group": "security"}`)}, nil, wants{code: policy.CodeDenied, reasons: "approval_unavailable"}},
		"guard's approval":               {[]policy.Source{all(""), g(`{"allow": true, "approval": {"group": "security"}}`)}, nil, wants{code: policy.CodeDenied, reasons: "approval_unavailable"}},
		"lifetime of the grant":          {[]policy.Source{all(`, "lifetime": 600`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return d.Lifetime == 10*time.Minute }}},
		"least lifetime":                 {[]policy.Source{all(`, "lifetime": 600`), g(`{"allow": true, "lifetime": 60}`), h(`{"allow": true, "lifetime": 300}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return d.Lifetime == time.Minute }}},
		"lifetime of a guard":            {[]policy.Source{all(""), g(`{"allow": true, "lifetime": 60}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return d.Lifetime == time.Minute }}},
		"claims of the grant":            {[]policy.Source{all(`, "claims": {"team": "notes"}`), g(`{"allow": true, "claims": {"team": "admins", "x": 1}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return len(d.Claims) == 1 && d.Claims["team"] == "notes" }}},
		"claims of a guard":              {[]policy.Source{all(""), g(`{"allow": true, "claims": {"team": "admins"}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", check: func(d policy.Decision) bool { return d.Claims == nil }}},
		"reasons of all":                 {[]policy.Source{all(`, "reasons": [{"code": "a"}]`), g(`{"allow": true, "reasons": [{"code": "b", "detail": "why"}]}`)}, nil, wants{allow: true, scopes: "notes:read notes:write", reasons: "a b", check: func(d policy.Decision) bool { return d.Reasons[1].Policy == "guard" && d.Reasons[1].Detail == "why" }}},
		"reasons of a refusal":           {[]policy.Source{grant(`decision := {"allow": false, "reasons": [{"code": "a"}]}`), g(`{"allow": false, "reasons": [{"code": "b"}]}`)}, nil, wants{code: policy.CodeDenied, reasons: "a b"}},
		"unknown scope":                  {[]policy.Source{grant(`decision := {"allow": true, "scopes": ["notes:read", "notes:admin"]}`)}, nil, wants{code: policy.CodeResultInvalid, reasons: "policy_result_invalid"}},
		"unknown scope of a guard":       {[]policy.Source{all(""), g(`{"allow": true, "scopes": ["notes:admin"]}`)}, nil, wants{code: policy.CodeResultInvalid}},
		"scope in another case":          {[]policy.Source{grant(`decision := {"allow": true, "scopes": ["Notes:read"]}`)}, nil, wants{code: policy.CodeResultInvalid}},
		"scopes as a set":                {[]policy.Source{grant(`decision := {"allow": true, "scopes": {"notes:write", "notes:read"}}`)}, nil, wants{allow: true, scopes: "notes:read notes:write"}},
		"scope above a ceiling":          {[]policy.Source{all("")}, func(in *policy.Input) { in.Available = []string{"notes:read"} }, wants{allow: true, scopes: "notes:read", narrowed: "notes:write", reasons: "scope_narrowed"}},
		"nothing available":              {[]policy.Source{all("")}, func(in *policy.Input) { in.Available = nil }, wants{allow: true, narrowed: "notes:read notes:write", reasons: "scope_narrowed"}},
		"scope not requested":            {[]policy.Source{all("")}, func(in *policy.Input) { in.Requested.Scopes = []string{"notes:read"} }, wants{allow: true, scopes: "notes:read"}},
		"nothing requested":              {[]policy.Source{all("")}, func(in *policy.Input) { in.Requested = nil }, wants{allow: true}},
		"requested twice":                {[]policy.Source{all("")}, func(in *policy.Input) { in.Requested.Scopes = []string{"notes:read", "notes:read"} }, wants{allow: true, scopes: "notes:read"}},
		"implied by what is granted":     {[]policy.Source{grant(`decision := {"allow": true, "scopes": ["notes:write"]}`)}, nil, wants{allow: true, scopes: "notes:read notes:write"}},
		"implied by what a guard leaves": {[]policy.Source{all(""), g(`{"allow": true, "scopes": ["notes:write"]}`)}, nil, wants{allow: true, scopes: "notes:read notes:write"}},
		"implied but above a ceiling":    {[]policy.Source{grant(`decision := {"allow": true, "scopes": ["notes:write"]}`)}, func(in *policy.Input) { in.Available = []string{"notes:write"} }, wants{allow: true, scopes: "notes:write"}},
		"implied below a ceiling":        {[]policy.Source{grant(`decision := {"allow": true, "scopes": ["notes:write"]}`)}, func(in *policy.Input) { in.Available = []string{"notes:read"} }, wants{allow: true, scopes: "notes:read", narrowed: "notes:write", reasons: "scope_narrowed"}},
		"not implied the other way":      {[]policy.Source{grant(`decision := {"allow": true, "scopes": ["notes:read"]}`)}, nil, wants{allow: true, scopes: "notes:read"}},
		"no resource":                    {[]policy.Source{all("")}, func(in *policy.Input) { in.Resource = nil }, wants{code: policy.CodeResultInvalid}},
		"unknown action":                 {[]policy.Source{all("")}, func(in *policy.Input) { in.Action = "issues" }, wants{code: policy.CodeNone}},
		"no action":                      {[]policy.Source{all("")}, func(in *policy.Input) { in.Action = "" }, wants{code: policy.CodeNone}},
	} {
		t.Run(name, func(t *testing.T) {
			in := alice()
			if tc.change != nil {
				tc.change(in)
			}
			d := decide(t, in, tc.policies...)
			if d.Allow != tc.want.allow || d.Code != tc.want.code {
				t.Errorf("allow %t, code %q: %+v", d.Allow, d.Code, d)
			}
			if got := strings.Join(d.Scopes, " "); got != tc.want.scopes {
				t.Errorf("scopes %q, want %q", got, tc.want.scopes)
			}
			if got := strings.Join(d.Narrowed, " "); got != tc.want.narrowed {
				t.Errorf("narrowed %q, want %q", got, tc.want.narrowed)
			}
			for code := range strings.FieldsSeq(tc.want.reasons) {
				if !slices.ContainsFunc(d.Reasons, func(r policy.Reason) bool { return r.Code == code }) {
					t.Errorf("reasons %v, want %s", d.Reasons, code)
				}
			}
			if tc.want.check != nil && !tc.want.check(d) {
				t.Errorf("%+v", d)
			}
			if !d.Allow && (d.Code == "" || d.Scopes != nil || d.Claims != nil || d.Lifetime != 0 || d.StepUp != nil || d.Approval != nil) {
				t.Errorf("a denial carries a grant: %+v", d)
			}
			if len(tc.policies) > 0 && d.Code != policy.CodeNone && len(d.Policies) == 0 {
				t.Error("nobody was asked")
			}
		})
	}
}

func TestEveryApprovalIsNeeded(t *testing.T) {
	e := policy.NewInProcess(patience, policy.WithApprovals())
	defer e.Close()
	s := set(
		t, grant(`decision := {"allow": true, "approval": {"group": "security", "within": 600}}`),
		guard("guard", `decision := {"allow": true, "approval": {"group": "owners"}}`),
	)
	d := e.Decide(t.Context(), s, alice())
	if !d.Allow || d.Approval == nil || len(d.Approval.Needs) != 2 {
		t.Fatalf("%+v", d)
	}
	first, second := d.Approval.Needs[0], d.Approval.Needs[1]
	if first.Group != "security" || first.Within != 10*time.Minute || first.Policy != "notes" || second.Group != "owners" || second.Within != 0 {
		t.Errorf("%+v", d.Approval.Needs)
	}
}

func TestStepUpMet(t *testing.T) {
	seconds := func(n int64) *int64 { return &n }
	for name, tc := range map[string]struct {
		demand policy.StepUp
		acr    string
		at     time.Time
		met    bool
	}{
		"acr":                      {policy.StepUp{ACRValues: []string{"phr", "phrh"}}, "phrh", time.Time{}, true},
		"acr and age":              {policy.StepUp{ACRValues: []string{"phr"}, MaxAge: seconds(300)}, "phr", noon.Add(-time.Minute), true},
		"other acr":                {policy.StepUp{ACRValues: []string{"phr"}}, "mfa", noon, false},
		"no acr":                   {policy.StepUp{ACRValues: []string{"phr"}}, "", noon, false},
		"acr in another case":      {policy.StepUp{ACRValues: []string{"phr"}}, "PHR", noon, false},
		"acr with a space":         {policy.StepUp{ACRValues: []string{"phr"}}, "phr ", noon, false},
		"no acr will do":           {policy.StepUp{ACRValues: []string{}}, "phr", noon, false},
		"empty acr is not a value": {policy.StepUp{ACRValues: []string{""}}, "", noon, false},
		"old":                      {policy.StepUp{MaxAge: seconds(300)}, "", noon.Add(-301 * time.Second), false},
		"just in time":             {policy.StepUp{MaxAge: seconds(300)}, "", noon.Add(-300 * time.Second), true},
		"a moment late":            {policy.StepUp{MaxAge: seconds(300)}, "", noon.Add(-300*time.Second - 1), false},
		"time unknown":             {policy.StepUp{MaxAge: seconds(300)}, "", time.Time{}, false},
		"in the future":            {policy.StepUp{MaxAge: seconds(300)}, "", noon.Add(1), false},
		"acr, in the future":       {policy.StepUp{ACRValues: []string{"phr"}}, "phr", noon.Add(time.Second), false},
		"now":                      {policy.StepUp{MaxAge: seconds(0)}, "", noon, true},
		"age zero, a second ago":   {policy.StepUp{MaxAge: seconds(0)}, "", noon.Add(-time.Second), false},
		"age right, acr wrong":     {policy.StepUp{ACRValues: []string{"phr"}, MaxAge: seconds(300)}, "mfa", noon, false},
		"acr right, age wrong":     {policy.StepUp{ACRValues: []string{"phr"}, MaxAge: seconds(300)}, "phr", noon.Add(-time.Hour), false},
		"longest age":              {policy.StepUp{MaxAge: seconds(315_360_000)}, "", noon.AddDate(-9, 0, 0), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.demand.Met(tc.acr, tc.at, noon); got != tc.met {
				t.Errorf("met is %t", got)
			}
		})
	}
}

func TestSetConflicts(t *testing.T) {
	named := func(name string, resources, actions []string) policy.Source {
		s := grant(yes)
		s.Name, s.Resources, s.Actions = name, resources, actions
		return s
	}
	for name, tc := range map[string]struct {
		a, b     policy.Source
		conflict bool
	}{
		"both everything":      {named("a", nil, nil), named("b", nil, nil), true},
		"one everything":       {named("a", nil, nil), named("b", []string{"notes"}, nil), true},
		"one named, the other": {named("a", []string{"notes"}, nil), named("b", nil, nil), true},
		"same resource":        {named("a", []string{"notes", "x"}, nil), named("b", []string{"y", "notes"}, nil), true},
		"other resource":       {named("a", []string{"notes"}, nil), named("b", []string{"calendar"}, nil), false},
		"other action":         {named("a", nil, []string{"issue"}), named("b", nil, []string{"vend"}), false},
		"same action":          {named("a", nil, []string{"issue", "vend"}), named("b", nil, []string{"vend"}), true},
		"same resource, other": {named("a", []string{"notes"}, []string{"issue"}), named("b", []string{"notes"}, []string{"vend"}), false},
		"one action, all":      {named("a", []string{"notes"}, []string{"issue"}), named("b", nil, nil), true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.NewSet([]*policy.Compiled{compile(t, tc.a), compile(t, tc.b)}, nil)
			c, ok := errors.AsType[*policy.Conflict](err)
			if ok != tc.conflict || (err == nil) == tc.conflict {
				t.Fatalf("error is %v", err)
			}
			if ok && (c.A.Name != "a" || c.B.Name != "b" || c.Action == "" || !strings.Contains(err.Error(), "applies_to")) {
				t.Errorf("%+v", c)
			}
			tc.b.Role = policy.RoleGuard
			if _, err := policy.NewSet([]*policy.Compiled{compile(t, tc.a), compile(t, tc.b)}, nil); err != nil {
				t.Errorf("a guard never conflicts: %v", err)
			}
		})
	}
}

func TestSetAsksWhoMatches(t *testing.T) {
	scoped := func(s policy.Source, name string, resources, actions []string) policy.Source {
		s.Name, s.Resources, s.Actions = name, resources, actions
		return s
	}
	all := guard("all", yes)
	all.Binds = policy.BindsAll
	own := []*policy.Compiled{
		compile(t, scoped(grant(yes), "notes", []string{"notes"}, nil)),
		compile(t, scoped(grant(yes), "calendar", []string{"calendar"}, []string{"issue"})),
		compile(t, scoped(guard("vend", yes), "vend", nil, []string{"vend"})),
	}
	s, err := policy.NewSet(own, []*policy.Compiled{compile(t, all)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		resource string
		action   policy.Action
		want     string
	}{
		{"notes", policy.ActionIssue, "notes all"},
		{"notes", policy.ActionVend, "notes all vend"},
		{"calendar", policy.ActionIssue, "calendar all"},
		{"calendar", policy.ActionVend, "all vend"},
		{"other", policy.ActionIssue, "all"},
		{"", policy.ActionConnect, "all"},
		{"Notes", policy.ActionIssue, "all"},
		{"notes", "", ""},
	} {
		var names []string
		for _, ref := range s.Policies(tc.resource, tc.action) {
			names = append(names, ref.Name)
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.resource, tc.action, got, tc.want)
		}
	}
}

func TestOnlyGuardsForAllAreInherited(t *testing.T) {
	for _, src := range []policy.Source{grant(yes), guard("tenant", yes)} {
		if _, err := policy.NewSet(nil, []*policy.Compiled{compile(t, src)}); err == nil {
			t.Errorf("%s is inherited", src.Name)
		}
	}
}

func TestInheritedGuardBinds(t *testing.T) {
	all := guard("all", `decision := {"allow": false, "reasons": [{"code": "frozen"}]}`)
	all.Binds = policy.BindsAll
	s, err := policy.NewSet([]*policy.Compiled{compile(t, grant(yes))}, []*policy.Compiled{compile(t, all)})
	if err != nil {
		t.Fatal(err)
	}
	e := policy.NewInProcess(patience)
	defer e.Close()
	if d := e.Decide(t.Context(), s, alice()); d.Allow || d.Code != policy.CodeDenied {
		t.Errorf("%+v", d)
	}
}

func TestNoSetDenies(t *testing.T) {
	e := policy.NewInProcess(patience)
	defer e.Close()
	if d := e.Decide(context.Background(), nil, alice()); d.Allow || d.Code != policy.CodeNone {
		t.Errorf("%+v", d)
	}
	if d := e.Decide(context.Background(), nil, nil); d.Allow || d.Code == "" {
		t.Errorf("%+v", d)
	}
}
