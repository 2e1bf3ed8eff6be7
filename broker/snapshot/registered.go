package snapshot

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Registered reads clients that registered themselves; client.ErrUnknown says that there is none.
type Registered func(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error)

// spaceRegistered is where the cache keeps them.
const spaceRegistered = "registered"

// Registered finds a client that registered itself, without what the tenant's rules give it. It goes through the cache of
// clients, and holds what that one does: a change names the client_id as its uid.
func (c *Clients) Registered(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if c.registered == nil || len(clientID) > maxClientID {
		return nil, client.ErrUnknown
	}
	found, ok, err := c.cache.get(ctx, cacheKey{t, spaceRegistered, clientID}, func(ctx context.Context) (*client.Client, []string, error) {
		found, err := c.registered(ctx, t, clientID)
		switch {
		case errors.Is(err, client.ErrUnknown):
			return nil, nil, nil
		case err != nil:
			return nil, nil, err
		}
		return found, []string{found.UID}, nil
	})
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, client.ErrUnknown
	}
	return found, nil
}

// ByUID returns the current picture of a tenant that is being served, for what is asked on behalf of a request that took its
// own picture first: this one is not older. ErrUnknownTenant if there is none, or it is not active.
func (s *Source) ByUID(ctx context.Context, t tenant.UID) (*Tenant, error) {
	found, _ := s.byUID.Load(t)
	e, ok := found.(*entry)
	if !ok {
		return nil, ErrUnknownTenant
	}
	picture, err := s.current(ctx, e)
	switch {
	case errors.Is(err, errGone):
		return nil, ErrUnknownTenant
	case err != nil:
		return nil, err
	case !picture.active:
		return nil, ErrUnknownTenant
	}
	return picture, nil
}
