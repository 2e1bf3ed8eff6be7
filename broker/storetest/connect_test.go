package storetest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connect/connecttest"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

func TestConnects(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		other := d.Store
		if d.Role != "" {
			other = d.Open(t)
		}
		first, second := d.Store.Connects(d.Ledger(t, d.Store)), other.Connects(d.Ledger(t, other))
		n := 0
		connecttest.Contract(t, func(t *testing.T) connecttest.Fixture {
			n++
			mine := d.Tenant(t, "mine-"+string(rune('a'+n)))
			user := storetest.New(mine, object.KindUser, "alice", spec)
			provider := storetest.New(mine, object.KindProvider, "github", spec)
			storetest.Apply(t, d.Objects(t), user)
			storetest.Apply(t, d.Objects(t), provider)
			version := int64(0)
			must(t, d.Store.SQL().QueryRowContext(t.Context(), "select version from tenant_versions where tenant_uid = $1", mine.String()).Scan(&version))
			shelf := newShelf(t, d)
			return connecttest.Fixture{
				Store: first, Second: second, Tenant: mine.String(), Other: d.Default.String(), User: user.UID, Provider: provider.UID, Version: version,
				Find: d.Store.Connections(d.Ledger(t, d.Store)).Find, Now: time.Now,
				End: func(_ *testing.T, uid string) {
					kind := lifecycle.Client
					if uid == user.UID {
						kind = lifecycle.User
					}
					shelf.mark(mine, kind, uid)
				},
			}
		})
	})
}

// TestDisabledPeopleConnectNothing: neither a person who was disabled on the way, nor at a provider that is gone.
func TestDisabledPeopleConnectNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		uid := d.Tenant(t, "mine")
		c, rows, now := d.Store.Connects(d.Ledger(t, d.Store)), d.Store.Connections(d.Ledger(t, d.Store)), time.Now()
		prv := storetest.New(uid, object.KindProvider, "github", spec)
		storetest.Apply(t, d.Objects(t), prv)
		for n, test := range []struct {
			spec, provider string
			ended          bool
		}{{`{"attributes":{"status":"disabled"},"status":"active"}`, prv.UID, false}, {`{}`, prv.UID, false}, {`{"status":"disabled"}`, prv.UID, true}, {`{"status":"active"}`, "prv_gone", true}} {
			user := storetest.New(uid, object.KindUser, "user-"+string(rune('a'+n)), test.spec)
			storetest.Apply(t, d.Objects(t), user)
			owner := connection.Owner{Kind: connection.User, UID: user.UID}
			ref := connection.Ref{Tenant: uid.String(), ID: connection.NewID(now), Owner: owner, Provider: test.provider}
			trip := connect.Trip{
				Handle: [32]byte{byte(n + 1)}, Tenant: uid.String(), Stage: connect.Arrived, UserUID: user.UID, Browser: [32]byte{3}, ProviderUID: test.provider,
				Version: 1 << 40, Sealed: []byte("CHS0rest"), BegunAt: now, ExpiresAt: now.Add(time.Minute),
			}
			must(t, c.KeepTrip(t.Context(), trip, 8))
			stored := connectiontest.New(t, connectiontest.Keyring(t, now), ref, provider.Credential{Origin: provider.FromPerson, Access: provider.NewSecret("a")}, now)
			err := c.Finish(t.Context(), connect.Made{Trip: trip, Connection: ref.ID, Provider: "github", At: now}, stored)
			if test.ended != errors.Is(err, connect.ErrEnded) || !test.ended && err != nil {
				t.Errorf("%+v: %v", test, err)
			}
			if held, err := rows.Find(t.Context(), uid.String(), owner, test.provider); err != nil || len(held) == 0 != test.ended {
				t.Errorf("%+v: %d connections, %v", test, len(held), err)
			}
		}
	})
}

// keepConnects puts a link and a trip there, for tests of the walls.
func keepConnects(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	c, now := d.Store.Connects(d.Ledger(t, d.Store)), time.Now()
	must(t, c.KeepLink(t.Context(), connect.Link{
		Handle: [32]byte{1}, Order: connect.Order{Tenant: uid.String(), UserUID: "usr_1", ClientUID: "cli_1", ProviderUID: "prv_1"}, Sealed: []byte("CHS0rest"),
		BegunAt: now, ExpiresAt: now.Add(time.Minute),
	}, 8))
	must(t, c.KeepTrip(t.Context(), connect.Trip{
		Handle: [32]byte{2}, Tenant: uid.String(), Stage: connect.Arrived, UserUID: "usr_1", Browser: [32]byte{3}, ProviderUID: "prv_1", Sealed: []byte("CHS0rest"),
		BegunAt: now, ExpiresAt: now.Add(time.Minute),
	}, 8))
}

// What is no sealed blob does not fit, nor does what is of nobody or never ends; and no method works without a tenant.
func TestConnectsRefuse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		c, now := d.Store.Connects(d.Ledger(t, d.Store)), time.Now()
		link := connect.Link{
			Handle: [32]byte{1}, Order: connect.Order{Tenant: d.Default.String(), UserUID: "usr_1", ClientUID: "cli_1", ProviderUID: "prv_1"}, Sealed: []byte("CHS0rest"),
			BegunAt: now, ExpiresAt: now.Add(time.Minute),
		}
		trip := connect.Trip{
			Handle: [32]byte{2}, Tenant: d.Default.String(), Stage: connect.Arrived, UserUID: "usr_1", Browser: [32]byte{3}, ProviderUID: "prv_1", Sealed: []byte("CHS0rest"),
			BegunAt: now, ExpiresAt: now.Add(time.Minute),
		}
		for name, change := range map[string]func(*connect.Link){
			"no handle": func(l *connect.Link) { l.Handle = [32]byte{} }, "nobody's": func(l *connect.Link) { l.UserUID = "" }, "no client": func(l *connect.Link) { l.ClientUID = "" },
			"to nowhere": func(l *connect.Link) { l.ProviderUID = "" }, "bare": func(l *connect.Link) { l.Sealed = []byte("lnk_secret") }, "empty": func(l *connect.Link) { l.Sealed = nil },
			"for ever": func(l *connect.Link) { l.ExpiresAt = time.Time{} }, "no tenant": func(l *connect.Link) { l.Tenant = "" },
		} {
			broken := link
			change(&broken)
			if err := c.KeepLink(t.Context(), broken, 8); err == nil {
				t.Errorf("a link was kept: %s", name)
			}
		}
		for name, change := range map[string]func(*connect.Trip){
			"no handle": func(x *connect.Trip) { x.Handle = [32]byte{} }, "nobody's": func(x *connect.Trip) { x.UserUID = "" }, "no browser": func(x *connect.Trip) { x.Browser = [32]byte{} },
			"to nowhere": func(x *connect.Trip) { x.ProviderUID = "" }, "bare": func(x *connect.Trip) { x.Sealed = []byte("gho_secret") }, "no stage": func(x *connect.Trip) { x.Stage = "" },
			"for ever": func(x *connect.Trip) { x.ExpiresAt = x.BegunAt }, "no tenant": func(x *connect.Trip) { x.Tenant = "" },
		} {
			broken := trip
			change(&broken)
			if err := c.KeepTrip(t.Context(), broken, 8); err == nil {
				t.Errorf("a trip was kept: %s", name)
			}
		}
		for name, call := range map[string]func() error{
			"find a link": func() error { _, err := c.FindLink(t.Context(), "", link.Handle); return err },
			"waiting":     func() error { _, err := c.WaitingLinks(t.Context(), connect.Order{}, now); return err },
			"find a trip": func() error { _, err := c.FindTrip(t.Context(), "", connect.Arrived, trip.Handle); return err },
			"take":        func() error { return c.TakeTrip(t.Context(), "", trip.Handle) },
			"ended":       func() error { _, err := c.EndedTrips(t.Context(), "", now, 1); return err },
		} {
			if err := call(); !errors.Is(err, tenant.ErrNoTenant) {
				t.Errorf("%s without a tenant: %v", name, err)
			}
		}
	})
}
