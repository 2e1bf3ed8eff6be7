package storetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

// twoOf is a store as two processes see it; SQLite takes one process only.
func twoOf(t *testing.T, d *storetest.Database) (first, second *store.Connections) {
	t.Helper()
	other := d.Store
	if d.Role != "" {
		other = d.Open(t)
	}
	return d.Store.Connections(d.Ledger(t, d.Store)), other.Connections(d.Ledger(t, other))
}

func TestConnections(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		first, second := twoOf(t, d)
		n := 0
		connectiontest.Contract(t, func(t *testing.T) connectiontest.Fixture {
			n++
			mine := d.Tenant(t, "mine-"+string(rune('a'+n)))
			return connectiontest.Fixture{
				Store: first, Second: second, Tenant: mine.String(), Other: d.Default.String(), Now: time.Now,
				Create: func(ctx context.Context, s connection.Stored) error {
					return first.Create(ctx, s, storetest.Event(mine))
				},
				Remove: func(ctx context.Context, _, id string) error {
					return first.Remove(ctx, mine, id, storetest.Event(mine))
				},
				SetStatus: func(ctx context.Context, _, id string, to connection.Status, reason string) error {
					now, err := first.Load(ctx, mine.String(), id)
					if err != nil {
						return err
					}
					return first.Move(ctx, mine, id, now.Status, to, reason, storetest.Event(mine))
				},
			}
		})
	})
}

// keepConnection puts one there, for tests of the walls.
func keepConnection(t *testing.T, d *storetest.Database, uid tenant.UID) connection.Stored {
	t.Helper()
	now := time.Now()
	fake := connectiontest.NewProvider(provider.SingleUse, time.Hour, time.Now)
	s := connectiontest.New(t, connectiontest.Keyring(t, now), connectiontest.Ref(uid.String(), now), fake.Connect(), now)
	must(t, d.Store.Connections(d.Ledger(t, d.Store)).Create(t.Context(), s, storetest.Event(uid)))
	return s
}

// What is no sealed blob does not fit into the column, whoever writes it.
func TestConnectionsHoldOnlySealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		c := d.Store.Connections(d.Ledger(t, d.Store))
		s := keepConnection(t, d, d.Default)
		for name, blob := range map[string]string{"a token": "gho_0123456789", "another magic": "CHS1rest", "cut short": "CHS"} {
			bare := s
			bare.ID, bare.Account.ID, bare.Blob = connection.NewID(time.Now()), "bare", []byte(blob)
			if err := c.Create(t.Context(), bare, storetest.Event(d.Default)); err == nil {
				t.Errorf("%s was stored", name)
			}
			if err := c.Rewrap(t.Context(), s, connection.Successor{Blob: []byte(blob), KeyID: "k", SealedAt: time.Now()}); err == nil {
				t.Errorf("%s took a credential's place", name)
			}
		}
	})
}

func TestConnectionsBeginAndEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		c := d.Store.Connections(d.Ledger(t, d.Store))
		s := keepConnection(t, d, d.Default)
		twin := s
		twin.ID = connection.NewID(time.Now())
		if err := c.Create(t.Context(), twin, storetest.Event(d.Default)); !errors.Is(err, connection.ErrTaken) {
			t.Errorf("one account twice: %v", err)
		}
		listed, err := c.List(t.Context(), d.Default, "", 10)
		if err != nil || len(listed) != 1 || listed[0].KeyID != s.KeyID || !listed[0].SealedAt.Equal(s.SealedAt) {
			t.Errorf("%+v, %v", listed, err)
		}

		// A new consent replaces a credential that died, and ends what was in flight.
		a := connection.Attempt{Tenant: s.Tenant, ID: s.ID, Version: 1, Name: "try_1", By: "replica"}
		must(t, c.Begin(t.Context(), a))
		must(t, c.Fail(t.Context(), a, connection.Failure{Code: "terminal", Terminal: true}))
		next := connection.Successor{Blob: s.Blob, KeyID: "new", SealedAt: time.Now()}
		must(t, c.Replace(t.Context(), s.Ref, 1, "bob", next, storetest.Event(d.Default)))
		got, err := c.Load(t.Context(), s.Tenant, s.ID)
		if err != nil || got.Status != connection.Connected || got.Version != 2 || got.Flight.Attempt != "" || got.Account.Label != "bob" || got.Failure != "" {
			t.Errorf("%+v, %v", got, err)
		}
		if err := c.Replace(t.Context(), s.Ref, 1, "bob", next, storetest.Event(d.Default)); !errors.Is(err, connection.ErrMoved) {
			t.Errorf("an older version: %v", err)
		}

		must(t, c.Move(t.Context(), d.Default, s.ID, connection.Connected, connection.Suspended, "held", storetest.Event(d.Default)))
		if err := c.Replace(t.Context(), s.Ref, 2, "bob", next, storetest.Event(d.Default)); !errors.Is(err, connection.ErrMoved) {
			t.Errorf("a consent ended a suspension: %v", err)
		}
		if err := c.Move(t.Context(), d.Default, s.ID, connection.Connected, connection.Revoked, "", storetest.Event(d.Default)); !errors.Is(err, connection.ErrMoved) {
			t.Errorf("from where it does not stand: %v", err)
		}
		must(t, c.Move(t.Context(), d.Default, s.ID, connection.Suspended, connection.Revoked, "", storetest.Event(d.Default)))
		must(t, c.Create(t.Context(), twin, storetest.Event(d.Default)))
		must(t, c.Remove(t.Context(), d.Default, s.ID, storetest.Event(d.Default)))
		if err := c.Remove(t.Context(), d.Default, s.ID, storetest.Event(d.Default)); !errors.Is(err, connection.ErrGone) {
			t.Errorf("removed twice: %v", err)
		}
	})
}

// No method works without a tenant.
func TestConnectionsWithoutTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		c := d.Store.Connections(d.Ledger(t, d.Store))
		s := keepConnection(t, d, d.Default)
		a := connection.Attempt{Tenant: "acme", ID: s.ID, Version: 1, Name: "try_1", By: "replica"}
		next := connection.Successor{Blob: s.Blob, KeyID: "k", SealedAt: time.Now()}
		nobodys := s
		nobodys.Tenant = ""
		ctx, e := t.Context(), storetest.Event(d.Default)
		for name, call := range map[string]func() error{
			"find":    func() error { _, err := c.Find(ctx, "", s.Owner, s.Provider); return err },
			"load":    func() error { _, err := c.Load(ctx, "", s.ID); return err },
			"list":    func() error { _, err := c.List(ctx, tenant.UID{}, "", 1); return err },
			"begin":   func() error { return c.Begin(ctx, a) },
			"save":    func() error { return c.Save(ctx, a, next) },
			"fail":    func() error { return c.Fail(ctx, a, connection.Failure{}) },
			"touch":   func() error { return c.Touch(ctx, "", s.ID, "cli_1", time.Now()) },
			"next":    func() error { _, err := c.RewrapNext(ctx, "", "k", "", 1); return err },
			"left":    func() error { _, err := c.RewrapLeft(ctx, "", "k"); return err },
			"rewrap":  func() error { return c.Rewrap(ctx, nobodys, next) },
			"create":  func() error { return c.Create(ctx, nobodys, e) },
			"replace": func() error { return c.Replace(ctx, nobodys.Ref, 1, "", next, e) },
			"move":    func() error { return c.Move(ctx, tenant.UID{}, s.ID, connection.Connected, connection.Revoked, "", e) },
			"remove":  func() error { return c.Remove(ctx, tenant.UID{}, s.ID, e) },
		} {
			if err := call(); !errors.Is(err, tenant.ErrNoTenant) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
