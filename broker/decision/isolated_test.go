package decision_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// next stands in for the process next door: it alone compiles what is isolated.
type next struct{ e *policy.InProcess }

func (n next) open(ctx context.Context, q policy.Question) (*policy.Compiled, error) {
	_, text, _ := q.Policy.Content()
	content, err := text()
	if err != nil {
		return nil, err
	}
	src, err := policy.ParseContent(content)
	if err != nil {
		return nil, err
	}
	return policy.Compile(ctx, src)
}

func (n next) Evaluate(ctx context.Context, q policy.Question) (policy.Said, error) {
	c, err := n.open(ctx, q)
	if err != nil {
		return policy.Said{}, err
	}
	said, err := n.e.Answer(ctx, c, q.Input, q.Budget)
	return policy.Said{Decision: said}, err
}

func (n next) Explain(ctx context.Context, q policy.Question) ([]policy.Rule, error) {
	c, err := n.open(ctx, q)
	if err != nil {
		return nil, err
	}
	in, err := policy.ParseInput(q.Input)
	if err != nil {
		return nil, err
	}
	return c.Explain(ctx, in)
}

func isolate(_ context.Context, _ string, src policy.Source) (*policy.Compiled, error) {
	return policy.Isolate(src)
}

func apart(t *testing.T) *policy.InProcess {
	t.Helper()
	near := policy.NewInProcess(10 * time.Second)
	e := policy.NewInProcess(10*time.Second, policy.WithFar(next{near}))
	t.Cleanup(near.Close)
	t.Cleanup(e.Close)
	return e
}

// What others wrote is explained and made a test of where it is evaluated; here it is not compiled.
func TestOfIsolatedPolicies(t *testing.T) {
	tested := 0
	made := map[string]decision.Case{}
	d := decided(t, masks(t), request(), grouped())
	for _, name := range []string{"here", "elsewhere"} {
		c := court(t, past{acme.String() + "pol_1": grouped()})
		if name == "elsewhere" {
			c.Evaluator, c.Compile = apart(t), isolate
			c.Tests = func(ctx context.Context, src policy.Source) (bool, error) {
				tested++
				return testedElsewhere(ctx, src)
			}
		}
		again, err := c.Decide(t.Context(), acme, d)
		if err != nil || again.Problem != "" || again.Differs || len(again.Rules) == 0 {
			t.Fatalf("%s: %+v, %v", name, again, err)
		}
		if made[name], err = c.TestCase(t.Context(), acme, d, ""); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "here" {
			continue
		}
		for what, run := range map[string]func(context.Context, policy.Source) (bool, error){
			"nowhere to test":       nil,
			"the test fails":        func(context.Context, policy.Source) (bool, error) { return false, nil },
			"it could not be asked": func(context.Context, policy.Source) (bool, error) { return true, errors.New("the child died") },
		} {
			c.Tests = run
			if _, err := c.TestCase(t.Context(), acme, d, ""); !errors.Is(err, decision.ErrNoCase) {
				t.Errorf("%s: %v", what, err)
			}
		}
		c.Evaluator = policy.NewInProcess(time.Second) // without the other process
		if _, err := c.TestCase(t.Context(), acme, d, ""); !errors.Is(err, decision.ErrNoCase) {
			t.Errorf("nowhere to evaluate: %v", err)
		}
	}
	if tested != 1 || made["here"].Text != made["elsewhere"].Text || !strings.Contains(made["here"].Text, "editors") {
		t.Errorf("tested %d times: %s\n%s", tested, made["here"].Text, made["elsewhere"].Text)
	}
}

// A replay of isolated policies names the rules, as one of others does.
func TestReplayOfIsolatedPolicies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		w := newWorld(t, d, 60)
		w.policies.Compile = isolate
		r := w.replays(t)
		r.Policies = w.policies
		r.Evaluator = func() (policy.Evaluator, func()) { return apart(t), func() {} }
		job := w.replay(t, r, decision.Asked{MaxFlips: -1, Draft: []object.Object{policyObject(t, revisionB)}})
		if job.State != decision.Done || job.Report == nil || job.Report.Flips == 0 {
			t.Fatalf("%+v", job)
		}
		for _, g := range job.Report.Groups[replay.ByRule] {
			if !strings.HasPrefix(g.Value, "notes: no rule was true") && !strings.HasPrefix(g.Value, "notes notes.rego:") {
				t.Errorf("%+v", g)
			}
		}
	})
}

func testedElsewhere(ctx context.Context, src policy.Source) (bool, error) {
	compiled, err := policy.Compile(ctx, src)
	if err != nil {
		return false, err
	}
	results, err := compiled.RunTests(ctx)
	return len(results) > 0 && len(policy.Failed(results)) == 0, err
}
