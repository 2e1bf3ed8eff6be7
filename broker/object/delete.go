package object

import (
	"context"
	"fmt"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Delete ends one object. What still names it keeps naming it, and gets nothing
// by it: an absent client, resource or IdP is an unknown one. A tenant must be
// empty first, and default stays.
func (p *Path) Delete(ctx context.Context, tenantName string, kind Kind, name string, r Request) (Plan, error) {
	if !r.DryRun {
		p.writing.Lock()
		defer p.writing.Unlock()
	}
	return p.write(ctx, func() (*draft, error) { return p.removal(ctx, tenantName, kind, name, r) })
}

func (p *Path) removal(ctx context.Context, tenantName string, kind Kind, name string, r Request) (*draft, error) {
	d := p.newDraft(tenantName, tenant.UID{}, r)
	d.plan = Plan{}
	owner, err := p.tenant(ctx, tenantName)
	if err != nil {
		return d, err
	}
	if err := d.at(ctx, owner.Tenant); err != nil {
		return d, err
	}
	stored, err := p.c.Store.Get(ctx, d.uid, kind, name)
	if err != nil {
		return d, err
	}
	if err := writable(stored, r); err != nil {
		return d, err
	}
	if kind == KindTenant {
		if err := p.emptied(ctx, stored); err != nil {
			return d, err
		}
	}
	d.remove(stored)
	d.describe()
	if kind == KindPolicy {
		if err := d.tryWithout(ctx); err != nil {
			return d, err
		}
	}
	d.stillNamed(ctx, stored)
	return d, d.fourEyes(ctx)
}

func (p *Path) emptied(ctx context.Context, stored Stored) error {
	if stored.Name == tenant.DefaultName {
		return fmt.Errorf("tenant default: %w: it lives at the root of the public listener", ErrInUse)
	}
	for _, kind := range Kinds() {
		if kind == KindTenant {
			continue
		}
		found, err := p.c.Store.List(ctx, stored.Tenant, kind, "", 1)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("tenant %s: %w: it holds %s %s; suspend it (status: suspended), or empty it first", stored.Name, ErrInUse, kind, found[0].Name)
		}
	}
	return nil
}
