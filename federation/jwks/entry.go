package jwks

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// keySet is what one document gave. It never changes.
type keySet struct {
	source Source
	keys   []Key
	ids    map[string]struct{}
	loaded time.Time
	fresh  time.Time // until then nobody asks again
	until  time.Time // until then it may be used
}

func newKeySet(src Source, keys Set, loaded time.Time, maxAge time.Duration) *keySet {
	ids := make(map[string]struct{}, len(keys))
	for _, key := range keys {
		if key.ID != "" {
			ids[key.ID] = struct{}{}
		}
	}
	return &keySet{source: src, keys: keys, ids: ids, loaded: loaded, fresh: loaded.Add(maxAge), until: loaded.Add(MaxStale)}
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

// is tells whether keys are this set's own.
func (s *keySet) is(keys []Key) bool {
	return len(keys) > 0 && &keys[0] == &s.keys[0]
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
		keys, _, err := src.Parse(src.Inline)
		if err != nil {
			return nil, fmt.Errorf("%w: inline keys: %w", ErrUnavailable, err)
		}
		// Fresh up to NotAfter, so that the hot path stops serving them then.
		set = newKeySet(src, keys, time.Time{}, 0)
		set.fresh = src.NotAfter
		if src.NotAfter.IsZero() {
			set.fresh = time.Unix(math.MaxInt32*100, 0) // the year 8775
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
