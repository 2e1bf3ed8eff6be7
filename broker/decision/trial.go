package decision

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
	"github.com/chancery-dev/chancery/policy/replay"
)

// Bounds of a trial: whoever publishes waits for it.
const (
	TrialSince   = 7 * 24 * time.Hour
	MaxTried     = 10_000 // decisions, the newest
	trialTime    = 20 * time.Second
	inputsAtOnce = 200
)

// CodeReplay is the code of policies that a trial refuses.
const CodeReplay = "policy_replay"

// Trial puts the newest decisions of a tenant to its policies as they would be, before they are published. Every part but
// Evaluator is required.
type Trial struct {
	Log      Log
	Policies Policies
	Pictures Pictures
	// Evaluator makes what decides; nil is one in this process with five times the budget of a decision.
	Evaluator func() (policy.Evaluator, func())
	Now       func() time.Time
	// Most is how many decisions may be turned; negative is any number.
	Most int
}

var _ object.Trial = Trial{}

// Try implements object.Trial. The stricter of both thresholds holds. Without a decision to replay there is nothing that could
// turn, which is a warning; decisions of which none could be compared refuse.
func (t Trial) Try(ctx context.Context, of tenant.UID, name string, policies map[string]*object.PolicySpec, most *int) (refused, warned []object.Problem, err error) {
	threshold := t.Most
	if most != nil && *most >= 0 && (threshold < 0 || *most < threshold) {
		threshold = *most
	}
	if threshold < 0 {
		return nil, nil, nil
	}
	p, err := t.panel(ctx, of, name, policies)
	if err != nil {
		return nil, nil, fmt.Errorf("replay of what was decided: %w", err)
	}
	picture, err := t.Pictures.Get(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	report, err := t.replay(ctx, of, p, picture, threshold)
	switch exceeded, over := errors.AsType[*replay.ExceededError](err); {
	case report.Read == 0 && (err == nil || errors.Is(err, replay.ErrNothingCompared)):
		return nil, []object.Problem{{Code: CodeReplay, Text: "nothing was decided in the last 7 days, so max_flips says nothing"}}, nil
	case err == nil:
		return nil, nil, nil
	case over:
		return []object.Problem{{Code: CodeReplay, Text: "of the newest decisions: " + exceeded.Error() + by(report)}}, nil, nil
	case errors.Is(err, replay.ErrNothingCompared), errors.Is(err, replay.ErrTooSlow):
		return []object.Problem{{Code: CodeReplay, Text: err.Error()}}, nil, nil
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return []object.Problem{{Code: CodeReplay, Text: fmt.Sprintf("what was decided could not be replayed within %s", trialTime)}}, nil, nil
	}
	return nil, nil, fmt.Errorf("replay of what was decided: %w", err)
}

// by names the rules that turn the most.
func by(r replay.Report) string {
	var rules []string
	for _, g := range r.Groups[replay.ByRule] {
		if g.Flips > 0 && g.Value != "" && len(rules) < 3 {
			rules = append(rules, fmt.Sprintf("%d by %s", g.Flips, g.Value))
		}
	}
	if len(rules) == 0 {
		return ""
	}
	return " (" + strings.Join(rules, "; ") + ")"
}

func (t Trial) panel(ctx context.Context, of tenant.UID, name string, policies map[string]*object.PolicySpec) (panel, error) {
	var own []policy.Source
	for _, n := range sorted(policies) {
		own = append(own, regocheck.Source("", n, 0, policies[n]))
	}
	guards, err := t.Policies.inherited(ctx, of)
	if err != nil {
		return panel{}, err
	}
	return t.Policies.Compile.assemble(ctx, name, own, guards)
}

func (t Trial) replay(ctx context.Context, of tenant.UID, p panel, picture *snapshot.Tenant, threshold int) (replay.Report, error) {
	ctx, stop := context.WithTimeout(ctx, trialTime)
	defer stop()
	evaluator, done := evaluatorBy(t.Evaluator)
	defer done()
	records := Replayed(Newest(ctx, t.Log, of, Filter{Since: t.Now().Add(-TrialSince)}, MaxTried))
	return replay.Replay(ctx, records, p.set, replay.Options{
		MaxFlips: threshold, Tenant: of.String(), Implies: implied(picture), Evaluator: evaluator,
		Rules:   replay.Rules(policy.WitnessOf(evaluator), p.set, p.compiled),
		Workers: max(1, runtime.GOMAXPROCS(0)-1),
	})
}

// implied tells what the scopes of a tenant's resources imply.
func implied(picture *snapshot.Tenant) func(string) (map[string][]string, bool) {
	return func(resource string) (map[string][]string, bool) {
		found, ok := picture.ResourceByName(resource)
		if !ok {
			return nil, false
		}
		return found.Implies, true
	}
}

// Newest yields the newest decisions, at most so many.
func Newest(ctx context.Context, log Log, t tenant.UID, f Filter, most int) iter.Seq2[ledger.Decision, error] {
	return func(yield func(ledger.Decision, error) bool) {
		cursor, left := "", most
		for left > 0 {
			found, next, err := log.Page(ctx, t, f, cursor, min(left, inputsAtOnce))
			if err != nil {
				yield(ledger.Decision{}, err)
				return
			}
			for _, d := range found {
				if !yield(d, nil) {
					return
				}
			}
			if cursor, left = next, left-len(found); next == "" || len(found) == 0 {
				return
			}
		}
	}
}

// Inputs are the newest inputs that were decided on for a tenant, as policy.ParseInput reads them, for what a policy costs. Those
// that are no longer kept are passed over. An error of the log ends them, and is told.
func Inputs(ctx context.Context, log Log, t tenant.UID, failed func(error)) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for d, err := range Newest(ctx, log, t, Filter{}, gate.MaxInputs) {
			if err != nil {
				failed(err)
				return
			}
			in, _, err := input(d)
			if err != nil {
				continue
			}
			text, err := in.JSON()
			if err == nil && !slices.Contains(text, '\n') && !yield(text) {
				return
			}
		}
	}
}
