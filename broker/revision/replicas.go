package revision

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// Bounds of what replicas tell.
const (
	BeatEvery = 5 * time.Second
	// AliveFor is how long a replica counts that does not beat.
	AliveFor   = 30 * time.Second
	maxReports = 200 // in one beat; the rest follows in the next
)

// Running is what a replica has in force of one tenant.
type Running struct {
	Replica  string
	Version  int64 // of the tenant, when this was told
	Policies []policy.Ref
	At       time.Time // when it took them in force
	SeenAt   time.Time // when the replica was last heard of
}

// Reports keeps what replicas tell.
type Reports interface {
	// Beat says that a replica is there, and forgets those that have not been for a day.
	Beat(ctx context.Context, replica string, started, now time.Time) error
	// Report replaces what a replica had told of a tenant.
	Report(ctx context.Context, t tenant.UID, r Running) error
	// Running lists the replicas seen since a time that have told of the tenant.
	Running(ctx context.Context, t tenant.UID, since time.Time) ([]Running, error)
	// Leave forgets a replica that ends.
	Leave(ctx context.Context, replica string) error
}

// Reporter tells what this replica has in force. Only what has changed is told again. Every part is required.
type Reporter struct {
	Replica  string
	Reports  Reports
	Pictures func() []*snapshot.Tenant
	Now      func() time.Time
	Log      *slog.Logger
}

// Run tells until ctx ends, at each tick.
func (r *Reporter) Run(ctx context.Context, ticks <-chan time.Time) {
	started := r.Now()
	told := map[tenant.UID][]policy.Ref{}
	for {
		if err := r.tell(ctx, started, told); err != nil && ctx.Err() == nil {
			r.Log.Warn("what this replica runs could not be told", "error", err)
		}
		select {
		case <-ctx.Done():
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = r.Reports.Leave(within, r.Replica) // else it is forgotten when it has not beaten
			cancel()
			return
		case <-ticks:
		}
	}
}

func (r *Reporter) tell(ctx context.Context, started time.Time, told map[tenant.UID][]policy.Ref) error {
	now := r.Now()
	if err := r.Reports.Beat(ctx, r.Replica, started, now); err != nil {
		return err
	}
	reports := 0
	for _, t := range r.Pictures() {
		own := t.Own()
		if before, known := told[t.UID]; known && slices.Equal(before, own) {
			continue
		}
		if reports++; reports > maxReports {
			return nil
		}
		if err := r.Reports.Report(ctx, t.UID, Running{Replica: r.Replica, Version: t.Version, Policies: own, At: now, SeenAt: now}); err != nil {
			return errors.Join(err, ctx.Err())
		}
		told[t.UID] = own
	}
	return nil
}
