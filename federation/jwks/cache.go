package jwks

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// How long keys are used, and how often they are asked for.
const (
	DefaultMaxAge = 10 * time.Minute // between refreshes, where the issuer says nothing
	MinMaxAge     = time.Minute      // bounds of what the issuer may say by Cache-Control
	MaxMaxAge     = time.Hour
	MaxStale      = 24 * time.Hour   // last good keys are used that long while the issuer fails
	RefetchAfter  = 30 * time.Second // between attempts for one issuer, from the last one

	maxEntries     = 1 << 16
	attemptTimeout = 10 * time.Second // discovery at two places, then the keys
	idleResolution = time.Minute
)

// Why a Cache has no keys to give.
var (
	// ErrUnavailable: the issuer's keys cannot be had and none are known. The
	// request may be tried again later.
	ErrUnavailable = errors.New("issuer's keys are unavailable")
	// ErrUnknownKey: keys are known, none has the kid that was asked for.
	ErrUnknownKey = errors.New("issuer has no such key")
	// ErrExpired: inline keys past their NotAfter.
	ErrExpired = errors.New("issuer's keys have expired")
)

// Getter fetches one document; *fetch.Client does.
type Getter interface {
	Get(ctx context.Context, rawURL string, n fetch.Network, limit fetch.Limit) (fetch.Response, error)
}

// Cache keeps the key sets of issuers. An entry belongs to an owner (a tenant's
// uid) and an issuer, and is shared by nobody else.
type Cache struct {
	get     Getter
	now     func() time.Time
	observe func(Event)
	waiting func(context.Context) func(error)
	limit   int

	life    context.Context // ends fetches that no request waits for
	end     context.CancelFunc
	flights sync.WaitGroup

	mu      sync.RWMutex
	entries map[entryKey]*entry
}

type entryKey struct{ owner, issuer string }

// Option changes a Cache.
type Option func(*Cache)

// WithObserver is told of each attempt to fetch keys, from the fetch's own
// goroutine.
func WithObserver(observe func(Event)) Option { return func(c *Cache) { c.observe = observe } }

// WithWaiting is told when a request begins to wait for a fetch; what it returns is
// called when the wait ends. Requests that are served from memory are not told of.
func WithWaiting(begin func(context.Context) (end func(error))) Option {
	return func(c *Cache) { c.waiting = begin }
}

// WithEntries bounds the number of entries; the one unused for longest goes.
func WithEntries(limit int) Option { return func(c *Cache) { c.limit = limit } }

// NewCache makes a Cache. Close ends its fetches.
func NewCache(get Getter, now func() time.Time, options ...Option) *Cache {
	life, end := context.WithCancel(context.Background())
	c := &Cache{
		get: get, now: now, observe: func(Event) {}, limit: maxEntries,
		waiting: func(context.Context) func(error) { return func(error) {} },
		life:    life, end: end, entries: map[entryKey]*entry{},
	}
	for _, option := range options {
		option(c)
	}
	return c
}

// Close ends fetches under way and waits for them. Keys that are known stay
// usable.
func (c *Cache) Close() {
	c.end()
	c.flights.Wait()
}

// Keys returns an issuer's keys, to be read only. With wantKID, the set has a
// key of that ID, or the error is ErrUnknownKey; without, all usable keys.
//
// It fetches when nothing is known, when an unknown kid is asked for, and (the
// caller does not wait) when what is known has aged; never more often than
// every RefetchAfter for one owner and issuer, whatever is asked.
func (c *Cache) Keys(ctx context.Context, owner string, src Source, wantKID string) ([]Key, error) {
	now := c.now()
	e := c.entry(entryKey{owner, src.Issuer}, now)
	e.touch(now)
	if set := e.current.Load(); set != nil && set.serves(src, now, wantKID) {
		return set.keys, nil
	}
	if len(src.Inline) > 0 {
		return e.inline(src, now, wantKID)
	}
	return e.remote(ctx, c, src, now, wantKID)
}

// Renew is for a caller whose token did not verify with tried, the keys that
// Keys gave it: the issuer may have changed a key and kept its kid, or sign
// without one. It fetches as Keys does for an unknown kid, and returns other
// keys with true, or the same with false.
func (c *Cache) Renew(ctx context.Context, owner string, src Source, tried []Key) ([]Key, bool, error) {
	if len(src.Inline) > 0 { // what is configured does not renew itself
		return tried, false, nil
	}
	now := c.now()
	return c.entry(entryKey{owner, src.Issuer}, now).renew(ctx, c, src, now, tried)
}

// Forget drops what is known of an issuer.
func (c *Cache) Forget(owner, issuer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, entryKey{owner, issuer})
}

func (c *Cache) entry(key entryKey, now time.Time) *entry {
	c.mu.RLock()
	e := c.entries[key]
	c.mu.RUnlock()
	if e != nil {
		return e
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e = c.entries[key]; e != nil {
		return e
	}
	if len(c.entries) >= c.limit {
		c.evict()
	}
	e = &entry{key: key}
	e.touch(now)
	c.entries[key] = e
	return e
}

// evict drops the entry that was unused for longest.
func (c *Cache) evict() {
	var oldest entryKey
	least := int64(math.MaxInt64)
	for key, e := range c.entries {
		if used := e.used.Load(); used < least {
			oldest, least = key, used
		}
	}
	delete(c.entries, oldest)
}
