package decision

import (
	"context"
	"io"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy/matrix"
)

// Purger removes decisions, and records that it was done.
type Purger interface {
	Purge(ctx context.Context, t tenant.UID, before time.Time, user string, e audit.Event) (int64, error)
}

// Desk answers administrators.
type Desk struct {
	Log     Log
	Purger  Purger
	Court   Court
	Replays *Replays
	Access  Access
	Turns   *Turns // of matrices
	Now     func() time.Time
}

// List returns a page, the newest first.
func (d Desk) List(ctx context.Context, t tenant.UID, f Filter, cursor string, limit int) ([]Line, string, error) {
	found, next, err := d.Log.Page(ctx, t, f, cursor, limit)
	lines := make([]Line, 0, len(found))
	for _, one := range found {
		lines = append(lines, LineOf(one))
	}
	return lines, next, err
}

// Get returns one decision.
func (d Desk) Get(ctx context.Context, t tenant.UID, decision string) (Line, error) {
	found, err := d.Log.Find(ctx, t, decision)
	return LineOf(found), err
}

// Export writes JSON lines.
func (d Desk) Export(ctx context.Context, w io.Writer, t tenant.UID, f Filter) error {
	return Export(ctx, w, d.Log, t, f)
}

// Purge removes decisions that were made before a time, of one user or of everybody.
func (d Desk) Purge(ctx context.Context, t tenant.UID, before time.Time, user, trace string, by audit.Principal) (int64, error) {
	now := d.Now()
	detail := map[string]string{"before": before.UTC().Format(time.RFC3339)}
	if user != "" {
		detail["user"] = user
	}
	return d.Purger.Purge(ctx, t, before, user, audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Trace: trace, Type: audit.TypeDecisionsPurged, Outcome: audit.Changed, Principal: by, Detail: detail,
	})
}

// TestCase makes a test of a decision.
func (d Desk) TestCase(ctx context.Context, t tenant.UID, decision, policy string) (Case, error) {
	found, err := d.Log.Find(ctx, t, decision)
	if err != nil {
		return Case{}, err
	}
	return d.Court.TestCase(ctx, t, found, policy)
}

// StartReplay begins a replay.
func (d Desk) StartReplay(ctx context.Context, t tenant.UID, name string, a Asked) (Job, error) {
	return d.Replays.Start(ctx, t, name, a)
}

// Replay is how one stands.
func (d Desk) Replay(ctx context.Context, t tenant.UID, job string) (Job, error) {
	return d.Replays.Job(ctx, t, job)
}

// StopReplay ends one.
func (d Desk) StopReplay(ctx context.Context, t tenant.UID, job string) error {
	return d.Replays.Stop(ctx, t, job)
}

// Matrix is who gets what.
func (d Desk) Matrix(ctx context.Context, t tenant.UID, name string, w Wanted) (matrix.Matrix, error) {
	leave, err := d.Turns.take(t)
	if err != nil {
		return matrix.Matrix{}, err
	}
	defer leave()
	return d.Access.Compute(ctx, t, name, w)
}

// MatrixDiff is what a draft would change.
func (d Desk) MatrixDiff(ctx context.Context, t tenant.UID, name string, w Wanted) (matrix.Difference, error) {
	leave, err := d.Turns.take(t)
	if err != nil {
		return matrix.Difference{}, err
	}
	defer leave()
	before, after, err := d.Access.Draft(ctx, t, name, w)
	return matrix.Diff(before, after), err
}

// KeptMatrix is what was kept of a revision.
func (d Desk) KeptMatrix(ctx context.Context, t tenant.UID, policyUID string, revision int64) (matrix.Matrix, error) {
	return d.Access.Kept(ctx, t, policyUID, revision)
}
