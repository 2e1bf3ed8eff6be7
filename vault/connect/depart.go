package connect

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Wish is what a person sets out for. With a link, the link says what for, and the rest of the wish is not looked at.
type Wish struct {
	Tenant   string // uid
	Person   Person
	Provider string // uid
	LinkID   string
	Scopes   []string // the provider's
	Account  string   // id or label of the account that is meant; empty: the only one, if there is one
	Another  bool     // an account besides those that are connected
}

// Depart gives the address at the provider that the browser goes to. What was agreed there before is asked for again, so that
// asking for more loses nothing. provider.ErrUnsupported: nobody goes there to connect.
func (d *Desk) Depart(ctx context.Context, w Wish) (string, error) {
	trip, scopes, err := d.setOut(ctx, w)
	if err != nil {
		return "", err
	}
	p, err := d.Providers.Connecting(ctx, trip.Tenant, trip.ProviderUID)
	if err != nil {
		return "", err
	}
	before, err := d.before(ctx, trip, w.Another)
	if err != nil {
		return "", err
	}
	ask := provider.Ask{Scopes: scopes, Held: before.Scopes}
	if !p.Manifest().DisablePKCE { // who refuses what he does not know is sent nothing that may be missing
		ask.Hint = before.Account.Label
	}
	address, departure, err := p.Authorize(ask)
	if err != nil {
		return "", err
	}
	rests, err := departure.Plaintext()
	if err != nil {
		return "", err
	}
	trip.Stage, trip.Handle = Departed, digest(departure.State.Reveal())
	if err := d.keep(ctx, trip, luggage{LinkID: w.LinkID, Scopes: scopes, Departure: rests}); err != nil {
		return "", err
	}
	return address, nil
}

// setOut binds a trip to its person, and to the link if there is one.
func (d *Desk) setOut(ctx context.Context, w Wish) (Trip, []string, error) {
	if w.Tenant == "" || w.Provider == "" || !w.Person.complete() || len(w.Scopes) > maxScopes {
		return Trip{}, nil, errors.New("connect: a wish of nobody or for nothing")
	}
	now := d.Now()
	trip := Trip{
		Tenant: w.Tenant, UserUID: w.Person.UserUID, Browser: w.Person.Browser, Version: w.Person.Version, ProviderUID: w.Provider,
		Account: provider.Clean(w.Account), BegunAt: now, ExpiresAt: now.Add(Lifetime),
	}
	if w.LinkID == "" {
		return trip, sorted(w.Scopes), nil
	}
	l, err := d.Open(ctx, w.Tenant, w.LinkID)
	if err != nil {
		return Trip{}, nil, err
	}
	if l.UserUID != w.Person.UserUID {
		return Trip{}, nil, ErrWrongPerson
	}
	if l.ProviderUID != w.Provider {
		return Trip{}, nil, ErrGone
	}
	trip.Link, trip.ClientUID, trip.ClientID, trip.ClientName, trip.Account = l.Handle, l.ClientUID, l.ClientID, l.ClientName, l.Account
	return trip, l.Scopes, nil
}

// before is the connection that a trip is to widen or to mend; nothing where it is a new one's.
func (d *Desk) before(ctx context.Context, t Trip, another bool) (connection.Connection, error) {
	if another {
		return connection.Connection{}, nil
	}
	held, err := d.Connections.Find(ctx, t.Tenant, ownedBy(t.UserUID), t.ProviderUID)
	if err != nil {
		return connection.Connection{}, err
	}
	one, err := connection.Choose(held, t.Account)
	switch {
	case errors.Is(err, connection.ErrGone), errors.Is(err, connection.ErrAmbiguous):
		return connection.Connection{}, nil
	case err != nil:
		return connection.Connection{}, err
	case one.Status == connection.Suspended:
		return connection.Connection{}, ErrHeld
	}
	return one, nil
}

// luggage is what a trip carries, sealed.
type luggage struct {
	LinkID     string             `json:"link,omitempty"`
	Scopes     []string           `json:"scopes,omitempty"` // wanted
	Departure  json.RawMessage    `json:"departure,omitempty"`
	Credential []byte             `json:"credential,omitempty"`
	Account    provider.Account   `json:"account,omitzero"`
	Sites      []provider.Account `json:"sites,omitempty"`
}

func (d *Desk) keep(ctx context.Context, t Trip, l luggage) error {
	plaintext, err := json.Marshal(l)
	if err != nil {
		return err
	}
	defer clear(plaintext)
	if t.Sealed, err = d.Sealer.Seal(ctx, plaintext, placeOf(t.Tenant, tableTrips, t.Handle)); err != nil {
		return fmt.Errorf("seal the trip: %w", err)
	}
	return d.Store.KeepTrip(ctx, t, MaxTrips)
}

func (d *Desk) unpack(ctx context.Context, t Trip) (luggage, error) {
	plaintext, err := d.Sealer.Open(ctx, t.Sealed, placeOf(t.Tenant, tableTrips, t.Handle))
	if err != nil {
		return luggage{}, err
	}
	defer clear(plaintext)
	var l luggage
	if err := json.Unmarshal(plaintext, &l); err != nil {
		return luggage{}, provider.ErrNotCredential // the cause would quote it
	}
	return l, nil
}

// find gives a trip at a stage to the person who began it, in the browser in which he did, within its time.
func (d *Desk) find(ctx context.Context, tenant string, stage Stage, handle [sha256.Size]byte, p Person) (Trip, error) {
	if tenant == "" {
		return Trip{}, ErrGone
	}
	t, err := d.Store.FindTrip(ctx, tenant, stage, handle)
	if err != nil {
		return Trip{}, err
	}
	if t.Handle != handle || t.Tenant != tenant || t.Stage != stage { // the store has asked the same
		return Trip{}, ErrGone
	}
	if !p.complete() || subtle.ConstantTimeCompare(t.Browser[:], p.Browser[:]) != 1 {
		return Trip{}, ErrWrongBrowser
	}
	if t.UserUID != p.UserUID {
		return Trip{}, ErrWrongPerson
	}
	return t, nil
}

func (d *Desk) over(t Trip) bool { return !d.Now().Before(t.ExpiresAt) }
