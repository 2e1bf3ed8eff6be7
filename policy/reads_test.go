package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

func TestReads(t *testing.T) {
	own := grant("decision := {\"allow\": true} if {\n\tinput.client.name == \"claude\"\n\tinput.time.hour > 3\n}")
	own.Resources = []string{"notes"}
	tests := []struct {
		name    string
		sources []policy.Source
		want    []string
		all     bool
	}{
		{"one policy", []policy.Source{own}, []string{"client.name", "time.hour"}, false},
		{"with a guard", []policy.Source{own, guard("g", `decision := {"allow": true} if input.user`)}, []string{"client.name", "time.hour", "user"}, false},
		{"anything", []policy.Source{own, guard("g", `decision := {"allow": count(input) > 1}`)}, nil, true},
		{"nothing", []policy.Source{grant(`decision := {"allow": true}`)}, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, all := set(t, test.sources...).Reads("notes", policy.ActionIssue)
			if !slices.Equal(got, test.want) || all != test.all {
				t.Errorf("%v, %v; want %v, %v", got, all, test.want, test.all)
			}
		})
	}
	if got, all := set(t, own).Reads("mail", policy.ActionIssue); got != nil || all {
		t.Errorf("nobody is asked about mail, yet %v, %v is read", got, all)
	}
}

func TestMeets(t *testing.T) {
	age := func(n int64) *policy.StepUp { return &policy.StepUp{MaxAge: &n} }
	tests := []struct {
		name   string
		demand *policy.StepUp
		change func(*policy.Input)
		want   bool
	}{
		{"no demand", nil, nil, true},
		{"fresh enough", age(60), nil, true},
		{"too old", age(59), nil, false},
		{"the acr", &policy.StepUp{ACRValues: []string{"phrh", "phr"}}, nil, true},
		{"another acr", &policy.StepUp{ACRValues: []string{"phrh"}}, nil, false},
		{"no assertion", age(60), func(in *policy.Input) { in.Assertion = nil }, false},
		{"a sign-in of unknown time", age(60), func(in *policy.Input) { in.Assertion.AuthTime = 0 }, false},
		{"a sign-in to come", age(60), func(in *policy.Input) { in.Assertion.AuthTime = in.Time.Unix + 1 }, false},
		{"nobody", age(60), func(in *policy.Input) { in.User = nil }, false},
		{"nobody, no demand", nil, func(in *policy.Input) { in.User = nil }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := alice()
			if test.change != nil {
				test.change(in)
			}
			if got := in.Meets(test.demand); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// What is said of a policy that is still busy is told from what is said of the input.
func TestBehind(t *testing.T) {
	s, e := set(t, grant(search)), policy.NewInProcess(time.Millisecond)
	t.Cleanup(e.Close)
	first := e.Decide(t.Context(), s, alice())
	if first.Code != policy.CodeTimeout || first.Behind() {
		t.Fatalf("%+v", first)
	}
	second := e.Decide(t.Context(), s, alice())
	if second.Code != policy.CodeTimeout || !second.Behind() {
		t.Errorf("%+v", second)
	}
	if (policy.Decision{Code: policy.CodeDenied, Reasons: second.Reasons}).Behind() {
		t.Error("a denial is behind nothing")
	}
}
