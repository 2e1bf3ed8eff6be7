package object_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/objecttest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// trial counts a decision for each policy that is not there, and holds the number to what is asked.
type trial struct {
	asked [][]string // names of the policies, by trial
	turns int
	fails error
}

func (w *trial) Try(_ context.Context, _ tenant.UID, _ string, policies map[string]*object.PolicySpec, most *int) (refused, warned []object.Problem, err error) {
	w.asked = append(w.asked, slices.Sorted(maps.Keys(policies)))
	if most != nil && *most >= 0 && w.turns > *most {
		return []object.Problem{{Code: "policy_replay", Text: "too many"}}, nil, w.fails
	}
	if most != nil {
		warned = []object.Problem{{Code: "policy_replay", Text: "nothing was decided"}}
	}
	return nil, warned, w.fails
}

const (
	triedOne = `{"apiVersion":"chancery/v1","kind":"Policy","metadata":{"name":"one"},"spec":{"role":"guard","modules":{"one.rego":"package chancery.authz"}}}`
	triedTwo = `{"apiVersion":"chancery/v1","kind":"Policy","metadata":{"name":"two"},"spec":{"role":"guard","modules":{"two.rego":"package chancery.authz"}}}`
	noPolicy = `{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"eve"},"spec":{"email":"eve@acme.test"}}`
)

// Policies that change are put to what was decided, all of the tenant together, as they will be.
func TestTrial(t *testing.T) {
	h := newHouse(t)
	none := 0
	strict := by(object.ManagerApply)
	strict.MaxFlips = &none
	h.apply(t, noPolicy, strict)
	if len(h.trial.asked) != 0 {
		t.Fatalf("asked about what is no policy: %v", h.trial.asked)
	}
	if plan := h.apply(t, triedOne, strict); len(plan.Warnings) != 1 || plan.Warnings[0].Code != "policy_replay" {
		t.Errorf("%+v", plan.Warnings)
	}
	h.apply(t, triedTwo, strict)
	if want := []string{"one", "two"}; !slices.Equal(h.trial.asked[1], want) {
		t.Errorf("asked about %v, want %v", h.trial.asked[1], want)
	}

	h.trial.turns = 1
	changed := strings.Replace(triedTwo, "chancery.authz", "chancery.authz\\n\\nx := 1", 1)
	err := h.applyError(t, changed, strict)
	if invalid, ok := errors.AsType[*object.Invalid](err); !ok || invalid.Problems[0].Code != "policy_replay" {
		t.Errorf("got %v", err)
	}
	dry := strict
	dry.DryRun = true
	if _, err := h.path.Apply(t.Context(), "default", decode(t, changed), dry); err == nil {
		t.Error("a dry run does not tell")
	}
	if _, err := h.path.Delete(t.Context(), "default", object.KindPolicy, "one", strict); err == nil {
		t.Error("a policy went although too many decisions turn")
	}
	before := len(h.trial.asked)
	untried := dry
	untried.Untried = true
	if _, err := h.path.Apply(t.Context(), "default", decode(t, changed), untried); err != nil || len(h.trial.asked) != before {
		t.Errorf("%v, asked %d times more", err, len(h.trial.asked)-before)
	}
	h.trial.fails = errors.New("the database is away")
	if err := h.applyError(t, changed, by(object.ManagerApply)); !errors.Is(err, h.trial.fails) {
		t.Errorf("got %v", err)
	}
	h.trial.fails = nil
	h.apply(t, changed, by(object.ManagerApply))
	if gone, err := h.path.Delete(t.Context(), "default", object.KindPolicy, "two", by(object.ManagerApply)); err != nil || !gone.Applied || !slices.Equal(h.trial.asked[len(h.trial.asked)-1], []string{"one"}) {
		t.Errorf("%+v, %v, asked about %v", gone, err, h.trial.asked[len(h.trial.asked)-1])
	}
}

// What the configuration file says is not tried: a server starts.
func TestConfigurationIsNotTried(t *testing.T) {
	h := newHouse(t)
	h.trial.fails = errors.New("the database is away")
	h.apply(t, triedOne, by(object.ManagerConfig))
}

// Whoever asks for a trial where there is none is refused.
func TestTrialThatIsNone(t *testing.T) {
	store := objecttest.New()
	path, err := object.NewPath(object.Config{Store: store, Keys: store, Secrets: store, Checker: checker{}, Now: func() time.Time { return begin }})
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	most := 5
	r := by(object.ManagerApply)
	r.MaxFlips = &most
	if _, err := path.Apply(t.Context(), "default", decode(t, triedOne), r); err == nil {
		t.Error("applied untried")
	}
	r.MaxFlips = nil
	if _, err := path.Apply(t.Context(), "default", decode(t, triedOne), r); err != nil {
		t.Error(err)
	}
}
