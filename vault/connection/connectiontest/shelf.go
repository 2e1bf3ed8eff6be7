package connectiontest

import (
	"errors"
	"sync"

	"github.com/chancery-dev/chancery/vault/connection"
)

// Shelf keeps orphans in memory, unless it is Full.
type Shelf struct {
	mu   sync.Mutex
	held map[string]connection.Orphan
	Full bool
}

var _ connection.Shelf = (*Shelf)(nil)

// Keep implements connection.Shelf.
func (s *Shelf) Keep(o connection.Orphan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Full {
		return errors.New("no room")
	}
	if s.held == nil {
		s.held = map[string]connection.Orphan{}
	}
	s.held[o.Attempt.Name] = o
	return nil
}

// Find implements connection.Shelf.
func (s *Shelf) Find(attempt string) (connection.Orphan, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.held[attempt]
	return o, ok, nil
}

// List implements connection.Shelf.
func (s *Shelf) List() ([]connection.Orphan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []connection.Orphan
	for _, o := range s.held {
		all = append(all, o)
	}
	return all, nil
}

// Drop implements connection.Shelf.
func (s *Shelf) Drop(attempt string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, attempt)
	return nil
}
