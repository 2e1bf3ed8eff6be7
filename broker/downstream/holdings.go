package downstream

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Held is where connections rest; *store.Connections is it.
type Held interface {
	Owned(ctx context.Context, t tenant.UID, owner connection.Owner) ([]connection.Connection, error)
	Load(ctx context.Context, tenant, id string) (connection.Stored, error)
	Move(ctx context.Context, t tenant.UID, id string, from, to connection.Status, reason string, e audit.Event) error
	Remove(ctx context.Context, t tenant.UID, id string, e audit.Event) error
}

// Holdings are what people have connected, for themselves to test and to end. Every part is required.
type Holdings struct {
	Held   Held
	Keeper Keeper
	Source Source
	Sealer vault.Sealer
	Log    *slog.Logger
	Now    func() time.Time
}

// NewHoldings refuses ones in which a part is missing.
func NewHoldings(h Holdings) (*Holdings, error) {
	if h.Held == nil || h.Keeper == nil || h.Source == nil || h.Sealer == nil || h.Log == nil || h.Now == nil {
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

// revokeFor bounds the ending of one credential at its provider, whether or not who asked stays.
const revokeFor = 20 * time.Second

// Remove ends a connection: nobody is lent it from the first commit on, whatever the provider says. ended tells whether it is
// over at the provider too. Where that could not be asked for a moment, the row stays, as revoked, for whoever tries again.
func (h *Holdings) Remove(ctx context.Context, t *snapshot.Tenant, c connection.Connection, e audit.Event) (ended bool, err error) {
	for range maxRemovals {
		if err = h.Held.Move(ctx, t.UID, c.ID, c.Status, connection.Revoked, "removed", e); !errors.Is(err, connection.ErrMoved) {
			break
		}
		now, err := h.Held.Load(ctx, c.Tenant, c.ID)
		if err != nil {
			return false, err
		}
		if now.Status == connection.Revoked {
			return false, connection.ErrGone
		}
		c.Status = now.Status
	}
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeFor)
	defer cancel()
	err = h.revoke(ctx, t, c)
	became := "ended"
	switch {
	case errors.Is(err, provider.ErrNoRevocation), errors.Is(err, provider.ErrUnsupported), errors.Is(err, ErrNotThere):
		became = "cannot be ended there"
	case errors.Is(err, vault.ErrUnopened), errors.Is(err, vault.ErrMalformed):
		became = "does not open"
	case err != nil:
		h.Log.WarnContext(ctx, "a connection was not ended at its provider", "tenant", c.Tenant, "connection", c.ID, "error", err)
		return false, nil
	}
	now := h.Now()
	e.ID, e.At, e.Type = id.New(id.Event, now), now, audit.TypeConnectionEnded
	detail := map[string]string{"at_provider": became}
	maps.Copy(detail, e.Detail)
	e.Detail = detail
	if err := h.Held.Remove(ctx, t.UID, c.ID, e); err != nil && !errors.Is(err, connection.ErrGone) {
		h.Log.WarnContext(ctx, "a connection that ended is still there", "tenant", c.Tenant, "connection", c.ID, "error", err)
	}
	return became == "ended", nil
}

// maxRemovals bounds how often an ending begins again because the connection was moved meanwhile.
const maxRemovals = 3

func (h *Holdings) revoke(ctx context.Context, t *snapshot.Tenant, c connection.Connection) error {
	p, ok := t.ProviderByUID(c.Provider)
	if !ok {
		return ErrNotThere
	}
	engine, err := h.Source.Engine(ctx, t, p)
	if err != nil {
		return err
	}
	stored, err := h.Held.Load(ctx, c.Tenant, c.ID)
	if err != nil {
		return err
	}
	credential, err := connection.Open(ctx, h.Sealer, c.Ref, stored)
	if err != nil {
		return err
	}
	return engine.Revoke(ctx, credential)
}
