package snapshot

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

// fillWorkloads reads the rules that turn platforms' tokens into clients, by the
// uid of the IdP that each is for. One that is disabled, or whose IdP is not there,
// is left out: it matches nothing.
func (s *Source) fillWorkloads(ctx context.Context, t *Tenant) error {
	t.Workloads = map[string][]federation.Workload{}
	return s.each(ctx, t.UID, object.KindWorkload, func(stored object.Stored) error {
		spec, err := specOf[*object.WorkloadSpec](stored)
		if err != nil {
			return err
		}
		idp, found := t.Registry.Named(spec.IdP)
		if spec.Disabled || !found {
			return nil
		}
		claims, err := spec.Claims()
		if err != nil {
			return err
		}
		if len(claims) == 0 || spec.Client == "" {
			return errors.New("requires no claim, or names no client")
		}
		t.Workloads[idp.UID] = append(t.Workloads[idp.UID], federation.Workload{
			UID: stored.UID, Name: stored.Name, IdPUID: idp.UID, ClientName: spec.Client, Match: claims,
			Resources: spec.Resources, Scopes: spec.Scopes,
		})
		return nil
	})
}

// spaceName is where the cache keeps clients by their names.
const spaceName = "name"

// Named finds a tenant's client by the name of its object, for what names clients
// instead of authenticating them. It answers client.ErrUnknown if there is none; any
// other error means that it is not known whether there is one. A disabled or expired
// client is found: what that means is the caller's to say.
func (c *Clients) Named(ctx context.Context, t tenant.UID, name string) (*client.Client, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if !object.IsName(name) {
		return nil, client.ErrUnknown
	}
	found, ok, err := c.cache.get(ctx, cacheKey{t, spaceName, name}, func(ctx context.Context) (*client.Client, []string, error) {
		stored, err := c.store.Get(ctx, t, object.KindClient, name)
		if errors.Is(err, object.ErrNotFound) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		return c.whole(ctx, stored)
	})
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, client.ErrUnknown
	}
	return found, nil
}

// whole is a stored client with its live secrets, and what it was made of.
func (c *Clients) whole(ctx context.Context, stored object.Stored) (*client.Client, []string, error) {
	secrets, err := c.store.Secrets(ctx, stored.Tenant, stored.UID)
	if err != nil {
		return nil, nil, err
	}
	found, err := newClient(stored, secrets)
	return found, []string{stored.UID}, err
}
