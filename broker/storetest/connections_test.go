package storetest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
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

// Many end in one step, with one event each and one version for all of them, or none does.
func TestConnectionsMoveAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		c := d.Store.Connections(d.Ledger(t, d.Store))
		first := keepConnection(t, d, d.Default)
		second := first
		second.ID, second.Account.ID = connection.NewID(time.Now()), "second"
		must(t, c.Create(t.Context(), second, storetest.Event(d.Default)))
		both := []connection.Connection{first.Connection, second.Connection}
		events := func() []audit.Event { return []audit.Event{storetest.Event(d.Default), storetest.Event(d.Default)} }
		version := func() int64 {
			t.Helper()
			known, err := d.Store.Tokens(d.Ledger(t, d.Store)).Standing(t.Context(), d.Default, nil)
			must(t, err)
			return known.Version
		}

		must(t, c.Move(t.Context(), d.Default, second.ID, connection.Connected, connection.Suspended, "held", storetest.Event(d.Default)))
		if err := c.MoveAll(t.Context(), d.Default, both, connection.Revoked, "gone", events()); !errors.Is(err, connection.ErrMoved) {
			t.Errorf("one stands otherwise: %v", err)
		}
		if got, err := c.Load(t.Context(), first.Tenant, first.ID); err != nil || got.Status != connection.Connected {
			t.Errorf("one went without the other: %+v, %v", got, err)
		}
		both[1].Status = connection.Suspended
		for name, call := range map[string]func() error{
			"an event too few": func() error { return c.MoveAll(t.Context(), d.Default, both, connection.Revoked, "", events()[:1]) },
			"nothing":          func() error { return c.MoveAll(t.Context(), d.Default, nil, connection.Revoked, "", nil) },
			"without a tenant": func() error { return c.MoveAll(t.Context(), tenant.UID{}, both, connection.Revoked, "", events()) },
			"of another's tenant": func() error {
				return c.MoveAll(t.Context(), d.Tenant(t, "acme"), both, connection.Revoked, "", events())
			},
		} {
			if call() == nil {
				t.Error(name)
			}
		}
		before := version()
		must(t, c.MoveAll(t.Context(), d.Default, both, connection.Revoked, "gone", events()))
		if after := version(); after != before+1 {
			t.Errorf("the version went from %d to %d", before, after)
		}
		for _, one := range both {
			if got, err := c.Load(t.Context(), one.Tenant, one.ID); err != nil || got.Status != connection.Revoked || got.Reason != "gone" {
				t.Errorf("%+v, %v", got, err)
			}
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

// TestConnectionsEnd: what ended here stays until its provider was told, and one of many tells it.
func TestConnectionsEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		mine := d.Tenant(t, "mine")
		first, second := twoOf(t, d)
		s := keepConnection(t, d, mine)
		ctx, event := t.Context(), func() audit.Event { return storetest.Event(mine) }
		if due, err := first.RevokedNext(ctx, mine, 10); err != nil || len(due) != 0 {
			t.Fatalf("what is connected is taken for ended: %v %v", due, err)
		}
		if err := first.EndRevoked(ctx, mine, s.Connection, event()); !errors.Is(err, connection.ErrMoved) {
			t.Fatalf("what is connected goes: %v", err)
		}
		must(t, first.Move(ctx, mine, s.ID, connection.Connected, connection.Revoked, "test", event()))
		due, err := second.RevokedNext(ctx, mine, 10)
		if err != nil || len(due) != 1 || due[0].ID != s.ID {
			t.Fatalf("%v %v", due, err)
		}
		if others, err := first.RevokedNext(ctx, d.Default, 10); err != nil || len(others) != 0 {
			t.Fatalf("another tenant's: %v %v", others, err)
		}
		must(t, first.TakeRevoked(ctx, due[0], time.Hour))
		if err := second.TakeRevoked(ctx, due[0], time.Hour); !errors.Is(err, connection.ErrMoved) {
			t.Fatalf("two take one: %v", err)
		}
		if rest, err := second.RevokedNext(ctx, mine, 10); err != nil || len(rest) != 0 {
			t.Fatalf("it rests, and is due: %v %v", rest, err)
		}
		older := due[0]
		older.Version = 7
		if err := first.EndRevoked(ctx, mine, older, event()); !errors.Is(err, connection.ErrMoved) {
			t.Fatalf("another credential goes: %v", err)
		}
		must(t, first.EndRevoked(ctx, mine, due[0], event()))
		if _, err := second.Load(ctx, mine.String(), s.ID); !errors.Is(err, connection.ErrGone) {
			t.Fatal(err)
		}
	})
}

// A refresh that is under way may still save a successor: until it is over, or too old to be alive, nothing goes.
func TestConnectionsEndAfterTheirRefresh(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		mine := d.Tenant(t, "mine")
		rows, _ := twoOf(t, d)
		s := keepConnection(t, d, mine)
		ctx := t.Context()
		attempt := connection.Attempt{Tenant: s.Tenant, ID: s.ID, Version: s.Version, Name: "try_1", By: "replica"}
		must(t, rows.Begin(ctx, attempt))
		must(t, rows.Move(ctx, mine, s.ID, connection.Connected, connection.Revoked, "test", storetest.Event(mine)))
		if due, err := rows.RevokedNext(ctx, mine, 10); err != nil || len(due) != 0 {
			t.Fatalf("%v %v", due, err)
		}
		if err := rows.TakeRevoked(ctx, s.Connection, 0); !errors.Is(err, connection.ErrMoved) {
			t.Fatal(err)
		}
		if err := rows.EndRevoked(ctx, mine, s.Connection, storetest.Event(mine)); !errors.Is(err, connection.ErrMoved) {
			t.Fatal(err)
		}
		must(t, rows.Fail(ctx, attempt, connection.Failure{Code: "transient"}))
		if due, err := rows.RevokedNext(ctx, mine, 10); err != nil || len(due) != 1 {
			t.Fatalf("%v %v", due, err)
		}
	})
}

// TestConnectionsNobodyHolds: by what became of their user, client and provider.
func TestConnectionsNobodyHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		mine := d.Tenant(t, "mine")
		ctx := t.Context()
		rows, _ := twoOf(t, d)
		objects, err := d.Store.Objects(d.Ledger(t, d.Store))
		must(t, err)
		kept := map[object.Kind]object.Stored{}
		for kind, spec := range map[object.Kind]string{
			object.KindUser: `{"status":"active","attributes":{"note":"\"status\":\"disabled\"","badge":{"status":"disabled"}}}`, object.KindClient: `{"client_id":"robot"}`, object.KindProvider: `{"manifest":"static"}`,
		} {
			change := storetest.New(mine, kind, "mine", spec)
			_, err := objects.Apply(ctx, object.Write{Tenant: mine, Changes: []object.Change{change}, Events: []audit.Event{storetest.Event(mine)}})
			must(t, err)
			kept[kind] = change.Stored
		}
		n := 0
		connect := func(owner connection.Owner, provider string) string {
			n++
			now := time.Now()
			ref := connectiontest.Ref(mine.String(), now)
			ref.Owner, ref.Provider = owner, provider
			fake := connectiontest.NewProvider("single_use", time.Hour, time.Now)
			s := connectiontest.New(t, connectiontest.Keyring(t, now), ref, fake.Connect(), now)
			s.Account.ID = string(rune('a' + n))
			must(t, rows.Create(ctx, s, storetest.Event(mine)))
			return s.ID
		}
		user := connection.Owner{Kind: connection.User, UID: kept[object.KindUser].UID}
		robot := connection.Owner{Kind: connection.Client, UID: kept[object.KindClient].UID}
		there := kept[object.KindProvider].UID
		held := []string{connect(user, there), connect(robot, there), connect(connection.Owner{Kind: connection.Client, UID: "https://agent.example/metadata"}, there)}
		lost := []string{
			connect(connection.Owner{Kind: connection.User, UID: "usr_gone"}, there), connect(connection.Owner{Kind: connection.Client, UID: "cli_gone"}, there),
			connect(connection.Owner{Kind: connection.Client, UID: "dyn_gone"}, there), connect(user, "prv_gone"),
		}
		unheld := func() []string {
			var all []string
			for after := ""; ; {
				found, next, err := rows.Unheld(ctx, mine, after, 2)
				must(t, err)
				for _, one := range found {
					all = append(all, one.ID)
				}
				if after = next; next == "" {
					return all
				}
			}
		}
		slices.Sort(lost)
		if got := unheld(); !slices.Equal(got, lost) {
			t.Fatalf("%v, want %v", got, lost)
		}
		if others, _, err := rows.Unheld(ctx, d.Default, "", 100); err != nil || len(others) != 0 {
			t.Fatalf("another tenant's: %v %v", others, err)
		}
		// The user is disabled, and the client deleted.
		gone := storetest.Delete(kept[object.KindClient])
		off := storetest.Next(kept[object.KindUser], `{"status":"disabled"}`)
		_, err = objects.Apply(ctx, object.Write{Tenant: mine, Changes: []object.Change{off, gone}, Events: []audit.Event{storetest.Event(mine)}})
		must(t, err)
		lost = append(lost, held[:2]...)
		slices.Sort(lost)
		if got := unheld(); !slices.Equal(got, lost) {
			t.Fatalf("%v, want %v", got, lost)
		}
		if n, err := rows.CountHeldBy(ctx, mine, user); err != nil || n != 2 {
			t.Errorf("%d %v", n, err)
		}
		if all, err := rows.HeldBy(ctx, mine, user, 10); err != nil || len(all) != 2 {
			t.Errorf("%v %v", all, err)
		}
		// A deleted provider is read still: what ends at it needs what it said.
		_, err = objects.Apply(ctx, object.Write{Tenant: mine, Changes: []object.Change{storetest.Delete(kept[object.KindProvider])}, Events: []audit.Event{storetest.Event(mine)}})
		must(t, err)
		if past, err := objects.EverByUID(ctx, mine, object.KindProvider, there); err != nil || string(past.Spec) != `{"manifest":"static"}` {
			t.Errorf("%+v %v", past, err)
		}
		if _, err := objects.EverByUID(ctx, d.Default, object.KindProvider, there); !errors.Is(err, object.ErrNotFound) {
			t.Errorf("another tenant's: %v", err)
		}
		if got := unheld(); len(got) != 7 {
			t.Errorf("%v", got)
		}
		counts, err := rows.CountByStatus(ctx, mine)
		if err != nil || counts[connection.Connected] != 7 {
			t.Errorf("%v %v", counts, err)
		}
		inventory, err := rows.Inventory(ctx, mine, store.InventoryFilter{Owner: user, Limit: 1})
		if err != nil || len(inventory) != 1 || inventory[0].Owner != user {
			t.Errorf("%v %v", inventory, err)
		}
		inventory, err = rows.Inventory(ctx, mine, store.InventoryFilter{Provider: "prv_gone", Status: connection.Connected, Limit: 10})
		if err != nil || len(inventory) != 1 {
			t.Errorf("%v %v", inventory, err)
		}
		if inventory, err = rows.Inventory(ctx, mine, store.InventoryFilter{Status: connection.Revoked, Limit: 10}); err != nil || len(inventory) != 0 {
			t.Errorf("%v %v", inventory, err)
		}
	})
}
