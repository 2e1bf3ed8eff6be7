package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// ErrBusy is a check that did not begin: too many others run.
var ErrBusy = errors.New("policy check: too many policies are checked at this moment; try again")

const (
	leastRooms = 2
	// patience is how long a check waits for its turn.
	patience = 30 * time.Second
)

// Rooms bound how many children there are at a time, each with its memory and its share of the cores: one for each core, at
// least two, and of one author one. It is safe for concurrent use.
type Rooms struct {
	all     chan struct{}
	examine func(ctx context.Context, exe string, r Request) (Report, error)
	wait    time.Duration

	mu      sync.Mutex
	authors map[string]*author
}

// author is somebody's turn, for as long as anybody waits for it.
type author struct {
	turn    chan struct{}
	waiting int
}

// NewRooms makes Rooms.
func NewRooms() *Rooms {
	return &Rooms{all: make(chan struct{}, max(leastRooms, runtime.GOMAXPROCS(0))), examine: Examine, wait: patience, authors: map[string]*author{}}
}

// Examine is Examine, once there is room. Those of nobody in particular wait for each other. The error is ErrBusy too.
func (m *Rooms) Examine(ctx context.Context, exe string, r Request) (Report, error) {
	waiting, cancel := context.WithTimeout(ctx, m.wait)
	defer cancel()
	a := m.arrive(r.Author)
	defer m.leave(r.Author, a)
	for _, turn := range []chan struct{}{a.turn, m.all} {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-waiting.Done():
			if ctx.Err() != nil {
				return Report{}, fmt.Errorf("policy check: %w", ctx.Err())
			}
			return Report{}, ErrBusy
		}
	}
	return m.examine(ctx, exe, r)
}

func (m *Rooms) arrive(who string) *author {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.authors[who]
	if a == nil {
		a = &author{turn: make(chan struct{}, 1)}
		m.authors[who] = a
	}
	a.waiting++
	return a
}

func (m *Rooms) leave(who string, a *author) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.waiting--; a.waiting == 0 {
		delete(m.authors, who)
	}
}
