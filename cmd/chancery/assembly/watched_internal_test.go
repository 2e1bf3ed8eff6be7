package assembly

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// beats answers a beat as a test wants it.
type beats struct {
	audit.Checkpoints
	newest *audit.SignedCheckpoint
	heads  []audit.Head
	err    error
	first  bool
}

func (b *beats) Beat(context.Context, string) (time.Time, *audit.SignedCheckpoint, []audit.Head, error) {
	return time.Time{}, b.newest, b.heads, b.err
}

func (b *beats) Add(context.Context, audit.SignedCheckpoint, []string) (bool, error) {
	return b.first, b.err
}

// TestAuditLag: what was written is behind until a checkpoint that came after it names it, whoever wrote that.
func TestAuditLag(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	lag := &auditLag{now: func() time.Time { return now }}
	b := &beats{first: true}
	w := watchedCheckpoints{b, lag}
	ctx := t.Context()
	want := func(what string, seconds int) {
		t.Helper()
		if got := lag.lag(); got != time.Duration(seconds)*time.Second {
			t.Errorf("%s: %s, want %d s", what, got, seconds)
		}
	}
	want("nothing was written", 0)
	lag.wrote(now)
	now = now.Add(5 * time.Second)
	want("it waits", 5)
	_, _, _, _ = w.Beat(ctx, "w")
	lag.wrote(now) // after the heads were read: the checkpoint that follows does not name it
	_, _ = w.Add(ctx, audit.SignedCheckpoint{}, nil)
	now = now.Add(3 * time.Second)
	want("the later one waits", 3)

	b.err = errors.New("the database is gone")
	_, _, _, _ = w.Beat(ctx, "w")
	_, _ = w.Add(ctx, audit.SignedCheckpoint{}, nil)
	now = now.Add(4 * time.Second)
	want("nothing was proved", 7)
	b.err, b.first = nil, false
	_, _, _, _ = w.Beat(ctx, "w")
	_, _ = w.Add(ctx, audit.SignedCheckpoint{}, nil)
	want("another replica took the number", 7)

	link := audit.Digest{1}
	b.heads = []audit.Head{{Writer: "w", Seq: 2, Link: link}}
	for seq, left := range map[int64]int{1: 7, 2: 0} {
		b.newest = &audit.SignedCheckpoint{Body: audit.Checkpoint{Number: 1, At: now, Heads: []audit.Head{{Writer: "w", Seq: seq, Link: link}}}.Canonical()}
		if got := proves(b.newest, b.heads, "w"); got != (left == 0) {
			t.Errorf("a checkpoint of %d proves 2: %v", seq, got)
		}
	}
	b.newest = &audit.SignedCheckpoint{Body: audit.Checkpoint{Number: 1, At: now, Heads: []audit.Head{{Writer: "w", Seq: 2, Link: link}}}.Canonical()}
	_, _, _, _ = w.Beat(ctx, "w")
	want("another replica's checkpoint names it", 0)
	if proves(&audit.SignedCheckpoint{Body: []byte("x")}, b.heads, "w") || proves(b.newest, nil, "w") {
		t.Error("nothing proves something")
	}
}
