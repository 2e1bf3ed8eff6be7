package jwks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
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
	limit   int

	life    context.Context //nolint:containedctx // ends fetches that no request waits for
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

// WithEntries bounds the number of entries; the one unused for longest goes.
func WithEntries(limit int) Option { return func(c *Cache) { c.limit = limit } }

// NewCache makes a Cache. Close ends its fetches.
func NewCache(get Getter, now func() time.Time, options ...Option) *Cache {
	life, end := context.WithCancel(context.Background())
	c := &Cache{
		get: get, now: now, observe: func(Event) {}, limit: maxEntries,
		life: life, end: end, entries: map[entryKey]*entry{},
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

// keySet is what one document gave. It never changes.
type keySet struct {
	source Source
	keys   []Key
	ids    map[string]struct{}
	loaded time.Time
	fresh  time.Time // until then nobody asks again
	until  time.Time // until then it may be used
}

func newKeySet(src Source, keys Set, loaded time.Time, maxAge, maxStale time.Duration) *keySet {
	ids := make(map[string]struct{}, len(keys))
	for _, key := range keys {
		if key.ID != "" {
			ids[key.ID] = struct{}{}
		}
	}
	return &keySet{source: src, keys: keys, ids: ids, loaded: loaded, fresh: loaded.Add(maxAge), until: loaded.Add(maxStale)}
}

// serves: the hot path. Nothing is allocated or locked.
func (s *keySet) serves(src Source, now time.Time, kid string) bool {
	return now.Before(s.fresh) && !now.Before(s.loaded) && s.has(kid) && s.source.equal(src)
}

func (s *keySet) has(kid string) bool {
	if kid == "" {
		return true
	}
	_, found := s.ids[kid]
	return found
}

// entry is one issuer's keys and the attempts to get them.
type entry struct {
	key     entryKey
	current atomic.Pointer[keySet]
	used    atomic.Int64 // unix seconds, in steps of idleResolution

	mu         sync.Mutex
	source     Source
	attempted  time.Time // start of the last attempt; zero when there was none
	failure    error     // of the last attempt, nil when it succeeded
	flight     *flight   // under way, or nil
	location   string    // jwks_uri that discovery gave when it last led to keys
	rediscover bool      // location failed: ask the metadata again
}

// flight is one attempt that several requests may wait for.
type flight struct {
	source Source
	done   chan struct{}
}

func (e *entry) touch(now time.Time) {
	seconds := now.Unix()
	if used := e.used.Load(); seconds-used >= int64(idleResolution/time.Second) || seconds < used {
		e.used.Store(seconds)
	}
}

// inline serves keys of the configuration. There is no fetch on this path.
func (e *entry) inline(src Source, now time.Time, kid string) ([]Key, error) {
	if !src.NotAfter.IsZero() && now.After(src.NotAfter) {
		return nil, fmt.Errorf("%w: not_after is %s", ErrExpired, src.NotAfter.UTC().Format(time.RFC3339))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.adopt(src)
	set := e.current.Load()
	if set == nil {
		keys, _, err := Parse(src.Inline)
		if err != nil {
			return nil, fmt.Errorf("%w: inline keys: %w", ErrUnavailable, err)
		}
		// Fresh up to NotAfter: a check of the clock on the hot path refuses
		// them when they end.
		forever := time.Duration(math.MaxInt64)
		set = newKeySet(src, keys, time.Time{}, 0, forever)
		set.fresh = now.Add(MaxMaxAge)
		if !src.NotAfter.IsZero() {
			set.fresh = earlier(set.fresh, src.NotAfter)
		}
		e.current.Store(set)
	}
	if !set.has(kid) {
		return nil, fmt.Errorf("%w: kid %q", ErrUnknownKey, kid)
	}
	return set.keys, nil
}

// adopt starts afresh when the source changed.
func (e *entry) adopt(src Source) {
	if e.source.equal(src) {
		return
	}
	e.source = src
	e.current.Store(nil)
	e.attempted, e.failure = time.Time{}, nil
	e.flight, e.location, e.rediscover = nil, "", false
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
