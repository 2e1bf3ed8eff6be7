package decision_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// stuck decides nothing before it is told to end.
type stuck struct{ asked chan struct{} }

func (s stuck) Decide(ctx context.Context, _ *policy.Set, _ *policy.Input) policy.Decision {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return policy.Decision{Code: policy.CodeTimeout}
}

// A replay that somebody cancels, over whichever replica, ends, says so, and leaves room for the next one.
func TestCancelAReplay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		w := newWorld(t, d, 20)
		r := w.replays(t)
		plain := r.Evaluator
		s := stuck{make(chan struct{}, 1)}
		r.Evaluator = func() (policy.Evaluator, func()) { return s, func() {} }
		job, err := r.Start(t.Context(), d.Default, tenant.DefaultName, decision.Asked{MaxFlips: 0})
		if err != nil {
			t.Fatal(err)
		}
		<-s.asked
		if _, err := r.Start(t.Context(), d.Default, tenant.DefaultName, decision.Asked{}); !errors.Is(err, decision.ErrReplayBusy) {
			t.Errorf("two at a time: %v", err)
		}
		other := w.replays(t) // of another replica
		if err := other.Stop(t.Context(), d.Default, job.ID); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(20 * time.Second)
		for job.State == decision.Running && time.Now().Before(until) {
			time.Sleep(20 * time.Millisecond)
			if job, err = other.Job(t.Context(), d.Default, job.ID); err != nil {
				t.Fatal(err)
			}
		}
		if job.State != decision.Cancelled || job.Verdict == decision.Kept || job.EndedAt.IsZero() || job.Message == "" {
			t.Fatalf("%+v", job)
		}
		r.Evaluator = plain
		for {
			next, err := r.Start(t.Context(), d.Default, tenant.DefaultName, decision.Asked{MaxFlips: 0})
			if errors.Is(err, decision.ErrReplayBusy) && time.Now().Before(until) { // its room is given back right after it ended
				time.Sleep(20 * time.Millisecond)
				continue
			}
			if err != nil || next.State != decision.Running {
				t.Errorf("the next one: %+v, %v", next, err)
			}
			return
		}
	})
}
