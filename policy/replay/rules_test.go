package replay_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

func TestRules(t *testing.T) {
	_, records := history(t, 500)
	var compiled []*policy.Compiled
	for _, src := range []policy.Source{source("notes", revisionB), guard("office", `decision := {"allow": true} if input.time.hour < 23`)} {
		c, err := policy.Compile(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, c)
	}
	draft, err := policy.NewSet(compiled, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := anything(t)
	o.Rules = replay.Rules(policy.WitnessOf(nil), draft, compiled)
	report, err := replay.Replay(t.Context(), each(records...), draft, o)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]replay.Group{}
	n := 0
	for _, g := range report.Groups[replay.ByRule] {
		found[g.Value] = g
		n += g.Changed
	}
	if n != report.Changed {
		t.Errorf("%d in groups, %d changed", n, report.Changed)
	}
	// Line 5 refuses guests, line 7 asks for a fresher sign-in; late at night the guard has no rule.
	for rule, kind := range map[string]replay.Kind{
		"notes notes.rego:5, office office.rego:3": replay.AllowToDeny,
		"notes notes.rego:7, office office.rego:3": replay.StepUp,
		"office: no rule was true":                 replay.AllowToDeny,
	} {
		if found[rule].Changes[kind] == 0 {
			t.Errorf("%s: %+v", rule, found)
		}
	}
}

// What cannot be explained is still counted, and is soon not tried any more.
func TestRulesThatFail(t *testing.T) {
	_, records := history(t, 300)
	o := anything(t)
	o.Workers = 1
	asked := 0
	o.Rules = func(context.Context, *policy.Input) (string, error) {
		asked++
		return "", errors.New("no")
	}
	report, err := replay.Replay(t.Context(), each(records...), set(t, source("notes", revisionB)), o)
	if err != nil || asked != 8 || len(report.Groups[replay.ByRule]) != 1 || report.Groups[replay.ByRule][0].Changed != report.Changed {
		t.Errorf("%v: asked %d times, %+v", err, asked, report.Groups[replay.ByRule])
	}
}
