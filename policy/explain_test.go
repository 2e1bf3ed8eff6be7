package policy_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/policy"
)

func TestExplainNamesTheRuleAndItsLine(t *testing.T) {
	c := compile(t, grant("default decision := {\"allow\": false}\n\neditor if \"notes-editors\" in input.user.group_names\n\ndecision := {\"allow\": true} if editor"))
	rules, err := c.Explain(t.Context(), alice())
	if err != nil {
		t.Fatal(err)
	}
	want := []policy.Rule{{File: "notes.rego", Row: 5, Name: "editor"}, {File: "notes.rego", Row: 7, Name: "decision"}}
	if !slices.Equal(rules, want) {
		t.Errorf("rules %v, want %v", rules, want)
	}
	in := alice()
	in.User.GroupNames = nil
	rules, err = c.Explain(t.Context(), in)
	if err != nil || slices.ContainsFunc(rules, func(r policy.Rule) bool { return r.Row != 3 }) {
		t.Errorf("rules %v, error %v", rules, err)
	}
}

func TestExplainEnds(t *testing.T) {
	if _, err := compile(t, grant(loop)).Explain(t.Context(), alice()); err == nil {
		t.Error("no error")
	}
}

func TestRecordedInputIsReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		in := randomInput(r)
		text, err := in.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := policy.ParseInput(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := back.JSON()
		if err != nil {
			t.Fatal(err)
		}
		a, _ := in.Value()
		b, _ := back.Value()
		if a.Compare(b) != 0 {
			t.Fatalf("recorded %s\nread     %s", text, again)
		}
	}
	for _, text := range []string{"", "{}", "null", `{"version": 2}`, `{"version": 1, "user": []}`} {
		if _, err := policy.ParseInput([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
