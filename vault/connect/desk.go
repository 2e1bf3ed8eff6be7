package connect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Provider is what is needed of one; *provider.Provider has it.
type Provider interface {
	Manifest() provider.Manifest
	Authorize(ask provider.Ask) (string, provider.Departure, error)
	Arrive(query url.Values, d provider.Departure) (provider.Secret, error)
	Exchange(ctx context.Context, code provider.Secret, d provider.Departure) (provider.Credential, provider.Account, error)
	Enter(user string, entered provider.Secret) (provider.Credential, error)
	Probe(ctx context.Context, c provider.Credential) (provider.Account, error)
	Sites(ctx context.Context, c provider.Credential) ([]provider.Account, error)
	Revoke(ctx context.Context, c provider.Credential) error
}

// Providers finds a tenant's provider by its uid, as it is configured now. One that is disabled or gone is an error.
type Providers interface {
	Connecting(ctx context.Context, tenant, uid string) (Provider, error)
}

// Connections is what an owner has already; connection.Store has it.
type Connections interface {
	Find(ctx context.Context, tenant string, owner connection.Owner, provider string) ([]connection.Connection, error)
}

// Store keeps links and trips. Every method names a tenant, and sees that tenant's alone.
type Store interface {
	// WaitingLinks lists the links of a person, a client and a provider that have not ended at now, the newest first.
	WaitingLinks(ctx context.Context, o Order, now time.Time) ([]Link, error)
	// KeepLink adds a link, and removes the oldest of its person and client so that no more than most wait.
	KeepLink(ctx context.Context, l Link, most int) error
	// FindLink gives a link, ended or not, or ErrGone.
	FindLink(ctx context.Context, tenant string, handle [sha256.Size]byte) (Link, error)

	// KeepTrip adds a trip. Of those that have departed, the oldest of its person go so that no more than most wait; of those
	// that have arrived, the oldest end at once, for their credential must be given back.
	KeepTrip(ctx context.Context, t Trip, most int) error
	// FindTrip gives a trip at a stage, ended or not, or ErrGone.
	FindTrip(ctx context.Context, tenant string, stage Stage, handle [sha256.Size]byte) (Trip, error)
	// TakeTrip removes a trip; of any number who take it one does, and the others get ErrGone.
	TakeTrip(ctx context.Context, tenant string, handle [sha256.Size]byte) error
	// Finish makes the connection, removes its trip and its link, and writes the event, all or nothing. ErrGone: the trip or
	// the link went, or ended before m.At; ErrEnded: a revocation of the person or the client since; connection.ErrTaken.
	Finish(ctx context.Context, m Made, s connection.Stored) error
	// FinishAgain is Finish for an account that is connected: the successor takes the place of version from; connection.ErrMoved.
	FinishAgain(ctx context.Context, m Made, ref connection.Ref, from int64, s connection.Successor) error
	// EndedTrips lists trips that arrived and ended before a time, of one tenant.
	EndedTrips(ctx context.Context, tenant string, before time.Time, limit int) ([]Trip, error)
}

// Config is what a desk is made of.
type Config struct {
	Store       Store
	Connections Connections
	Sealer      vault.Sealer
	Providers   Providers
	Log         *slog.Logger
	Now         func() time.Time
}

// Desk gives out links, sends people to providers and takes what they bring back. It is safe for concurrent use.
type Desk struct{ Config }

// New refuses a desk in which a part is missing.
func New(c Config) (*Desk, error) {
	if c.Store == nil || c.Connections == nil || c.Sealer == nil || c.Providers == nil || c.Log == nil || c.Now == nil {
		return nil, errors.New("connect: a part is missing")
	}
	return &Desk{c}, nil
}

// Link gives the id of a link for an agent's demand. The client is known: it proved who it is. A client that asks for the
// same again, soon, gets the same link: its retries fill nothing.
func (d *Desk) Link(ctx context.Context, o Order) (string, error) {
	if !o.complete() {
		return "", errors.New("connect: an order of nobody or for nothing")
	}
	o.Scopes, o.Account = sorted(o.Scopes), provider.Clean(o.Account) // the person is shown it
	now := d.Now()
	waiting, err := d.Store.WaitingLinks(ctx, o, now)
	if err != nil {
		return "", err
	}
	for _, l := range waiting {
		if l.ExpiresAt.Sub(now) < reusable || !l.asks(o) {
			continue
		}
		text, err := d.Sealer.Open(ctx, l.Sealed, placeOf(l.Tenant, tableLinks, l.Handle))
		if err == nil && digest(string(text)) == l.Handle {
			return string(text), nil
		} // a link that does not open here is not given again
	}
	text, handle := newSecret(Prefix)
	l := Link{Handle: handle, Order: o, BegunAt: now, ExpiresAt: now.Add(Lifetime)}
	if l.Sealed, err = d.Sealer.Seal(ctx, []byte(text), placeOf(l.Tenant, tableLinks, handle)); err != nil {
		return "", fmt.Errorf("seal the link: %w", err)
	}
	if err := d.Store.KeepLink(ctx, l, MaxLinks); err != nil {
		return "", err
	}
	return text, nil
}

// asks tells whether a link is for the same as an order. Who asked under which trace makes no difference.
func (l Link) asks(o Order) bool {
	return l.Tenant == o.Tenant && l.UserUID == o.UserUID && l.ClientUID == o.ClientUID && l.ProviderUID == o.ProviderUID &&
		l.Account == o.Account && slices.Equal(sorted(l.Scopes), o.Scopes)
}

// Open finds the link that waits under an id: ErrGone, ErrExpired. Whose it is, the caller compares before he shows anything.
func (d *Desk) Open(ctx context.Context, tenant, text string) (Link, error) {
	handle, ok := readSecret(Prefix, text)
	if !ok || tenant == "" {
		return Link{}, ErrGone
	}
	l, err := d.Store.FindLink(ctx, tenant, handle)
	if err != nil {
		return Link{}, err
	}
	if l.Handle != handle || l.Tenant != tenant { // the store has asked the same
		return Link{}, ErrGone
	}
	if !d.Now().Before(l.ExpiresAt) {
		return Link{}, ErrExpired
	}
	return l, nil
}

const (
	tableLinks = "connect_links"
	tableTrips = "connect_trips"
)

// placeOf is where something sealed stands.
func placeOf(tenant, table string, handle [sha256.Size]byte) vault.AAD {
	return vault.AAD{Tenant: tenant, Table: table, UID: hex.EncodeToString(handle[:]), Column: "sealed"}
}

func sorted(scopes []string) []string {
	list := slices.Clone(scopes)
	slices.Sort(list)
	return slices.Compact(list)
}
