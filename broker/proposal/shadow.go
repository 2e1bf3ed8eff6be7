package proposal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
)

// Bounds of how long a draft runs beside the live policies.
const (
	ShortestShadow = time.Minute
	LongestShadow  = 30 * 24 * time.Hour
)

// Shadow lets the policies of a proposal run beside the live ones for a time, or, with none, ends that. One that is put to a second
// person runs no longer than it waits for him.
func (d Desk) Shadow(ctx context.Context, t Tenant, id, hash string, length time.Duration, by Actor) (Proposal, error) {
	p, err := d.open(ctx, t.UID, id, hash, Draft, Proposed, Approved)
	if err != nil {
		return p, err
	}
	c, err := p.Changeset()
	if err != nil {
		return p, err
	}
	isPolicy := func(k object.Kind) bool { return k == object.KindPolicy }
	if !slices.ContainsFunc(c.Objects, func(o object.Object) bool { return isPolicy(o.Kind) }) && !slices.ContainsFunc(c.Deletes, func(b object.Base) bool { return isPolicy(b.Kind) }) {
		return p, fmt.Errorf("%w: it changes no policy", ErrState)
	}
	if length != 0 && (length < ShortestShadow || length > LongestShadow) {
		return p, fmt.Errorf("%w: a draft runs beside the live policies for %s to %s", ErrState, ShortestShadow, LongestShadow)
	}
	next := p
	next.ShadowUntil, next.UpdatedAt = time.Time{}, d.Now()
	kind := audit.TypeShadowEnded
	if length > 0 {
		kind = audit.TypeShadowStarted
		next.ShadowUntil = d.Now().Add(length)
		if next.ShadowUntil.After(p.ExpiresAt) {
			next.ShadowUntil = p.ExpiresAt
		}
	}
	return next, d.Store.Move(ctx, p.State, p.Hash, next, d.event(next, kind, by.Principal, by.Trace))
}
