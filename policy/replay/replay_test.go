package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

const (
	revisionA = `default decision := {"allow": false, "reasons": [{"code": "no_group"}]}

decision := {"allow": true, "scopes": ["notes:read", "notes:write"], "step_up": {"max_age": 3600}} if "notes-editors" in input.user.group_names

decision := {"allow": true, "scopes": ["notes:read"]} if "notes-readers" in input.user.group_names`

	revisionB = `default decision := {"allow": false, "reasons": [{"code": "no_group"}]}

decision := {"allow": false, "reasons": [{"code": "guest"}]} if input.user.guest

decision := {"allow": true, "scopes": ["notes:read", "notes:write"], "step_up": {"max_age": 1800}} if {
	not input.user.guest
	"notes-editors" in input.user.group_names
}

decision := {"allow": true, "scopes": ["notes:read"], "lifetime": 60} if {
	not input.user.guest
	some name in {"notes-readers", "sales"}
	name in input.user.group_names
}`
)

// history is n decisions under revision A.
func history(tb testing.TB, n int) (a *policy.Set, records []replay.Recorded) {
	tb.Helper()
	a = set(tb, source("notes", revisionA))
	e, r := patient(tb), rand.New(rand.NewPCG(7, 8))
	for i := range n {
		records = append(records, record(tb, e, a, fmt.Sprintf("dec_%05d", i), someone(r)))
	}
	return a, records
}

func TestTheSameRevisionFlipsNothing(t *testing.T) {
	a, records := history(t, 1000)
	o := anything(t)
	o.MaxFlips = 0
	report, err := replay.Replay(t.Context(), each(records...), a, o)
	if err != nil || !report.Complete || report.Compared != 1000 || report.Same != 1000 || report.Flips != 0 || report.Changed != 0 {
		t.Errorf("%v: %+v", err, report)
	}
	if len(report.Policies) != 1 || report.Policies[0].Name != "notes" || report.Policies[0].Revision != 3 || report.Policies[0].Decisions != 1000 {
		t.Errorf("%+v", report.Policies)
	}
}

// Exactly the flips that a plain re-evaluation finds.
func TestAnotherRevisionFlipsWhatPlainEvaluationFinds(t *testing.T) {
	_, records := history(t, 2000)
	b := set(t, source("notes", revisionB))
	e := patient(t)
	want := replay.Counts{}
	for _, r := range records {
		in, err := policy.ParseInput(r.Input)
		if err != nil {
			t.Fatal(err)
		}
		var before policy.Decision
		if err := json.Unmarshal(r.Result, &before); err != nil {
			t.Fatal(err)
		}
		after := e.Decide(t.Context(), b, in)
		switch {
		case before.Allow && !after.Allow:
			want[replay.AllowToDeny]++
		case !before.Allow && after.Allow:
			want[replay.DenyToAllow]++
		case before.Allow:
			if before.Lifetime != after.Lifetime {
				want[replay.Lifetime]++
			}
			if !reflect.DeepEqual(before.StepUp, after.StepUp) {
				want[replay.StepUp]++
				age := in.Time.Unix - in.Assertion.AuthTime
				if age <= 3600 && age > 1800 {
					want[replay.Challenged]++
				}
			}
		}
	}
	report, err := replay.Replay(t.Context(), each(records...), b, anything(t))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(report.Changes, want) {
		t.Errorf("changes %v, want %v", report.Changes, want)
	}
	flips := want[replay.AllowToDeny] + want[replay.DenyToAllow] + want[replay.StepUp]
	if report.Flips != flips || flips == 0 || report.Same+report.Changed != 2000 {
		t.Errorf("%d flips, want %d; same %d, changed %d", report.Flips, flips, report.Same, report.Changed)
	}
	if len(report.Groups[replay.ByRule]) != 0 {
		t.Errorf("grouped by rules that nobody told: %+v", report.Groups[replay.ByRule])
	}
	delete(report.Groups, replay.ByRule)
	for dimension, groups := range report.Groups {
		n := 0
		for _, g := range groups {
			n += g.Changed
		}
		if n != report.Changed {
			t.Errorf("%s: %d changed in groups, %d in all", dimension, n, report.Changed)
		}
	}
	if !slices.ContainsFunc(report.Groups[replay.ByReason], func(g replay.Group) bool { return g.Value == "notes: guest" && g.Changes[replay.AllowToDeny] > 0 }) {
		t.Errorf("%+v", report.Groups[replay.ByReason])
	}
}

func TestReportDoesNotDependOnWorkers(t *testing.T) {
	_, records := history(t, 1500)
	b := set(t, source("notes", revisionB))
	var first []byte
	for _, workers := range []int{1, 2, 7} {
		o := anything(t)
		o.Workers = workers
		report, err := replay.Replay(t.Context(), each(records...), b, o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
		}
		if string(text) != string(first) {
			t.Errorf("%d workers:\n%s\none:\n%s", workers, text, first)
		}
	}
}

func TestThreshold(t *testing.T) {
	good := record(t, patient(t), set(t, source("notes", grantsAll)), "dec_1", alice())
	denies := set(t, source("notes", `decision := {"allow": false}`))
	purged := good
	purged.Input = nil
	garbled := good
	garbled.Result = []byte(`{}`)
	foreign := alice()
	foreign.Tenant.ID = "ten_2"
	other := record(t, patient(t), set(t, source("notes", `decision := {"allow": false}`)), "dec_2", foreign)
	late := keep(t, "dec_3", alice(), policy.Decision{Code: policy.CodeTimeout})
	tests := []struct {
		name    string
		max     int
		records []replay.Recorded
		want    error
	}{
		{"kept", 1, []replay.Recorded{good}, nil},
		{"none tolerated", 0, []replay.Recorded{good}, &replay.ExceededError{Flips: 1}},
		{"one too many", 1, []replay.Recorded{good, good}, &replay.ExceededError{Flips: 2, Max: 1}},
		{"no threshold", replay.NoThreshold, []replay.Recorded{good, good}, nil},
		{"what cannot be read counts", 1, []replay.Recorded{good, garbled}, &replay.ExceededError{Flips: 1, Unreadable: 1, Max: 1}},
		{"what is another tenant's counts", 1, []replay.Recorded{good, other}, &replay.ExceededError{Flips: 1, Foreign: 1, Max: 1}},
		{"what is purged does not", 1, []replay.Recorded{good, purged, late}, nil},
		{"nothing compared", 1, []replay.Recorded{purged, late}, replay.ErrNothingCompared},
		{"nothing at all", 5, nil, replay.ErrNothingCompared},
		{"nothing, no threshold", replay.NoThreshold, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := anything(t)
			o.MaxFlips = test.max
			report, err := replay.Replay(t.Context(), each(test.records...), denies, o)
			var exceeded *replay.ExceededError
			switch {
			case errors.As(test.want, &exceeded):
				if got, ok := errors.AsType[*replay.ExceededError](err); !ok || *got != *exceeded {
					t.Errorf("error %v, want %v", err, test.want)
				}
			case !errors.Is(err, test.want):
				t.Errorf("error %v, want %v", err, test.want)
			}
			if !report.Complete || report.Read != len(test.records) {
				t.Errorf("%+v", report)
			}
			if report.Read != report.Compared+report.Purged+report.Unanswered+report.Unreadable+report.Foreign {
				t.Errorf("records are lost: %+v", report)
			}
		})
	}
	if _, err := replay.Replay(t.Context(), each(good), nil, anything(t)); err == nil {
		t.Error("no draft passed")
	}
}

func TestTenantIsTheOneNamed(t *testing.T) {
	good := record(t, patient(t), set(t, source("notes", grantsAll)), "dec_1", alice())
	o := anything(t)
	o.Tenant = "ten_9"
	report, err := replay.Replay(t.Context(), each(good), set(t, source("notes", grantsAll)), o)
	if err != nil || report.Foreign != 1 || report.Compared != 0 {
		t.Errorf("%v: %+v", err, report)
	}
}

func TestImplies(t *testing.T) {
	in := alice()
	in.Implies = map[string][]string{"notes:write": {"notes:read"}}
	s := set(t, source("notes", `decision := {"allow": true, "scopes": ["notes:write"]}`))
	r := record(t, patient(t), s, "dec_1", in)
	o := anything(t)
	o.Implies = func(resource string) (map[string][]string, bool) { return in.Implies, resource == "notes" }
	if report, err := replay.Replay(t.Context(), each(r), s, o); err != nil || report.Same != 1 || report.ImpliesUnknown != 0 {
		t.Errorf("%v: %+v", err, report)
	}
	o.Implies = nil
	if report, err := replay.Replay(t.Context(), each(r), s, o); err != nil || report.Changes[replay.ScopesLost] != 1 || report.ImpliesUnknown != 1 {
		t.Errorf("%v: %+v", err, report)
	}
}

func TestProgress(t *testing.T) {
	a, records := history(t, 300)
	var mu sync.Mutex
	var seen []int
	o := anything(t)
	o.Progress = func(p replay.Progress) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, p.Read)
	}
	if _, err := replay.Replay(t.Context(), each(records...), a, o); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(seen) || len(seen) < 3 || seen[len(seen)-1] != 300 {
		t.Errorf("progress %v", seen)
	}
}

func TestCancelled(t *testing.T) {
	a, records := history(t, 200)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	endless := func(yield func(replay.Recorded, error) bool) {
		for i := 0; yield(records[i%len(records)], nil); i++ {
			if i == 1000 {
				cancel(enough)
			}
		}
	}
	report, err := replay.Replay(ctx, endless, a, anything(t))
	if !errors.Is(err, enough) || report.Complete || report.Flips != 0 || report.Same != report.Compared {
		t.Errorf("%v: %+v", err, report)
	}
}

// What the source cannot read is counted; what breaks the source ends the replay, with the report of what came before.
func TestSourceFails(t *testing.T) {
	a, records := history(t, 3)
	broken := errors.New("the disk is gone")
	var failing iter.Seq2[replay.Recorded, error] = func(yield func(replay.Recorded, error) bool) {
		_ = yield(records[0], nil) &&
			yield(replay.Recorded{}, &replay.UnreadableError{Place: "line 2", Err: errors.New("no JSON")}) &&
			yield(records[1], nil) &&
			yield(replay.Recorded{}, broken) &&
			yield(records[2], nil)
	}
	report, err := replay.Replay(t.Context(), failing, a, anything(t))
	if !errors.Is(err, broken) || report.Complete || report.Compared != 2 || report.Unreadable != 1 || report.Problems[0].Error != "line 2: no JSON" {
		t.Errorf("%v: %+v", err, report)
	}
}
