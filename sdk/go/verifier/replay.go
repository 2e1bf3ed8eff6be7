package verifier

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ReplayStore remembers the DPoP proofs that were used (RFC 9449 §11.1).
type ReplayStore interface {
	// Use tells whether key is used for the first time, and remembers it until a time.
	// Two calls at once with one key must not both be first. An error refuses the request.
	Use(ctx context.Context, key [32]byte, until time.Time) (first bool, err error)
}

// ErrReplayMemoryFull says that a [ReplayMemory] cannot remember another proof. Nothing is
// forgotten early: a proof that is forgotten could be used again.
var ErrReplayMemoryFull = errors.New("no room to remember another proof")

// defaultReplays is how many proofs a process remembers: of the last two minutes at most.
const defaultReplays = 100_000

// ReplayMemory is a [ReplayStore] in the memory of one process: behind it a second
// replica, or a restart, takes a proof once more.
type ReplayMemory struct {
	capacity int
	now      func() time.Time

	mu    sync.Mutex
	used  map[[32]byte]time.Time
	sweep time.Time // when it is worth looking for what may be forgotten
}

// NewReplayMemory makes a memory for so many proofs, about 100 bytes each.
func NewReplayMemory(capacity int, now func() time.Time) *ReplayMemory {
	return &ReplayMemory{capacity: capacity, now: now, used: map[[32]byte]time.Time{}}
}

// Use implements [ReplayStore].
func (m *ReplayMemory) Use(_ context.Context, key [32]byte, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if end, used := m.used[key]; used && now.Before(end) {
		return false, nil
	}
	if !now.Before(m.sweep) {
		m.forget(now)
	}
	if len(m.used) >= m.capacity {
		return false, ErrReplayMemoryFull
	}
	m.used[key] = until
	return true, nil
}

// forget looks through everything, which costs: so once a second when it is full, and
// else a few times within the life of a proof.
func (m *ReplayMemory) forget(now time.Time) {
	for key, end := range m.used {
		if !now.Before(end) {
			delete(m.used, key)
		}
	}
	m.sweep = now.Add(15 * time.Second)
	if len(m.used) > m.capacity/2 {
		m.sweep = now.Add(time.Second)
	}
}
