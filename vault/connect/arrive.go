package connect

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/chancery-dev/chancery/vault/provider"
)

// Arrival is how a person came back.
type Arrival struct {
	// ID names what waits for his word; empty with an error.
	ID string
	// LinkID is the link that he set out from; empty: he came by himself. It is there with an error too, once it is known
	// that he is the one.
	LinkID string
	Trip   Trip
}

// Arrive takes what a browser brings back from a provider to the provider's own callback, once: who comes a second time gets
// ErrGone, as does whoever brings the state of another provider (RFC 9700 §4.4). Else ErrWrongBrowser, ErrWrongPerson,
// ErrExpired, ErrDeclined, provider.ErrState, provider.ErrProbe or a *provider.Error.
func (d *Desk) Arrive(ctx context.Context, tenant, providerUID string, query url.Values, p Person) (Arrival, error) {
	// 1. A departure of this person's from this browser to this provider.
	if len(query["state"]) != 1 || query.Get("state") == "" {
		return Arrival{}, ErrGone
	}
	t, err := d.find(ctx, tenant, Departed, digest(query.Get("state")), p)
	if err != nil {
		return Arrival{}, err
	}
	if t.ProviderUID != providerUID {
		return Arrival{}, ErrGone
	}
	// 2. It is used up, whatever comes of it.
	if err := d.Store.TakeTrip(ctx, tenant, t.Handle); err != nil {
		return Arrival{}, err
	}
	l, err := d.unpack(ctx, t)
	if err != nil {
		return Arrival{Trip: t}, err
	}
	back := Arrival{LinkID: l.LinkID, Trip: t}
	if d.over(t) {
		return back, ErrExpired
	}
	// 3. What the provider says: the code, and for it the credential.
	engine, err := d.Providers.Connecting(ctx, tenant, providerUID)
	if err != nil {
		return back, err
	}
	c, account, err := redeem(ctx, engine, query, l.Departure)
	if c.Access.IsZero() {
		return back, firstOf(err, provider.ErrNotCredential)
	}
	if errors.Is(err, provider.ErrProbe) { // the credential is good: once more
		if account, err = engine.Probe(ctx, c); err != nil {
			err = fmt.Errorf("%w: %w", provider.ErrProbe, err)
		}
	}
	if err != nil {
		d.giveBack(ctx, engine, t, c, account)
		return back, err
	}
	// 4. It waits for the person's word.
	back.ID, back.Trip, err = d.wait(ctx, engine, t, l, c, account)
	return back, err
}

func redeem(ctx context.Context, engine Provider, query url.Values, rests []byte) (provider.Credential, provider.Account, error) {
	departure, err := provider.ParseDeparture(rests)
	if err != nil {
		return provider.Credential{}, provider.Account{}, err
	}
	code, err := engine.Arrive(query, departure)
	switch {
	case errors.Is(err, provider.ErrDeclined):
		return provider.Credential{}, provider.Account{}, ErrDeclined
	case errors.Is(err, provider.ErrExpired):
		return provider.Credential{}, provider.Account{}, ErrExpired
	case err != nil:
		return provider.Credential{}, provider.Account{}, err
	}
	return engine.Exchange(ctx, code, departure)
}

// Enter takes a credential that the person typed in, an API key or a password. It waits for his word like any other.
func (d *Desk) Enter(ctx context.Context, w Wish, user string, entered provider.Secret) (Arrival, error) {
	t, scopes, err := d.setOut(ctx, w)
	if err != nil {
		return Arrival{}, err
	}
	back := Arrival{LinkID: w.LinkID, Trip: t}
	engine, err := d.Providers.Connecting(ctx, t.Tenant, t.ProviderUID)
	if err != nil {
		return back, err
	}
	if _, err := d.before(ctx, t, w.Another); err != nil {
		return back, err
	}
	c, err := engine.Enter(user, entered)
	if err != nil {
		return back, err
	}
	account, err := engine.Probe(ctx, c)
	switch {
	case errors.Is(err, provider.ErrUnsupported):
		account = provider.Account{ID: provider.Clean(user), Label: provider.Clean(user)}
	case err != nil: // what was typed is the person's own: there is nothing to give back
		return back, err
	}
	back.ID, back.Trip, err = d.wait(ctx, engine, t, luggage{LinkID: w.LinkID, Scopes: scopes}, c, account)
	return back, err
}

// wait keeps a credential until its person says yes. What cannot be kept is given back.
func (d *Desk) wait(ctx context.Context, engine Provider, t Trip, l luggage, c provider.Credential, account provider.Account) (string, Trip, error) {
	sites, err := engine.Sites(ctx, c)
	if err != nil && !errors.Is(err, provider.ErrUnsupported) {
		d.giveBack(ctx, engine, t, c, account)
		return "", t, fmt.Errorf("%w: %w", provider.ErrProbe, err)
	}
	plaintext, err := c.Plaintext()
	if err != nil {
		return "", t, err
	}
	defer clear(plaintext)
	text, handle := newSecret("")
	now := d.Now()
	waiting := t
	waiting.Stage, waiting.Handle, waiting.Sealed, waiting.BegunAt, waiting.ExpiresAt = Arrived, handle, nil, now, now.Add(Lifetime)
	if err := d.keep(ctx, waiting, luggage{LinkID: l.LinkID, Scopes: l.Scopes, Credential: plaintext, Account: account, Sites: sites}); err != nil {
		d.giveBack(ctx, engine, t, c, account)
		return "", t, err
	}
	return text, waiting, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
