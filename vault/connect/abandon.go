package connect

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

const (
	// revokeFor bounds the giving back of one credential, whether or not the browser stays.
	revokeFor = 15 * time.Second
	// KeepTrying is for how long a credential that nobody confirmed is given back again and again, where the provider does
	// not answer.
	KeepTrying = time.Hour
	maxSwept   = 100
)

// abandon ends a trip, once, and gives back what it brought.
func (d *Desk) abandon(ctx context.Context, engine Provider, t Trip, c provider.Credential, account provider.Account) error {
	ctx = context.WithoutCancel(ctx)
	err := d.Store.TakeTrip(ctx, t.Tenant, t.Handle)
	if err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	d.giveBack(ctx, engine, t, c, account)
	return nil
}

// giveBack revokes at the provider what nobody keeps, as well as it goes.
func (d *Desk) giveBack(ctx context.Context, engine Provider, t Trip, c provider.Credential, account provider.Account) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeFor)
	defer cancel()
	if err := d.revoke(ctx, engine, t, c, account); err != nil {
		d.Log.WarnContext(ctx, "an unconfirmed credential was not given back", slog.String("tenant", t.Tenant), slog.String("provider", t.ProviderUID),
			slog.String("error", err.Error()))
	}
}

// revoke ends a credential, unless the same account is connected: at many providers that ends everything that the account
// ever gave us, and with it the connection that stays. An account that is not known may be any of them. What was typed in
// is the person's own.
func (d *Desk) revoke(ctx context.Context, engine Provider, t Trip, c provider.Credential, account provider.Account) error {
	if c.Origin == provider.FromHand {
		return nil
	}
	held, err := d.Connections.Find(ctx, t.Tenant, ownedBy(t.UserUID), t.ProviderUID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(held, func(one connection.Connection) bool { return account.ID == "" || one.Account.ID == account.ID }) {
		return nil
	}
	if err := engine.Revoke(ctx, c); err != nil && !errors.Is(err, provider.ErrNoRevocation) {
		return err
	}
	return nil
}

// Sweep gives back what nobody confirmed in time, of one tenant, and tells how much it dealt with. It may run on any number
// of replicas: revoking twice is revoking once.
func (d *Desk) Sweep(ctx context.Context, tenant string) (int, error) {
	now := d.Now()
	ended, err := d.Store.EndedTrips(ctx, tenant, now, maxSwept)
	if err != nil {
		return 0, err
	}
	done := 0
	for _, t := range ended {
		if t.Tenant != tenant || t.Stage != Arrived || now.Before(t.ExpiresAt) { // the store has asked the same
			continue
		}
		if err := d.sweepOne(ctx, t); err != nil && now.Sub(t.ExpiresAt) < KeepTrying && ctx.Err() == nil {
			d.Log.WarnContext(ctx, "an unconfirmed credential is given back later", slog.String("tenant", tenant), slog.String("provider", t.ProviderUID),
				slog.String("error", err.Error()))
			continue
		}
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if err := d.Store.TakeTrip(ctx, tenant, t.Handle); err != nil && !errors.Is(err, ErrGone) {
			return done, err
		}
		done++
	}
	return done, nil
}

func (d *Desk) sweepOne(ctx context.Context, t Trip) error {
	ctx, cancel := context.WithTimeout(ctx, revokeFor)
	defer cancel()
	l, err := d.unpack(ctx, t)
	if err != nil {
		return err
	}
	c, err := provider.ParseCredential(l.Credential)
	clear(l.Credential)
	if err != nil {
		return err
	}
	engine, err := d.Providers.Connecting(ctx, t.Tenant, t.ProviderUID)
	if err != nil {
		return err
	}
	return d.revoke(ctx, engine, t, c, l.Account)
}
