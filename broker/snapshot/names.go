package snapshot

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// entry finds a tenant by its name: in memory, else in the database.
func (s *Source) entry(ctx context.Context, name string) (*entry, error) {
	if e := s.loaded(name); e != nil {
		return e, nil
	}
	if name == "" || len(name) > maxName || s.isUnknown(name) {
		return nil, ErrUnknownTenant
	}
	select {
	case s.lookups <- struct{}{}:
		defer func() { <-s.lookups }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e := s.loaded(name); e != nil {
		return e, nil
	}
	s.mu.Lock()
	made := s.made
	s.mu.Unlock()
	stored, err := s.config.Store.Tenant(ctx, name)
	if errors.Is(err, object.ErrNotFound) {
		s.remember(name, made)
		return nil, ErrUnknownTenant
	}
	if err != nil {
		return nil, fmt.Errorf("find tenant: %w", err)
	}
	fresh := &entry{uid: stored.Tenant, name: name, building: make(chan struct{}, 1)}
	found, _ := s.byUID.LoadOrStore(stored.Tenant, fresh)
	e, ok := found.(*entry)
	if !ok {
		return nil, errGone
	}
	s.byName.Store(name, e)
	if name == tenant.DefaultName {
		s.root.Store(e)
	}
	return e, nil
}

func (s *Source) loaded(name string) *entry {
	found, _ := s.byName.Load(name)
	e, _ := found.(*entry)
	return e
}

func (s *Source) isUnknown(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.unknown.Get(name)
	return ok && s.config.Now().Before(until)
}

// remember notes that there is no such tenant, unless one may have been made since.
func (s *Source) remember(name string, made uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if made == s.made {
		s.unknown.Add(name, s.config.Now().Add(UnknownFor))
	}
}

// forget takes a deleted tenant out.
func (s *Source) forget(e *entry) {
	s.byName.CompareAndDelete(e.name, e)
	s.byUID.CompareAndDelete(e.uid, e)
	s.root.CompareAndSwap(e, nil)
	s.clients.cache.dropAll(e.uid)
	s.users.cache.dropAll(e.uid)
}
