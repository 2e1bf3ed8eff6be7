package samlmetadata

import (
	"context"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation/saml"
)

// Standing is how an IdP's metadata is, for metrics.
type Standing struct {
	Tenant, IdP  string
	Certificates map[string]time.Time // fingerprint to its end, of those in use
	Pending      bool
	Failing      bool
}

type tellKey struct{ tenant, idp, certificate string }

// Run asks each IdP whose hour has come, at every tick and whenever it is woken, until the context ends. Every replica runs
// it; each IdP is asked by one of them.
func (k *Keeper) Run(ctx context.Context, ticks <-chan time.Time) {
	for {
		if err := k.Tick(ctx); err != nil && ctx.Err() == nil {
			k.config.Log.WarnContext(ctx, "IdPs' metadata could not be looked after", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		case <-k.wake:
		}
	}
}

// Wake makes Run look now: an entry has changed.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Tick looks once.
func (k *Keeper) Tick(ctx context.Context) error {
	entries, err := k.config.Entries(ctx)
	if err != nil {
		return err
	}
	standing := make([]Standing, 0, len(entries))
	for _, e := range entries {
		state, err := k.tend(ctx, e)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			k.config.Log.WarnContext(ctx, "an IdP's metadata could not be looked after", "tenant", e.TenantName, "idp", e.Name, "error", err)
			continue
		}
		standing = append(standing, stand(e, state))
		if state.InUse != nil {
			k.TellExpiries(ctx, e.TenantName, e.Name, state.InUse)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.standing = standing
	return nil
}

// tend asks an IdP if it is its hour and nobody else does.
func (k *Keeper) tend(ctx context.Context, e Entry) (State, error) {
	if e.Pinned != nil {
		return State{InUse: e.Pinned}, nil
	}
	if err := k.forgetOther(ctx, e, system()); err != nil {
		return State{}, err
	}
	mine, err := k.config.Store.ClaimMetadata(ctx, e.Tenant, e.IdPUID, e.source(), hold)
	if err != nil {
		return State{}, err
	}
	if mine {
		return k.ask(ctx, e, system())
	}
	return k.State(ctx, e.Tenant, e.IdPUID)
}

func stand(e Entry, s State) Standing {
	standing := Standing{Tenant: e.TenantName, IdP: e.Name, Certificates: map[string]time.Time{}, Pending: s.Pending != nil, Failing: s.Failure != ""}
	if s.InUse != nil {
		for _, certificate := range s.InUse.Certificates {
			standing.Certificates[saml.Fingerprint(certificate)] = certificate.NotAfter
		}
	}
	return standing
}

// Standing returns how things were at the last tick.
func (k *Keeper) Standing() []Standing {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.standing)
}

// TellExpiries logs each certificate that has passed another of the marks since it was last told of.
func (k *Keeper) TellExpiries(ctx context.Context, tenantName, idp string, m *saml.Metadata) {
	for _, expiry := range saml.Expiries(m.Certificates, k.config.Now()) {
		key := tellKey{tenantName, idp, expiry.Fingerprint}
		k.mu.Lock()
		before, told := k.told[key]
		k.told[key] = expiry.Days
		k.mu.Unlock()
		if told && before == expiry.Days {
			continue
		}
		attributes := []any{
			"tenant", tenantName, "idp", idp, "certificate", expiry.Fingerprint, "subject", expiry.Subject,
			"not_after", expiry.NotAfter.UTC().Format(time.RFC3339), "code", "cert_expired",
		}
		if expiry.Days == 0 {
			k.config.Log.ErrorContext(ctx, "an IdP's certificate has ended: what it signs is refused", attributes...)
			continue
		}
		k.config.Log.WarnContext(ctx, "an IdP's certificate ends soon", append(attributes, "within_days", expiry.Days)...)
	}
}
