package downstream

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Held lists connections; *store.Connections is it.
type Held interface {
	Owned(ctx context.Context, t tenant.UID, owner connection.Owner) ([]connection.Connection, error)
}

// Ender ends connections; *Custodian is it.
type Ender interface {
	End(ctx context.Context, t tenant.UID, id string, by By) (ended bool, err error)
}

// Holdings are what people have connected, for themselves to test and to end. Every part is required.
type Holdings struct {
	Held   Held
	Keeper Keeper
	Source Source
	Ender  Ender
}

// NewHoldings refuses ones in which a part is missing.
func NewHoldings(h Holdings) (*Holdings, error) {
	if h.Held == nil || h.Keeper == nil || h.Source == nil || h.Ender == nil {
		return nil, errors.New("downstream: a part of holdings is missing")
	}
	return &h, nil
}

// Owned lists what an owner connected anywhere and has not ended.
func (h *Holdings) Owned(ctx context.Context, t tenant.UID, owner connection.Owner) ([]connection.Connection, error) {
	return h.Held.Owned(ctx, t, owner)
}

// Test asks the provider whose account a connection is to, with a credential that lives: it is refreshed if it must be.
func (h *Holdings) Test(ctx context.Context, t *snapshot.Tenant, c connection.Connection) (provider.Account, error) {
	p, ok := t.ProviderByUID(c.Provider)
	if !ok {
		return provider.Account{}, ErrNotThere
	}
	if p.Disabled {
		return provider.Account{}, ErrDisabled
	}
	engine, err := h.Source.Engine(ctx, t, p)
	if err != nil {
		return provider.Account{}, err
	}
	live, err := h.Keeper.Fresh(ctx, c.Ref, connection.Want{})
	if err != nil {
		return provider.Account{}, err
	}
	return engine.Probe(ctx, live.Credential)
}

// endFor bounds the ending of one credential at its provider, whether or not who asked stays.
const endFor = 20 * time.Second

// Remove ends a connection the one way there is (Custodian.End), for the person whose it is.
func (h *Holdings) Remove(ctx context.Context, t *snapshot.Tenant, c connection.Connection, by By) (ended bool, err error) {
	return h.Ender.End(ctx, t.UID, c.ID, by)
}
