package jwks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
)

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
	if e.land(f, r, err, began) {
		c.observe(Event{
			Owner: e.key.owner, Issuer: e.key.issuer, Took: c.now().Sub(began),
			Keys: len(r.keys), Warnings: r.warnings, Err: err,
		})
	}
}

// land takes an attempt's result over, unless the issuer was reconfigured
// meanwhile: then it answers another question.
func (e *entry) land(f *flight, r result, err error, began time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flight != f {
		return false
	}
	e.flight, e.failure = nil, err
	if err != nil {
		e.rediscover = true
		return true
	}
	// What the issuer publishes now is the truth, whole: a key that is not in it
	// any more is gone, and a kid means its newest key. Its age counts from the
	// question, not from the answer.
	e.location, e.rediscover = r.location, false
	e.current.Store(newKeySet(f.source, r.keys, began, r.maxAge))
	return true
}

// attempt asks the metadata, where that is needed, and then for the keys.
func (c *Cache) attempt(ctx context.Context, src Source, location string, discover bool) (r result, err error) {
	// It runs in a goroutine of its own on what strangers wrote: a defect in
	// reading it must cost this issuer its keys, not the process.
	defer func() {
		if v := recover(); v != nil {
			r, err = result{}, fmt.Errorf("%w: reading it failed", ErrMalformed)
		}
	}()
	r.location = src.URI
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
	r.keys, r.warnings, err = src.Parse(response.Body)
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
	var failure error
	for _, place := range places {
		response, err := c.get.Get(ctx, place, src.Network, fetch.Limit{Bytes: maxMetadata, ContentTypes: fetch.JSON()})
		if errors.Is(err, fetch.ErrStatus) || errors.Is(err, fetch.ErrType) { // not a document
			failure = cmp.Or(failure, err)
			continue
		}
		if err != nil {
			return "", err
		}
		return readMetadata(response.Body, src.Issuer)
	}
	return "", failure
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
