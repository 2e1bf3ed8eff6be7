package limit

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Limiter holds a bucket for each key that was seen lately. It is safe for
// concurrent use.
type Limiter[K comparable] struct {
	rate    Rate
	now     func() time.Time
	refused atomic.Uint64

	mu      sync.Mutex
	buckets *simplelru.LRU[K, *rate.Limiter]
}

// New makes a Limiter that remembers at most size keys; beyond that the one that
// asked longest ago is forgotten, which gives it a full bucket again.
func New[K comparable](r Rate, size int, now func() time.Time) (*Limiter[K], error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if now == nil {
		return nil, errors.New("a limiter needs a clock")
	}
	buckets, err := simplelru.NewLRU[K, *rate.Limiter](size, nil)
	if err != nil {
		return nil, err
	}
	return &Limiter[K]{rate: r, now: now, buckets: buckets}, nil
}

// Take takes one request out of the key's bucket. If there is none in it, nothing
// is taken and wait says when there will be one: who is turned away does not dig
// himself deeper in.
func (l *Limiter[K]) Take(key K) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now() // under the lock, so that a bucket never sees time go back
	bucket, known := l.buckets.Get(key)
	if !known {
		perSecond := float64(l.rate.Count) / l.rate.Per.Seconds()
		bucket = rate.NewLimiter(rate.Limit(perSecond), l.rate.Burst)
		l.buckets.Add(key, bucket)
	}
	place := bucket.ReserveN(now, 1)
	if wait = place.DelayFrom(now); wait <= 0 {
		return 0, true
	}
	place.CancelAt(now)
	l.refused.Add(1)
	return wait, false
}

// Refused counts what was turned away since the start.
func (l *Limiter[K]) Refused() uint64 { return l.refused.Load() }

// Len is how many keys are remembered.
func (l *Limiter[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buckets.Len()
}
