package decision_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// What is published is put to what was decided: under A nothing turns, under B exactly what a replay finds; the stricter of two
// thresholds holds.
func TestTrial(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		const n = 300
		w := newWorld(t, d, n)
		b := setOf(t, policy.Source{Name: "notes", Role: policy.RoleGrant, Modules: map[string]string{"notes.rego": revisionB}})
		e := policy.NewInProcess(10 * time.Second)
		t.Cleanup(e.Close)
		flips := 0
		for _, in := range w.inputs {
			if e.Decide(t.Context(), w.set, in).Allow != e.Decide(t.Context(), b, in).Allow {
				flips++
			}
		}
		if flips < 2 {
			t.Fatalf("%d flips", flips)
		}
		after := w.now.Add(n * time.Second)
		trial := decision.Trial{Log: w.Store.Decisions(), Policies: w.policies, Pictures: pictures{}, Now: func() time.Time { return after }, Most: -1}
		for name, test := range map[string]struct {
			text    string
			server  int
			asked   *int
			now     time.Duration
			refused bool
			warned  bool
		}{
			"nobody asks":                      {revisionB, -1, nil, 0, false, false},
			"nobody asks, in numbers":          {revisionB, -1, new(-1), 0, false, false},
			"the same":                         {revisionA, 0, nil, 0, false, false},
			"as many as may":                   {revisionB, flips, nil, 0, false, false},
			"one more than the server says":    {revisionB, flips - 1, nil, 0, true, false},
			"one more than the author says":    {revisionB, -1, new(flips - 1), 0, true, false},
			"the author is stricter":           {revisionB, flips, new(0), 0, true, false},
			"the author cannot tolerate more":  {revisionB, 0, new(flips), 0, true, false},
			"nothing was decided, and nothing": {revisionB, 0, nil, 8 * 24 * time.Hour, false, true},
		} {
			t.Run(name, func(t *testing.T) {
				trial := trial
				trial.Most = test.server
				trial.Now = func() time.Time { return after.Add(test.now) }
				refused, warned, err := trial.Try(t.Context(), d.Default, tenant.DefaultName, specs(t, test.text), test.asked)
				if err != nil || len(refused) > 0 != test.refused || len(warned) > 0 != test.warned {
					t.Fatalf("refused %v, warned %v, %v", refused, warned, err)
				}
				if test.refused && (refused[0].Code != decision.CodeReplay || !strings.Contains(refused[0].Text, "by notes: no rule was true")) {
					t.Errorf("%+v", refused)
				}
			})
		}
		t.Run("no policy is left", func(t *testing.T) {
			trial := trial
			trial.Most = 0
			if refused, _, err := trial.Try(t.Context(), d.Default, tenant.DefaultName, nil, nil); err != nil || len(refused) != 1 {
				t.Errorf("%v, %v", refused, err)
			}
		})
		t.Run("the log does not answer", func(t *testing.T) {
			trial := trial
			trial.Most, trial.Log = 0, silent{trial.Log}
			if refused, _, err := trial.Try(t.Context(), d.Default, tenant.DefaultName, specs(t, revisionA), nil); err == nil && len(refused) == 0 {
				t.Error("passed without having been asked")
			}
		})
		t.Run("inputs", func(t *testing.T) {
			read := 0
			for text := range decision.Inputs(t.Context(), w.Store.Decisions(), d.Default, func(err error) { t.Error(err) }) {
				if _, err := policy.ParseInput(text); err != nil {
					t.Fatal(err)
				}
				read++
			}
			if read != n {
				t.Errorf("%d inputs of %d", read, n)
			}
			told := false
			for range decision.Inputs(t.Context(), silent{w.Store.Decisions()}, d.Default, func(error) { told = true }) {
				t.Error("an input of nothing")
			}
			if !told {
				t.Error("nobody hears that none could be read")
			}
		})
	})
}

func specs(t *testing.T, text string) map[string]*object.PolicySpec {
	t.Helper()
	spec, ok := policyObject(t, text).Spec.(*object.PolicySpec)
	if !ok {
		t.Fatal("no policy")
	}
	return map[string]*object.PolicySpec{"notes": spec}
}

// silent is a log that cannot be read.
type silent struct{ decision.Log }

func (silent) Page(context.Context, tenant.UID, decision.Filter, string, int) ([]ledger.Decision, string, error) {
	return nil, "", errors.New("no answer")
}
