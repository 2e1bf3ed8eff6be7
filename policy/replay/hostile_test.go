package replay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// Whatever one record holds, the others are replayed.
func TestHostileRecords(t *testing.T) {
	good := record(t, patient(t), set(t, source("notes", grantsAll)), "dec_1", alice())
	tests := map[string]func(*replay.Recorded){
		"no JSON":              func(r *replay.Recorded) { r.Input = []byte("no") },
		"another version":      func(r *replay.Recorded) { r.Input = []byte(`{"version":2}`) },
		"an array":             func(r *replay.Recorded) { r.Input = []byte("[]") },
		"a wrong type":         func(r *replay.Recorded) { r.Input = []byte(`{"version":1,"user":"alice"}`) },
		"very deep":            func(r *replay.Recorded) { r.Input = []byte(strings.Repeat("[", 200_000)) },
		"too large":            func(r *replay.Recorded) { r.Input = []byte(`"` + strings.Repeat("x", 4<<20) + `"`) },
		"no result":            func(r *replay.Recorded) { r.Result = nil },
		"an empty result":      func(r *replay.Recorded) { r.Result = []byte(`{}`) },
		"a null result":        func(r *replay.Recorded) { r.Result = []byte(`null`) },
		"allow null":           func(r *replay.Recorded) { r.Result = []byte(`{"allow":null,"scopes":["notes:read"]}`) },
		"a result that is off": func(r *replay.Recorded) { r.Result = []byte(`{"allow":"true"}`) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			report, err := replay.Replay(t.Context(), each(good, bad, good), set(t, source("notes", grantsAll)), anything(t))
			if err != nil || report.Unreadable != 1 || report.Same != 2 || len(report.Problems) != 1 || report.Problems[0].ID != "dec_1" {
				t.Errorf("%v: %+v", err, report)
			}
		})
	}
}

// An input that is larger than a policy may see is one that the draft fails.
func TestOversizedInputFailsTheDraft(t *testing.T) {
	good := record(t, patient(t), set(t, source("notes", grantsAll)), "dec_1", alice())
	bad := good
	bad.Input = []byte(strings.Replace(string(good.Input), `"usr_1"`, `"`+strings.Repeat("x", policy.MaxInputSize+1)+`"`, 1))
	report, err := replay.Replay(t.Context(), each(good, bad, good), set(t, source("notes", `decision := {"allow": true, "scopes": input.requested.scopes} if input.user`)), anything(t))
	if err != nil || report.Changes[replay.Failed] != 1 || report.Changes[replay.AllowToDeny] != 1 || report.Same != 2 {
		t.Errorf("%v: %+v", err, report)
	}
	for _, g := range report.Groups[replay.ByUser] {
		if len(g.Value) > 300 {
			t.Errorf("a label of %d bytes is kept", len(g.Value))
		}
	}
}

// slow does not end in time for one client, and is quick for the others.
var slow = `many := split("` + strings.Repeat("x,", 400) + `", ",")

decision := {"allow": true, "scopes": input.requested.scopes} if input.client.name != "bomb"

decision := {"allow": count([1 | some i, _ in many; some j, _ in many; some k, _ in many; i * j * k == -1]) > 0} if input.client.name == "bomb"`

func TestOneSlowEvaluation(t *testing.T) {
	e := patient(t)
	granted := set(t, source("notes", grantsAll))
	var records []replay.Recorded
	for i := range 300 {
		in := alice()
		if i == 20 || i == 150 {
			in.Client.Name = "bomb"
		}
		records = append(records, record(t, e, granted, fmt.Sprintf("dec_%d", i), in))
	}
	o := anything(t)
	o.Evaluator = nil
	report, err := replay.Replay(t.Context(), each(records...), set(t, source("notes", slow)), o)
	if err != nil || !report.Complete || report.Changes[replay.Failed] != 2 || report.Same != 298 {
		t.Errorf("%v: same %d, changes %v", err, report.Same, report.Changes)
	}
}

// A draft that never ends in time is given up.
func TestSlowDraftIsGivenUp(t *testing.T) {
	in := alice()
	in.Client.Name = "bomb"
	bomb := record(t, patient(t), set(t, source("notes", grantsAll)), "dec_1", in)
	endless := func(yield func(replay.Recorded, error) bool) {
		for yield(bomb, nil) {
		}
	}
	e := policy.NewInProcess(time.Millisecond)
	t.Cleanup(e.Close)
	o := anything(t)
	o.Evaluator = e
	report, err := replay.Replay(t.Context(), endless, set(t, source("notes", slow)), o)
	if !errors.Is(err, replay.ErrTooSlow) || report.Complete {
		t.Errorf("%v: %+v", err, report)
	}
}

// busy says for its first n questions that an earlier evaluation has not ended.
type busy struct {
	policy.Evaluator
	n     int
	stuck policy.Decision
}

func (b *busy) Decide(ctx context.Context, s *policy.Set, in *policy.Input) policy.Decision {
	if b.n--; b.n >= 0 {
		return b.stuck
	}
	return b.Evaluator.Decide(ctx, s, in)
}

// An evaluation that could not be cancelled holds the next ones up; it does not decide them.
func TestWaitsForWhatCannotBeCancelled(t *testing.T) {
	granted := set(t, source("notes", grantsAll))
	stuck := policy.Decision{Code: policy.CodeTimeout, Reasons: []policy.Reason{{Code: policy.CodeTimeout, Detail: "an evaluation of this policy has not ended since its time budget was spent"}}}
	if !stuck.Behind() || (policy.Decision{Code: policy.CodeTimeout}).Behind() {
		t.Fatal("the text that tells them apart has changed")
	}
	o := anything(t)
	o.Workers = 1
	o.Evaluator = &busy{Evaluator: patient(t), n: 5, stuck: stuck}
	r := record(t, patient(t), granted, "dec_1", alice())
	report, err := replay.Replay(t.Context(), each(r, r), granted, o)
	if err != nil || report.Same != 2 {
		t.Errorf("%v: %+v", err, report)
	}
}

// panics breaks on every other question.
type panics struct {
	policy.Evaluator
	n int
}

func (p *panics) Decide(ctx context.Context, s *policy.Set, in *policy.Input) policy.Decision {
	if p.n++; p.n%2 == 0 {
		panic("broken")
	}
	return p.Evaluator.Decide(ctx, s, in)
}

func TestPanicStaysWithItsRecord(t *testing.T) {
	granted := set(t, source("notes", grantsAll))
	o := anything(t)
	o.Workers = 1
	o.Evaluator = &panics{Evaluator: patient(t)}
	r := record(t, patient(t), granted, "dec_1", alice())
	report, err := replay.Replay(t.Context(), each(r, r, r, r), granted, o)
	if err != nil || report.Same != 2 || report.Unreadable != 2 {
		t.Errorf("%v: %+v", err, report)
	}
}

// However many clients, users and policies there are, the report stays small and counts them all.
func TestReportIsBounded(t *testing.T) {
	granted := set(t, source("notes", grantsAll))
	d := patient(t).Decide(t.Context(), granted, alice())
	many := func(yield func(replay.Recorded, error) bool) {
		for i := range 1500 {
			in := alice()
			in.User.ID = fmt.Sprintf("usr_%d", i)
			d.Policies = []policy.Ref{{Name: "notes", Revision: int64(i)}}
			if !yield(keep(t, "dec", in, d), nil) {
				return
			}
		}
	}
	report, err := replay.Replay(t.Context(), many, set(t, source("notes", `decision := {"allow": false}`)), anything(t))
	if err != nil || report.Flips != 1500 || len(report.Groups[replay.ByUser]) != 1000 || report.Ungrouped[replay.ByUser] != 500 || len(report.Policies) != 256 {
		t.Errorf("%v: flips %d, %d groups, ungrouped %v, %d policies", err, report.Flips, len(report.Groups[replay.ByUser]), report.Ungrouped, len(report.Policies))
	}
	if g := report.Groups[replay.ByClient][0]; g.Flips != 1500 || len(g.Examples) != 3 {
		t.Errorf("%d flips, %d examples", g.Flips, len(g.Examples))
	}
}
