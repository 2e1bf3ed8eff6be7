package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"
)

// DefaultShelf bounds what a Shelf keeps compiled, in bytes by its own estimate.
const DefaultShelf = 512 << 20

// Shelf shares what is compiled among policies of identical content, whoever's they are, and keeps only so much of it: what
// has not been asked for longest is put away, and compiled again when it is asked. Policies that nobody holds any more leave
// it by themselves. It is safe for concurrent use.
type Shelf struct {
	bound int64

	mu       sync.Mutex
	shelved  map[[sha256.Size]byte]weak.Pointer[shelved]
	isolated map[[sha256.Size]byte]weak.Pointer[kept]
	round    []loaded // in the order in which they came, the next to look at first
	total    int64
}

// loaded is one policy that is compiled at the moment.
type loaded struct {
	policy weak.Pointer[shelved]
	cost   int64
}

// shelved is a policy's content, and what was compiled of it while that is on the shelf.
type shelved struct {
	*kept
	shelf *Shelf
	wants wanted
	query atomic.Pointer[query]
	asked atomic.Bool // since the shelf last looked

	making sync.Mutex
	made   bool
}

// NewShelf makes a shelf that keeps about bound bytes compiled, or DefaultShelf when that is zero or less. The one that was
// asked last is kept whatever its size.
func NewShelf(bound int64) *Shelf {
	if bound <= 0 {
		bound = DefaultShelf
	}
	return &Shelf{bound: bound, shelved: map[[sha256.Size]byte]weak.Pointer[shelved]{}, isolated: map[[sha256.Size]byte]weak.Pointer[kept]{}}
}

// Compile is Compile and Lean of a policy whose tests have passed: they are not looked at.
func (s *Shelf) Compile(ctx context.Context, src Source) (*Compiled, error) {
	hash := src.Hash()
	k, err := pack(src)
	if err != nil {
		return nil, err
	}
	resolved, err := resolve(src)
	if err != nil {
		return nil, err
	}
	if err := checkAppliesTo(resolved); err != nil {
		return nil, err
	}
	one := s.find(k)
	if one == nil {
		one = &shelved{kept: k, shelf: s}
		if _, err := one.ask(ctx); err != nil {
			return nil, err
		}
		one = s.keep(one)
	}
	c := &Compiled{src: resolved, hash: hash, wants: one.wants, flight: newFlight(), shelved: one}
	c.src.Data, c.src.DataSchema, c.src.Modules, c.src.Tests = nil, nil, nil, nil
	return c, nil
}

// Isolate is Isolate, sharing the content.
func (s *Shelf) Isolate(src Source) (*Compiled, error) {
	c, err := Isolate(src)
	if err != nil {
		return nil, err
	}
	key := c.kept.key
	s.mu.Lock()
	defer s.mu.Unlock()
	if same := s.isolated[key].Value(); same != nil {
		c.kept = same
		return c, nil
	}
	s.isolated[key] = weak.Make(c.kept)
	runtime.AddCleanup(c.kept, func(key [sha256.Size]byte) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.isolated[key].Value() == nil {
			delete(s.isolated, key)
		}
	}, key)
	return c, nil
}

// Kept is how many policies are compiled at the moment, and what they are estimated to take.
func (s *Shelf) Kept() (policies int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.round), s.total
}

func (s *Shelf) find(k *kept) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shelved[k.key].Value()
}

// keep makes one known, unless another came before it.
func (s *Shelf) keep(one *shelved) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	if same := s.shelved[one.key].Value(); same != nil {
		return same
	}
	s.shelved[one.key] = weak.Make(one)
	runtime.AddCleanup(one, func(key [sha256.Size]byte) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.shelved[key].Value() == nil {
			delete(s.shelved, key)
		}
	}, one.key)
	return one
}

// cost estimates what a compiled policy takes, of what it was compiled from: measured, some thirty times the text of modules,
// and half of that for data.
func (k *kept) cost() int64 { return 32<<10 + 32*int64(k.size) }

// ask returns what is compiled, and compiles it again if it was put away.
func (one *shelved) ask(ctx context.Context) (*query, error) {
	if q := one.query.Load(); q != nil {
		if !one.asked.Load() {
			one.asked.Store(true)
		}
		return q, nil
	}
	one.making.Lock()
	defer one.making.Unlock()
	if q := one.query.Load(); q != nil {
		return q, nil
	}
	text, err := one.unpack()
	if err != nil {
		return nil, err
	}
	src, err := ParseContent(text)
	if err != nil {
		return nil, err
	}
	// Whoever asked may go away; the next one has it.
	ctx = context.WithoutCancel(ctx)
	whole, err := Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	lean, err := whole.Lean(ctx)
	if err != nil {
		return nil, fmt.Errorf("compile policy: %w", err)
	}
	if !one.made { // written once, before anybody else has it
		one.wants, one.made = lean.wants, true
	}
	one.query.Store(lean.query)
	one.shelf.admit(one)
	return lean.query, nil
}

// admit counts one more that is compiled, and puts away what was not asked since it was last looked at.
func (s *Shelf) admit(one *shelved) {
	one.asked.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round = append(s.round, loaded{weak.Make(one), one.cost()})
	s.total += one.cost()
	for looked, most := 0, 2*len(s.round); s.total > s.bound && len(s.round) > 1 && looked < most; looked++ {
		next := s.round[0]
		s.round = s.round[1:]
		p := next.policy.Value()
		switch {
		case p == nil:
		case p == one || p.asked.Swap(false):
			s.round = append(s.round, next)
			continue
		default:
			p.query.Store(nil)
		}
		s.total -= next.cost
	}
}
