package audit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// shelf is where checkpoints rest, with a clock that a test sets.
type shelf struct {
	log *log
	now time.Time
	tip audit.Head
}

func (s *shelf) Beat(context.Context, string) (time.Time, *audit.SignedCheckpoint, []audit.Head, error) {
	newest := s.log.checkpoints[len(s.log.checkpoints)-1]
	return s.now, &newest, []audit.Head{s.tip}, nil
}

func (s *shelf) Seal(context.Context, string) error {
	s.tip.Sealed = true
	return nil
}

func (s *shelf) Add(_ context.Context, c audit.SignedCheckpoint, _ []string) (bool, error) {
	s.log.checkpoints = append(s.log.checkpoints, c)
	return true, nil
}

// A database's clock may step back: another server takes over, or the time is corrected. What was
// written before and what is written then must still verify, and checkpoints must not wait.
func TestCheckpointsWhenTheClockStepsBack(t *testing.T) {
	for name, write := range map[string]func(*audit.Checkpointer) error{
		"at a beat":     func(c *audit.Checkpointer) error { return c.Beat(t.Context(), "wri_b") },
		"at a shutdown": func(c *audit.Checkpointer) error { return c.Finish(t.Context(), "wri_b") },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			newest := l.checkpoints[len(l.checkpoints)-1]
			last := l.events[len(l.events)-1]
			s := &shelf{log: l, now: newest.At.Add(-time.Hour), tip: audit.Head{Writer: last.Writer, Seq: last.Seq, Link: last.Link}}
			c, err := audit.NewCheckpointer(s, l.signer, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := write(c); err != nil {
				t.Fatal(err)
			}
			if len(l.checkpoints) != 3 {
				t.Fatalf("%d checkpoints: none is written before the clock has caught up", len(l.checkpoints))
			}
			report, err := audit.Verify(strings.NewReader(export(t, l, acme)), audit.Expect{Keys: l.keys})
			if err != nil || report.Unproven != 0 {
				t.Fatalf("%d events are not proved: %v", report.Unproven, err)
			}
		})
	}
}
