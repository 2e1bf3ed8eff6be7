package connecttest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Fixture is one store to be held to the contract, as two processes see it.
type Fixture struct {
	Store, Second connect.Store
	Tenant, Other string // uids
	User          string // who is there, and so is the provider
	Provider      string
	Version       int64 // of the tenant
	Find          func(ctx context.Context, tenant string, owner connection.Owner, provider string) ([]connection.Connection, error)
	// End revokes the user or a client from now on.
	End func(t *testing.T, uid string)
	Now func() time.Time
}

type suite struct {
	Fixture
	n byte
}

// Contract holds a store to what connect.Store says.
func Contract(t *testing.T, fixture func(t *testing.T) Fixture) {
	t.Helper()
	for name, test := range map[string]func(s *suite, t *testing.T){
		"links": (*suite).links, "links are bounded": (*suite).linksBounded, "trips": (*suite).trips, "trips are bounded": (*suite).tripsBounded,
		"finish": (*suite).finish, "finish again": (*suite).finishAgain, "finish once": (*suite).finishOnce, "who was ended": (*suite).ended, "what is missing": (*suite).missing,
	} {
		t.Run(name, func(t *testing.T) { test(&suite{Fixture: fixture(t)}, t) })
	}
}

func (s *suite) at() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func (s *suite) handle() [32]byte { s.n++; return [32]byte{s.n} }

func (s *suite) link() connect.Link {
	now := s.at().Add(time.Duration(s.n) * time.Millisecond)
	return connect.Link{
		Handle: s.handle(), Order: connect.Order{
			Tenant: s.Tenant, UserUID: s.User, ClientUID: "cli_1", ClientID: "claude", ClientName: "Claude", ProviderUID: s.Provider,
			Scopes: []string{"a", "b"}, Account: "alice", Trace: "trc_1",
		},
		Sealed: []byte("CHS0rest"), BegunAt: now, ExpiresAt: now.Add(connect.Lifetime),
	}
}

func (s *suite) trip(stage connect.Stage) connect.Trip {
	now := s.at().Add(time.Duration(s.n) * time.Millisecond)
	return connect.Trip{
		Handle: s.handle(), Tenant: s.Tenant, Stage: stage, UserUID: s.User, Browser: [32]byte{9}, Version: s.Version, ProviderUID: s.Provider, Account: "alice",
		Sealed: []byte("CHS0rest"), BegunAt: now, ExpiresAt: now.Add(connect.Lifetime),
	}
}

func (s *suite) links(t *testing.T) {
	l := s.link()
	must(t, s.Store.KeepLink(t.Context(), l, 8))
	found, err := s.Second.FindLink(t.Context(), s.Tenant, l.Handle)
	must(t, err)
	if found.Trace != l.Trace || !slices.Equal(found.Scopes, l.Scopes) || found.Account != l.Account || found.ClientID != l.ClientID || found.ClientName != l.ClientName ||
		!found.ExpiresAt.Equal(l.ExpiresAt) || string(found.Sealed) != string(l.Sealed) || found.UserUID != l.UserUID || found.ProviderUID != l.ProviderUID {
		t.Errorf("%+v", found)
	}
	for name, test := range map[string]struct {
		change func(*connect.Order)
		at     time.Time
		want   int
	}{
		"the same":         {func(*connect.Order) {}, s.at(), 1},
		"another client":   {func(o *connect.Order) { o.ClientUID = "cli_2" }, s.at(), 0},
		"another user":     {func(o *connect.Order) { o.UserUID = "usr_2" }, s.at(), 0},
		"another provider": {func(o *connect.Order) { o.ProviderUID = "prv_2" }, s.at(), 0},
		"another tenant":   {func(o *connect.Order) { o.Tenant = s.Other }, s.at(), 0},
		"too late":         {func(*connect.Order) {}, l.ExpiresAt, 0},
	} {
		o := l.Order
		test.change(&o)
		if waiting, err := s.Store.WaitingLinks(t.Context(), o, test.at); err != nil || len(waiting) != test.want {
			t.Errorf("%s: %d, %v", name, len(waiting), err)
		}
	}
	for name, find := range map[string]func() error{
		"another handle": func() error { _, err := s.Store.FindLink(t.Context(), s.Tenant, [32]byte{99}); return err },
		"another tenant": func() error { _, err := s.Store.FindLink(t.Context(), s.Other, l.Handle); return err },
	} {
		if err := find(); !errors.Is(err, connect.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (s *suite) linksBounded(t *testing.T) {
	var all []connect.Link
	for range 5 {
		l := s.link()
		all = append(all, l)
		must(t, s.Store.KeepLink(t.Context(), l, 3))
	}
	waiting, err := s.Store.WaitingLinks(t.Context(), all[0].Order, s.at())
	must(t, err)
	if len(waiting) != 3 || waiting[0].Handle != all[4].Handle || waiting[2].Handle != all[2].Handle {
		t.Errorf("%d wait", len(waiting))
	}
}

func (s *suite) trips(t *testing.T) {
	out := s.trip(connect.Departed)
	out.Link, out.ClientUID, out.ClientID, out.ClientName = [32]byte{77}, "cli_1", "claude", "Claude"
	must(t, s.Store.KeepTrip(t.Context(), out, 10))
	found, err := s.Second.FindTrip(t.Context(), s.Tenant, connect.Departed, out.Handle)
	must(t, err)
	if found.Link != out.Link || found.Browser != out.Browser || found.UserUID != out.UserUID || found.Version != out.Version || found.ClientUID != "cli_1" ||
		found.ClientID != "claude" || found.ClientName != "Claude" || found.Account != "alice" || string(found.Sealed) != string(out.Sealed) || !found.ExpiresAt.Equal(out.ExpiresAt) {
		t.Errorf("%+v", found)
	}
	for name, find := range map[string]func() error{
		"another stage": func() error {
			_, err := s.Store.FindTrip(t.Context(), s.Tenant, connect.Arrived, out.Handle)
			return err
		},
		"another tenant": func() error {
			_, err := s.Store.FindTrip(t.Context(), s.Other, connect.Departed, out.Handle)
			return err
		},
		"taken there": func() error { return s.Store.TakeTrip(t.Context(), s.Other, out.Handle) },
	} {
		if err := find(); !errors.Is(err, connect.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ended, err := s.Store.EndedTrips(t.Context(), s.Tenant, out.ExpiresAt, 10); err != nil || len(ended) != 0 {
		t.Errorf("who departed has nothing to give back: %v %v", ended, err)
	}
	var won atomic.Int32
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			store := s.Store
			if i%2 == 1 {
				store = s.Second
			}
			if err := store.TakeTrip(context.Background(), s.Tenant, out.Handle); err == nil {
				won.Add(1)
			} else if !errors.Is(err, connect.ErrGone) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if won.Load() != 1 {
		t.Errorf("%d took it", won.Load())
	}
}

func (s *suite) tripsBounded(t *testing.T) {
	for _, stage := range []connect.Stage{connect.Departed, connect.Arrived} {
		var all []connect.Trip
		for range 4 {
			one := s.trip(stage)
			all = append(all, one)
			must(t, s.Store.KeepTrip(t.Context(), one, 2))
		}
		for i, one := range all {
			found, err := s.Store.FindTrip(t.Context(), s.Tenant, stage, one.Handle)
			switch {
			case stage == connect.Departed && i < 2 && !errors.Is(err, connect.ErrGone):
				t.Errorf("departed %d: %v", i, err)
			case stage == connect.Arrived && i < 2 && (err != nil || found.ExpiresAt.After(all[3].BegunAt)):
				t.Errorf("arrived %d: %v %v", i, found.ExpiresAt, err)
			case i >= 2 && (err != nil || !found.ExpiresAt.Equal(one.ExpiresAt)):
				t.Errorf("%s %d: %v %v", stage, i, found.ExpiresAt, err)
			}
		}
		ended, err := s.Store.EndedTrips(t.Context(), s.Tenant, all[3].BegunAt, 10)
		must(t, err)
		if want := map[connect.Stage]int{connect.Departed: 0, connect.Arrived: 2}[stage]; len(ended) != want {
			t.Errorf("%s: %d have ended", stage, len(ended))
		}
	}
}

// order is a trip that arrived, for a link, and what would be made of it.
func (s *suite) order(t *testing.T, sealer vault.Sealer, account string) (connect.Made, connection.Stored) {
	t.Helper()
	l, trip := s.link(), s.trip(connect.Arrived)
	trip.Link, trip.ClientUID, trip.ClientID, trip.ClientName = l.Handle, l.ClientUID, l.ClientID, l.ClientName
	must(t, s.Store.KeepLink(t.Context(), l, 8))
	must(t, s.Store.KeepTrip(t.Context(), trip, 10))
	now := s.at().Add(time.Second)
	ref := connection.Ref{Tenant: s.Tenant, ID: connection.NewID(now), Owner: connection.Owner{Kind: connection.User, UID: s.User}, Provider: s.Provider}
	c := provider.Credential{Origin: provider.FromPerson, Access: provider.NewSecret("a"), Scopes: []string{"a"}, IssuedAt: now}
	stored := connectiontest.New(t, sealer, ref, c, now)
	stored.Account = provider.Account{ID: account, Label: account}
	return connect.Made{
		Visit: connect.Visit{Trace: "trc_1", Remote: "192.0.2.1"}, Trip: trip, Connection: ref.ID, Provider: "github", Account: stored.Account, Scopes: c.Scopes, At: now,
	}, stored
}

func (s *suite) owned(t *testing.T) []connection.Connection {
	t.Helper()
	found, err := s.Find(t.Context(), s.Tenant, connection.Owner{Kind: connection.User, UID: s.User}, s.Provider)
	must(t, err)
	return found
}

func (s *suite) finish(t *testing.T) {
	sealer := connectiontest.Keyring(t, s.Now())
	m, stored := s.order(t, sealer, "one")
	must(t, s.Store.Finish(t.Context(), m, stored))
	if got := s.owned(t); len(got) != 1 || got[0].Account.ID != "one" || got[0].ID != m.Connection {
		t.Errorf("%+v", got)
	}
	if err := s.Store.Finish(t.Context(), m, stored); !errors.Is(err, connect.ErrGone) {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.Store.FindLink(t.Context(), s.Tenant, m.Trip.Link); !errors.Is(err, connect.ErrGone) {
		t.Errorf("the link stays: %v", err)
	}
	taken, twin := s.order(t, sealer, "one")
	if err := s.Store.Finish(t.Context(), taken, twin); !errors.Is(err, connection.ErrTaken) {
		t.Errorf("the same account: %v", err)
	}
	if _, err := s.Store.FindTrip(t.Context(), s.Tenant, connect.Arrived, taken.Trip.Handle); err != nil {
		t.Errorf("a trip whose connection was not made went: %v", err)
	}
	late, stored := s.order(t, sealer, "late")
	late.At = late.Trip.ExpiresAt
	if err := s.Store.Finish(t.Context(), late, stored); !errors.Is(err, connect.ErrGone) {
		t.Errorf("too late: %v", err)
	}
	if len(s.owned(t)) != 1 {
		t.Error("something was made all the same")
	}
}

func (s *suite) finishAgain(t *testing.T) {
	sealer := connectiontest.Keyring(t, s.Now())
	m, stored := s.order(t, sealer, "one")
	must(t, s.Store.Finish(t.Context(), m, stored))
	again, _ := s.order(t, sealer, "one")
	again.Connection, again.Again = stored.ID, true
	next := connection.Successor{Blob: stored.Blob, KeyID: "next", SealedAt: again.At, Scopes: []string{"a", "b"}}
	if err := s.Store.FinishAgain(t.Context(), again, stored.Ref, 7, next); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("another version: %v", err)
	}
	must(t, s.Store.FinishAgain(t.Context(), again, stored.Ref, 1, next))
	if got := s.owned(t); len(got) != 1 || got[0].Version != 2 || !slices.Equal(got[0].Scopes, next.Scopes) {
		t.Errorf("%+v", got)
	}
}

func (s *suite) finishOnce(t *testing.T) {
	m, stored := s.order(t, connectiontest.Keyring(t, s.Now()), "one")
	var won atomic.Int32
	var wait sync.WaitGroup
	for i := range 10 {
		wait.Go(func() {
			store := s.Store
			if i%2 == 1 {
				store = s.Second
			}
			err := store.Finish(context.Background(), m, stored)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, connect.ErrGone) && !errors.Is(err, connection.ErrTaken):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if won.Load() != 1 || len(s.owned(t)) != 1 {
		t.Errorf("%d finished it", won.Load())
	}
}

func (s *suite) ended(t *testing.T) {
	sealer := connectiontest.Keyring(t, s.Now())
	m, stored := s.order(t, sealer, "one")
	s.End(t, "cli_1")
	if err := s.Store.Finish(t.Context(), m, stored); !errors.Is(err, connect.ErrEnded) {
		t.Errorf("for a client that was revoked: %v", err)
	}
	alone, other := s.order(t, sealer, "two")
	alone.Trip.Link, alone.Trip.ClientUID = [32]byte{}, ""
	s.End(t, s.User)
	if err := s.Store.Finish(t.Context(), alone, other); !errors.Is(err, connect.ErrEnded) {
		t.Errorf("for a user who was revoked: %v", err)
	}
	if len(s.owned(t)) != 0 {
		t.Error("something was made all the same")
	}
}

func (s *suite) missing(t *testing.T) {
	m, stored := s.order(t, connectiontest.Keyring(t, s.Now()), "one")
	for name, change := range map[string]func(*connect.Made){
		"another trip":   func(m *connect.Made) { m.Trip.Handle = [32]byte{99} },
		"another's trip": func(m *connect.Made) { m.Trip.UserUID = "usr_2" },
		"another link":   func(m *connect.Made) { m.Trip.Link = [32]byte{98} },
	} {
		broken := m
		change(&broken)
		if err := s.Store.Finish(t.Context(), broken, stored); err == nil || len(s.owned(t)) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, s.Store.Finish(t.Context(), m, stored))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
