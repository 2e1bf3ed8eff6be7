package connect

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// What a credential keeps of the site that its person chose, beside the token.
const (
	KeptSite      = "site_id"
	KeptSiteLabel = "site_label"
)

// Waiting is what was brought back, for its person to look at: nothing of it is a secret.
type Waiting struct {
	Trip
	LinkID  string
	Account provider.Account // empty: the provider does not say whose it is
	Scopes  []string         // granted
	Missing []string         // asked, and not granted
	Sites   []provider.Account
	Again   bool   // the account is connected, and its credential is replaced
	Meant   string // the account that the trip was for, where this is another one
	Others  []string
}

// Waiting finds what waits for a person's word: ErrGone, ErrWrongBrowser, ErrWrongPerson, ErrExpired.
func (d *Desk) Waiting(ctx context.Context, tenant, text string, p Person) (Waiting, error) {
	w, _, err := d.waiting(ctx, tenant, text, p)
	return w, err
}

func (d *Desk) waiting(ctx context.Context, tenant, text string, p Person) (Waiting, provider.Credential, error) {
	handle, ok := readSecret("", text)
	if !ok {
		return Waiting{}, provider.Credential{}, ErrGone
	}
	t, err := d.find(ctx, tenant, Arrived, handle, p)
	if err != nil {
		return Waiting{}, provider.Credential{}, err
	}
	if d.over(t) { // what sweeps gives it back
		return Waiting{}, provider.Credential{}, ErrExpired
	}
	l, err := d.unpack(ctx, t)
	if err != nil {
		return Waiting{}, provider.Credential{}, err
	}
	c, err := provider.ParseCredential(l.Credential)
	clear(l.Credential)
	if err != nil {
		return Waiting{}, provider.Credential{}, err
	}
	held, err := d.Connections.Find(ctx, t.Tenant, ownedBy(t.UserUID), t.ProviderUID)
	if err != nil {
		return Waiting{}, provider.Credential{}, err
	}
	w := Waiting{Trip: t, LinkID: l.LinkID, Account: l.Account, Scopes: c.Scopes, Sites: l.Sites}
	for _, scope := range l.Scopes {
		if !slices.Contains(c.Scopes, scope) {
			w.Missing = append(w.Missing, scope)
		}
	}
	for _, one := range held {
		if one.Account.ID == l.Account.ID {
			w.Again = true
			continue
		}
		w.Others = append(w.Others, one.Account.Label)
	}
	if t.Account != "" && t.Account != l.Account.ID && t.Account != l.Account.Label {
		w.Meant = t.Account
		for _, one := range held {
			if one.Account.ID == t.Account {
				w.Meant = one.Account.Label
			}
		}
	}
	return w, c, nil
}

// maxTries bounds how often a confirmation begins again because the connection was refreshed meanwhile.
const maxTries = 3

// Confirm makes the connection of what waits, after its person said yes; site is the id of one of the sites, where there are
// any. Whoever confirms is asked for again: the same errors as for Waiting, and ErrHeld, ErrEnded, ErrUnknownSite.
func (d *Desk) Confirm(ctx context.Context, tenant, text string, p Person, site, providerName string, v Visit) (Made, error) {
	w, c, err := d.waiting(ctx, tenant, text, p)
	if err != nil {
		return Made{}, err
	}
	engine, err := d.Providers.Connecting(ctx, tenant, w.ProviderUID)
	if err != nil {
		return Made{}, err
	}
	if err := choose(&c, w.Sites, site); err != nil {
		return Made{}, err
	}
	m := Made{Visit: v, Trip: w.Trip, Provider: providerName, Account: w.Account, Scopes: c.Scopes, At: d.Now()}
	for range maxTries {
		err = d.finish(ctx, &m, c)
		if !errors.Is(err, connection.ErrMoved) && !errors.Is(err, connection.ErrTaken) {
			break
		}
	}
	if errors.Is(err, ErrGone) || errors.Is(err, ErrEnded) || errors.Is(err, ErrHeld) {
		err = errors.Join(err, d.abandon(ctx, engine, w.Trip, c, w.Account))
	}
	return m, err
}

func (d *Desk) finish(ctx context.Context, m *Made, c provider.Credential) error {
	ref := connection.Ref{Tenant: m.Trip.Tenant, Owner: ownedBy(m.Trip.UserUID), Provider: m.Trip.ProviderUID}
	held, err := d.Connections.Find(ctx, ref.Tenant, ref.Owner, ref.Provider)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(held, func(one connection.Connection) bool { return one.Account.ID == m.Account.ID })
	if m.Again = at >= 0; m.Again {
		one := held[at]
		if one.Status == connection.Suspended {
			return ErrHeld
		}
		ref.ID, m.Connection = one.ID, one.ID
		successor, err := connection.Seal(ctx, d.Sealer, ref, one.Version+1, c, m.At)
		if err != nil {
			return err
		}
		return d.Store.FinishAgain(ctx, *m, ref, one.Version, successor)
	}
	ref.ID = connection.NewID(m.At)
	m.Connection = ref.ID
	s, err := connection.Seal(ctx, d.Sealer, ref, 1, c, m.At)
	if err != nil {
		return err
	}
	return d.Store.Finish(ctx, *m, connection.Stored{
		Connection: connection.Connection{
			Ref: ref, Account: m.Account, Scopes: s.Scopes, Status: connection.Connected, Version: 1, KeyID: s.KeyID, SealedAt: s.SealedAt,
			ExpiresAt: s.ExpiresAt, RefreshAt: s.RefreshAt, Flight: connection.Flight{State: connection.Idle}, CreatedAt: m.At, UpdatedAt: m.At,
		},
		Blob: s.Blob,
	})
}

// choose notes the site beside the token. With one site there is nothing to choose.
func choose(c *provider.Credential, sites []provider.Account, site string) error {
	if len(sites) == 0 {
		if site != "" {
			return ErrUnknownSite
		}
		return nil
	}
	if len(sites) == 1 && site == "" {
		site = sites[0].ID
	}
	at := slices.IndexFunc(sites, func(s provider.Account) bool { return s.ID == site })
	if at < 0 {
		return ErrUnknownSite
	}
	c.Kept = maps.Clone(c.Kept)
	if c.Kept == nil {
		c.Kept = map[string]string{}
	}
	c.Kept[KeptSite], c.Kept[KeptSiteLabel] = sites[at].ID, sites[at].Label
	return nil
}

// Decline takes a person's no: what was obtained is given back to the provider.
func (d *Desk) Decline(ctx context.Context, tenant, text string, p Person) (Waiting, error) {
	w, c, err := d.waiting(ctx, tenant, text, p)
	if err != nil {
		return Waiting{}, err
	}
	engine, err := d.Providers.Connecting(ctx, tenant, w.ProviderUID)
	if err != nil {
		return Waiting{}, err
	}
	return w, d.abandon(ctx, engine, w.Trip, c, w.Account)
}
