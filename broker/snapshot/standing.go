package snapshot

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Standing returns a tenant's current picture, also where the tenant is suspended: for what ends there, and for what is
// under way. Nothing may be granted on it.
func (s *Source) Standing(ctx context.Context, name string) (*Tenant, error) {
	for range 2 { // a name may have been given to another tenant meanwhile
		e, err := s.entry(ctx, name)
		if err != nil {
			return nil, err
		}
		t, err := s.current(ctx, e)
		if errors.Is(err, errGone) {
			continue
		}
		return t, err
	}
	return nil, ErrUnknownTenant
}

// Of is Standing by the tenant's uid: of a tenant that was asked for by its name in this process.
func (s *Source) Of(ctx context.Context, t tenant.UID) (*Tenant, error) {
	found, _ := s.byUID.Load(t)
	e, ok := found.(*entry)
	if !ok {
		return nil, ErrUnknownTenant
	}
	picture, err := s.Standing(ctx, e.name)
	if err != nil {
		return nil, err
	}
	if picture.UID != t { // deleted, and the name given away
		return nil, ErrUnknownTenant
	}
	return picture, nil
}

// Active tells whether anything may be granted in the tenant.
func (t *Tenant) Active() bool { return t.active }

// ProviderOf is a Provider object as pictures have it: of one that was deleted too.
func ProviderOf(stored object.Stored) (*Provider, error) { return newProvider(stored) }
