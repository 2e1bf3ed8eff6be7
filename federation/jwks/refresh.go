package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Event tells of one attempt to fetch an issuer's keys.
type Event struct {
	Owner, Issuer string
	Took          time.Duration // by the injected clock
	Keys          int           // usable keys, 0 when it failed
	Warnings      []Warning     // keys that were dropped
	Err           error         // nil when it succeeded; ErrKeysMoved and ErrMetadata want a person
}

// remote serves keys that are fetched: a straight line from what is known to
// what has to be asked.
func (e *entry) remote(ctx context.Context, c *Cache, src Source, now time.Time, kid string) ([]Key, error) {
	e.mu.Lock()
	e.adopt(src)

	// 1. Known, and not too old to use: served at once, refreshed behind.
	set := e.known(now)
	if set != nil && set.has(kid) {
		if !now.Before(set.fresh) || now.Before(set.loaded) { // aged, or the clock went back
			e.start(c, now, true)
		}
		e.mu.Unlock()
		return set.keys, nil
	}

	// 2. Nothing known, or a kid that is not: one attempt per RefetchAfter,
	// which everybody waits for.
	under := e.start(c, now, set == nil)
	e.mu.Unlock()
	if err := c.wait(ctx, under); err != nil {
		return nil, err
	}

	// 3. What is known now.
	set, err := e.outcome(src, now)
	if err != nil {
		return nil, err
	}
	if !set.has(kid) {
		return nil, fmt.Errorf("%w: kid %q", ErrUnknownKey, kid)
	}
	return set.keys, nil
}

// renew is remote for keys that were tried in vain.
func (e *entry) renew(ctx context.Context, c *Cache, src Source, now time.Time, tried []Key) ([]Key, bool, error) {
	e.mu.Lock()
	e.adopt(src)
	set := e.known(now)
	if set != nil && !set.is(tried) { // somebody else has renewed them already
		e.mu.Unlock()
		return set.keys, true, nil
	}
	under := e.start(c, now, set == nil)
	e.mu.Unlock()
	if err := c.wait(ctx, under); err != nil {
		return nil, false, err
	}
	set, err := e.outcome(src, now)
	if err != nil {
		return nil, false, err
	}
	return set.keys, !set.is(tried), nil
}

// wait tells who watches that a request waits.
func (c *Cache) wait(ctx context.Context, f *flight) error {
	if f == nil {
		return nil
	}
	end := c.waiting(ctx)
	err := f.wait(ctx)
	end(err)
	return err
}

// wait returns at once when there is no attempt to wait for.
func (f *flight) wait(ctx context.Context) error {
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// outcome returns what is known after an attempt.
func (e *entry) outcome(src Source, now time.Time) (*keySet, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.source.equal(src) {
		return nil, fmt.Errorf("%w: the issuer was reconfigured", ErrUnavailable)
	}
	set := e.known(now)
	if set == nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, e.lastFailure())
	}
	return set, nil
}

// known returns the last good keys while they may be used.
func (e *entry) known(now time.Time) *keySet {
	set := e.current.Load()
	if set == nil || !now.Before(set.until) {
		return nil
	}
	return set
}

var errNotTried = errors.New("no attempt has ended yet")

func (e *entry) lastFailure() error {
	if e.failure == nil {
		return errNotTried
	}
	return e.failure
}

// start begins an attempt, joins the one under way, or returns nil when the
// last is less than RefetchAfter ago. discover asks the metadata again for
// the place of the keys.
func (e *entry) start(c *Cache, now time.Time, discover bool) *flight {
	if e.flight != nil {
		return e.flight
	}
	if since := now.Sub(e.attempted); !e.attempted.IsZero() && since >= 0 && since < RefetchAfter {
		return nil
	}
	e.attempted = now
	f := &flight{source: e.source, done: make(chan struct{})}
	e.flight = f
	location := e.location
	discover = discover || e.rediscover || location == ""
	c.flights.Go(func() { c.fly(e, f, location, discover) })
	return f
}
