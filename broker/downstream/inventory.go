package downstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
)

// Filter narrows an inventory; what is empty does not narrow. Owner and Provider are uids here.
type Filter struct {
	Owner    connection.Owner
	Provider string
	Status   connection.Status
	After    string
	Limit    int
}

// Lister lists a tenant's connections in the order of their ids.
type Lister interface {
	Inventory(ctx context.Context, t tenant.UID, f Filter) ([]connection.Connection, error)
}

// Objects find what connections name.
type Objects interface {
	Get(ctx context.Context, t tenant.UID, kind object.Kind, name string) (object.Stored, error)
	ByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error)
}

// Inventory is what is connected, for administrators. No credential is opened for it.
type Inventory struct {
	*Custodian
	Lister  Lister
	Objects Objects
}

// NewInventory refuses one in which a part is missing.
func NewInventory(i Inventory) (*Inventory, error) {
	if i.Custodian == nil || i.Lister == nil || i.Objects == nil {
		return nil, errors.New("downstream: a part of the inventory is missing")
	}
	return &i, nil
}

// Party is an object by its uid, and by its name if it is still there.
type Party struct {
	Kind string `json:"kind,omitempty"`
	UID  string `json:"uid"`
	Name string `json:"name,omitempty"`
}

// Record is everything about a connection that is no secret.
type Record struct {
	ID       string   `json:"id"`
	Owner    Party    `json:"owner"`
	Provider Party    `json:"provider"`
	Account  Account  `json:"account"`
	Scopes   []string `json:"scopes"` // the provider's
	Status   string   `json:"status"`
	Reason   string   `json:"reason,omitempty"`
	// Version of the credential, and what it is sealed with since when.
	Version    int64      `json:"version"`
	KeyID      string     `json:"key_id"`
	SealedAt   time.Time  `json:"sealed_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"` // of the access token
	Refresh    Refresh    `json:"refresh"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	LastUsedBy string     `json:"last_used_by,omitempty"` // a client
}

// Account is whose it is at the provider.
type Account struct {
	ID    string `json:"id,omitempty"`
	Label string `json:"label,omitempty"`
}

// Refresh is where the renewal of a credential stands.
type Refresh struct {
	State    string     `json:"state"`
	At       *time.Time `json:"at,omitempty"`       // from when on it is due
	Failures int        `json:"failures,omitempty"` // since the last success
	Failure  string     `json:"failure,omitempty"`
	RetryIn  string     `json:"retry_in,omitempty"` // until the provider is asked again
}

// Query narrows a list by names or uids; what is empty does not narrow.
type Query struct {
	User, Client, Provider, Status string
	After                          string
	Limit                          int
}

// ErrQuery says that a list was asked for in two ways, or for what there is not.
var ErrQuery = errors.New("connections are listed of a user or of a client, one of them, with one of the statuses there are")

// List tells of a tenant's connections.
func (i *Inventory) List(ctx context.Context, t tenant.UID, q Query) ([]Record, error) {
	f := Filter{After: q.After, Limit: q.Limit, Status: connection.Status(q.Status)}
	switch f.Status {
	case "", connection.Connected, connection.ReauthorizationRequired, connection.Suspended, connection.Revoked:
	default:
		return nil, ErrQuery
	}
	if q.User != "" && q.Client != "" {
		return nil, ErrQuery
	}
	var err error
	switch {
	case q.User != "":
		f.Owner, err = i.owner(ctx, t, connection.User, q.User)
	case q.Client != "":
		f.Owner, err = i.owner(ctx, t, connection.Client, q.Client)
	}
	if err != nil {
		return nil, err
	}
	if q.Provider != "" {
		if f.Provider, err = i.uidOf(ctx, t, object.KindProvider, q.Provider); err != nil {
			return nil, err
		}
	}
	found, err := i.Lister.Inventory(ctx, t, f)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	records := make([]Record, len(found))
	for n, one := range found {
		if records[n], err = i.record(ctx, t, one, names); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// Get tells of one.
func (i *Inventory) Get(ctx context.Context, t tenant.UID, id string) (Record, error) {
	s, err := i.Rows.Load(ctx, t.String(), id)
	if err != nil {
		return Record{}, err
	}
	return i.record(ctx, t, s.Connection, map[string]string{})
}

// record gives a connection its names.
func (i *Inventory) record(ctx context.Context, t tenant.UID, c connection.Connection, names map[string]string) (Record, error) {
	r := Record{
		ID: c.ID, Owner: Party{Kind: string(c.Owner.Kind), UID: c.Owner.UID}, Provider: Party{UID: c.Provider},
		Account: Account{ID: c.Account.ID, Label: c.Account.Label}, Scopes: c.Scopes, Status: string(c.Status), Reason: c.Reason,
		Version: c.Version, KeyID: c.KeyID, SealedAt: c.SealedAt, ExpiresAt: instant(c.ExpiresAt),
		Refresh:   Refresh{State: string(c.Flight.State), At: instant(c.RefreshAt), Failures: c.Failures, Failure: c.Failure},
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, LastUsedAt: instant(c.LastUsedAt), LastUsedBy: c.LastUsedBy,
	}
	if r.Scopes == nil {
		r.Scopes = []string{}
	}
	if c.RetryIn > 0 {
		r.Refresh.RetryIn = c.RetryIn.Round(time.Second).String()
	}
	kind := object.KindUser
	if c.Owner.Kind == connection.Client {
		kind = object.KindClient
	}
	for _, p := range []struct {
		into *Party
		kind object.Kind
	}{{&r.Owner, kind}, {&r.Provider, object.KindProvider}} {
		name, known := names[p.into.UID]
		if !known {
			stored, err := i.Objects.ByUID(ctx, t, p.kind, p.into.UID)
			if err != nil && !errors.Is(err, object.ErrNotFound) {
				return Record{}, err
			}
			name = stored.Name // "" where it is gone
			names[p.into.UID] = name
		}
		p.into.Name = name
	}
	return r, nil
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (i *Inventory) owner(ctx context.Context, t tenant.UID, kind connection.OwnerKind, which string) (connection.Owner, error) {
	of := object.KindUser
	if kind == connection.Client {
		of = object.KindClient
	}
	uid, err := i.uidOf(ctx, t, of, which)
	return connection.Owner{Kind: kind, UID: uid}, err
}

// uidOf finds an object by its name; a uid is taken as it is, so that what an object left is found after it went.
func (i *Inventory) uidOf(ctx context.Context, t tenant.UID, kind object.Kind, which string) (string, error) {
	if strings.HasPrefix(which, string(kind.IDKind())+"_") {
		return which, nil
	}
	stored, err := i.Objects.Get(ctx, t, kind, which)
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", kind, which, err)
	}
	return stored.UID, nil
}
