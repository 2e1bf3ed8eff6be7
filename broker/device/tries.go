package device

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// How often somebody may be wrong about a code before he has to wait. With 34 bits and even the most requests that may wait,
// ten tries find one with a chance of one in a quarter of a million; a session takes a sign-in to get.
const (
	triesOfSession = 10
	triesOfAddress = 30
	triesWithin    = 10 * time.Minute
	triesKept      = 50000
)

// tries counts what was wrong, for each key that was seen lately, in one process. It is safe for concurrent use.
type tries[K comparable] struct {
	most int
	now  func() time.Time

	mu   sync.Mutex
	seen *simplelru.LRU[K, tried]
}

type tried struct {
	count int
	since time.Time
}

func newTries[K comparable](most int, now func() time.Time) (*tries[K], error) {
	seen, err := simplelru.NewLRU[K, tried](triesKept, nil)
	if err != nil {
		return nil, err
	}
	return &tries[K]{most: most, now: now, seen: seen}, nil
}

// take counts a try before it is made, so that many at once are as many. wait says how long there will be none.
func (s *tries[K]) take(key K) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	one, known := s.seen.Get(key)
	if !known || now.Sub(one.since) >= triesWithin {
		one = tried{since: now}
	}
	if one.count >= s.most {
		return one.since.Add(triesWithin).Sub(now), false
	}
	one.count++
	s.seen.Add(key, one)
	return 0, true
}

// giveBack is for a try that was right.
func (s *tries[K]) giveBack(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, known := s.seen.Get(key); known && one.count > 0 {
		one.count--
		s.seen.Add(key, one)
	}
}
