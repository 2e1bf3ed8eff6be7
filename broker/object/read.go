package object

import (
	"context"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Export returns a tenant's objects, the tenant itself first, in the order in
// which they apply.
func (p *Path) Export(ctx context.Context, tenantName string) ([]Object, error) {
	owner, err := p.tenant(ctx, tenantName)
	if err != nil {
		return nil, err
	}
	var objects []Object
	for _, kind := range Kinds() {
		err := p.each(ctx, owner.Tenant, kind, func(s Stored) error {
			o, err := s.Object(tenantName)
			objects = append(objects, o)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// each walks all objects of a kind, page by page.
func (p *Path) each(ctx context.Context, t tenant.UID, kind Kind, visit func(Stored) error) error {
	const page = 500
	after := ""
	for {
		found, err := p.c.Store.List(ctx, t, kind, after, page)
		if err != nil {
			return err
		}
		for _, s := range found {
			if err := visit(s); err != nil {
				return err
			}
			after = s.Name
		}
		if len(found) < page || kind == KindTenant {
			return nil
		}
	}
}

// Get finds one object.
func (p *Path) Get(ctx context.Context, tenantName string, kind Kind, name string) (Object, error) {
	owner, err := p.tenant(ctx, tenantName)
	if err != nil {
		return Object{}, err
	}
	s, err := p.c.Store.Get(ctx, owner.Tenant, kind, name)
	if err != nil {
		return Object{}, err
	}
	return s.Object(tenantName)
}

// List pages through a tenant's objects of one kind, by name.
func (p *Path) List(ctx context.Context, tenantName string, kind Kind, after string, limit int) ([]Object, error) {
	owner, err := p.tenant(ctx, tenantName)
	if err != nil {
		return nil, err
	}
	found, err := p.c.Store.List(ctx, owner.Tenant, kind, after, limit)
	if err != nil {
		return nil, err
	}
	return outer(found, tenantName)
}

// Tenants lists the tenants by name, those after the named one.
func (p *Path) Tenants(ctx context.Context, after string, limit int) ([]Object, error) {
	found, err := p.c.Store.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var page []Stored
	for _, s := range found {
		if s.Name > after && len(page) < limit {
			page = append(page, s)
		}
	}
	return outer(page, tenant.DefaultName)
}

// TenantUID finds a tenant's uid by its name.
func (p *Path) TenantUID(ctx context.Context, name string) (tenant.UID, error) {
	s, err := p.tenant(ctx, name)
	return s.Tenant, err
}

func outer(stored []Stored, tenantName string) ([]Object, error) {
	objects := make([]Object, 0, len(stored))
	for _, s := range stored {
		o, err := s.Object(tenantName)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}
