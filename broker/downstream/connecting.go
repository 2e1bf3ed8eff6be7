package downstream

import (
	"context"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connect"
)

var _ connect.Providers = (*Engines)(nil)

// Connecting implements connect.Providers: a provider as it is now, for people who go there. One that is disabled is none.
func (e *Engines) Connecting(ctx context.Context, tenantUID, uid string) (connect.Provider, error) {
	parsed, err := tenant.ParseUID(tenantUID)
	if err != nil {
		return nil, err
	}
	t, err := e.config.Pictures.Of(ctx, parsed)
	if err != nil {
		return nil, err
	}
	p, ok := t.ProviderByUID(uid)
	switch {
	case !ok:
		return nil, ErrNotThere
	case p.Disabled:
		return nil, ErrDisabled
	}
	made, err := e.Engine(ctx, t, p)
	if err != nil {
		return nil, err
	}
	return made, nil
}
