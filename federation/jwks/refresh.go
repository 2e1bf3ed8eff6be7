package jwks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
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
		if !now.Before(set.fresh) {
			e.start(c, now, true)
		}
		e.mu.Unlock()
		return set.keys, nil
	}

	// 2. Nothing known, or a kid that is not: one attempt per RefetchAfter,
	// which everybody waits for.
	under := e.start(c, now, set == nil)
	e.mu.Unlock()
	if under != nil {
		select {
		case <-under.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}

	// 3. What is known now.
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.source.equal(src) {
		return nil, fmt.Errorf("%w: the issuer was reconfigured", ErrUnavailable)
	}
	set = e.known(now)
	switch {
	case set == nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, e.lastFailure())
	case !set.has(kid):
		return nil, fmt.Errorf("%w: kid %q", ErrUnknownKey, kid)
	default:
		return set.keys, nil
	}
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

// result is what an attempt brought.
type result struct {
	keys     Set
	warnings []Warning
	location string
	maxAge   time.Duration
}

func (c *Cache) fly(e *entry, f *flight, location string, discover bool) {
	defer close(f.done)
	ctx, cancel := context.WithTimeout(c.life, attemptTimeout)
	defer cancel()
	began := c.now()
	r, err := c.attempt(ctx, f.source, location, discover)
	ended := c.now()

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flight != f { // reconfigured meanwhile: this answer is to another question
		return
	}
	e.flight, e.failure = nil, err
	if err == nil {
		// What the issuer publishes now is the truth, whole: a key that is not in
		// it any more is gone, and a kid means its newest key. Its age counts from
		// the question, not from the answer.
		e.location, e.rediscover = r.location, false
		e.current.Store(newKeySet(f.source, r.keys, began, r.maxAge, MaxStale))
	} else {
		e.rediscover = true
	}
	c.observe(Event{Owner: e.key.owner, Issuer: e.key.issuer, Took: ended.Sub(began), Keys: len(r.keys), Warnings: r.warnings, Err: err})
}

// attempt asks the metadata, where that is needed, and then for the keys.
func (c *Cache) attempt(ctx context.Context, src Source, location string, discover bool) (result, error) {
	r := result{location: src.URI}
	if src.URI == "" {
		r.location = location
		if discover {
			found, err := c.discover(ctx, src)
			if err != nil {
				return result{}, err
			}
			// A jwks_uri that moves to another host may be the issuer's doing, or
			// its attacker's. A person decides, by naming the URI.
			if location != "" && !sameHost(location, found) {
				return result{}, fmt.Errorf("%w: set jwks.uri to accept it", ErrKeysMoved)
			}
			r.location = found
		}
	}
	response, err := c.get.Get(ctx, r.location, src.Network, fetch.Limit{Bytes: MaxBytes})
	if err != nil {
		return result{}, err
	}
	r.keys, r.warnings, err = Parse(response.Body)
	if err != nil {
		return result{warnings: r.warnings}, err
	}
	r.maxAge = maxAge(response.Header.Get("Cache-Control"))
	return r, nil
}

// discover returns the jwks_uri of the first metadata document that is there.
// A document that is there and wrong is not passed over for the next.
func (c *Cache) discover(ctx context.Context, src Source) (string, error) {
	places, err := metadataURLs(src.Issuer)
	if err != nil {
		return "", err
	}
	for _, place := range places {
		var response fetch.Response
		response, err = c.get.Get(ctx, place, src.Network, fetch.Limit{Bytes: maxMetadata, ContentTypes: fetch.JSON()})
		if errors.Is(err, fetch.ErrStatus) {
			continue
		}
		if err != nil {
			return "", err
		}
		return readMetadata(response.Body, src.Issuer)
	}
	return "", err
}

// maxAge reads Cache-Control (RFC 9111 §5.2.2) within our own bounds.
func maxAge(header string) time.Duration {
	age := DefaultMaxAge
	for directive := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return MinMaxAge
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 32)
			if err != nil {
				continue
			}
			age = min(max(time.Duration(seconds)*time.Second, MinMaxAge), MaxMaxAge)
		}
	}
	return age
}

// Age is how old the keys of one entry are.
type Age struct {
	Owner, Issuer string
	Loaded        time.Time // zero when nothing is known, or the keys are inline
	Keys          int
	Failing       bool // the last attempt failed
}

// Ages lists all entries, for metrics.
func (c *Cache) Ages() []Age {
	c.mu.RLock()
	defer c.mu.RUnlock()
	ages := make([]Age, 0, len(c.entries))
	for key, e := range c.entries {
		age := Age{Owner: key.owner, Issuer: key.issuer}
		if set := e.current.Load(); set != nil {
			age.Loaded, age.Keys = set.loaded, len(set.keys)
		}
		e.mu.Lock()
		age.Failing = e.failure != nil
		e.mu.Unlock()
		ages = append(ages, age)
	}
	return ages
}
