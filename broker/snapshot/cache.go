package snapshot

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// unknownEntries bounds what is remembered as not there, so that guesses do not
// push out what is.
const unknownEntries = 8192

// cache is read through. What is loaded when something of its tenant is dropped
// is given to those who asked before the drop, and to nobody after it.
type cache[V any] struct {
	now func() time.Time

	mu         sync.Mutex
	known      *simplelru.LRU[cacheKey, cached[V]]
	unknown    *simplelru.LRU[cacheKey, time.Time] // until when
	holding    map[holder]map[cacheKey]struct{}
	generation map[tenant.UID]uint64
	flights    map[flight]*loading[V]
}

type cacheKey struct {
	tenant       tenant.UID
	space, value string
}

// cached is a value and the objects that it was made of.
type cached[V any] struct {
	value V
	uids  []string
}

type holder struct {
	tenant tenant.UID
	uid    string
}

// flight is one load in one generation of its tenant.
type flight struct {
	cacheKey
	generation uint64
}

type loading[V any] struct {
	done  chan struct{}
	found cached[V]
	err   error
}

func newCache[V any](size int, now func() time.Time) (*cache[V], error) {
	if size <= 0 {
		size = defaultEntries
	}
	c := &cache[V]{
		now: now, holding: map[holder]map[cacheKey]struct{}{}, generation: map[tenant.UID]uint64{}, flights: map[flight]*loading[V]{},
	}
	var err error
	if c.known, err = simplelru.NewLRU(size, c.evicted); err != nil {
		return nil, err
	}
	c.unknown, err = simplelru.NewLRU[cacheKey, time.Time](unknownEntries, nil)
	return c, err
}

// get returns a value, and whether there is one. load names the objects that the
// value is made of; none means that there is no value.
func (c *cache[V]) get(ctx context.Context, k cacheKey, load func(context.Context) (V, []string, error)) (value V, ok bool, err error) {
	c.mu.Lock()
	if found, ok := c.known.Get(k); ok {
		c.mu.Unlock()
		return found.value, true, nil
	}
	if until, ok := c.unknown.Get(k); ok && c.now().Before(until) {
		c.mu.Unlock()
		return value, false, nil
	}
	f := flight{k, c.generation[k.tenant]}
	l, under := c.flights[f]
	if !under {
		l = &loading[V]{done: make(chan struct{})}
		c.flights[f] = l
	}
	c.mu.Unlock()
	if !under {
		go c.load(context.WithoutCancel(ctx), f, l, load)
	}
	select {
	case <-l.done:
		return l.found.value, len(l.found.uids) > 0, l.err
	case <-ctx.Done():
		return value, false, ctx.Err()
	}
}

// load ends a flight. The store bounds its time.
func (c *cache[V]) load(ctx context.Context, f flight, l *loading[V], load func(context.Context) (V, []string, error)) {
	l.found.value, l.found.uids, l.err = load(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, f)
	if l.err == nil && c.generation[f.tenant] == f.generation {
		c.keep(f.cacheKey, l.found)
	}
	close(l.done)
}

func (c *cache[V]) keep(k cacheKey, found cached[V]) {
	if len(found.uids) == 0 {
		c.unknown.Add(k, c.now().Add(UnknownFor))
		return
	}
	c.unknown.Remove(k)
	c.known.Add(k, found)
	for _, uid := range found.uids {
		h := holder{k.tenant, uid}
		if c.holding[h] == nil {
			c.holding[h] = map[cacheKey]struct{}{}
		}
		c.holding[h][k] = struct{}{}
	}
}

// evicted is called, with the lock held, for each value that goes.
func (c *cache[V]) evicted(k cacheKey, gone cached[V]) {
	for _, uid := range gone.uids {
		h := holder{k.tenant, uid}
		delete(c.holding[h], k)
		if len(c.holding[h]) == 0 {
			delete(c.holding, h)
		}
	}
}

// drop forgets everything that was made of the objects, and what was not there.
func (c *cache[V]) drop(t tenant.UID, uids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin(t)
	for _, uid := range uids {
		for k := range c.holding[holder{t, uid}] {
			c.known.Remove(k) // and with it, by evicted, the place that is being walked: Go allows that
		}
	}
}

// dropAll forgets everything of a tenant.
func (c *cache[V]) dropAll(t tenant.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin(t)
	for _, k := range c.known.Keys() {
		if k.tenant == t {
			c.known.Remove(k)
		}
	}
}

// begin starts a new generation of a tenant, with the lock held.
func (c *cache[V]) begin(t tenant.UID) {
	c.generation[t]++
	for _, k := range c.unknown.Keys() {
		if k.tenant == t {
			c.unknown.Remove(k)
		}
	}
}
