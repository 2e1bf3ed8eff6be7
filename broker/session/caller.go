package session

import (
	"context"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
)

// Caller is the request in whose course something happens, for what is recorded of it.
type Caller struct {
	Trace  string
	Remote string // network address
}

type callerKey struct{}

// WithCaller tells those below who calls.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is who calls. A trace that nobody gave is made, so that nothing is recorded without one.
func CallerOf(ctx context.Context, now time.Time) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	if c.Trace == "" {
		c.Trace = id.New(id.Trace, now)
	}
	return c
}

// event is what every record of a session has in common.
func (k *Keeper) event(ctx context.Context, kind audit.Type, s Session, outcome audit.Outcome) audit.Event {
	now := k.Now()
	c := CallerOf(ctx, now)
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: s.Tenant, Trace: c.Trace, Remote: c.Remote, Type: kind, Outcome: outcome,
		Principal: audit.Principal{Kind: "user", ID: s.UserUID}, OnBehalf: s.UserUID, Detail: map[string]string{"session": s.ID},
	}
}
