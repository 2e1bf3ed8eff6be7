package storetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// family is an entry with which a family begins, of one client for one user.
func family(t *testing.T, d *storetest.Database, owner tenant.UID, origin, user, client string) ledger.Entry {
	t.Helper()
	now := time.Now()
	version, err := d.Store.Version(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	token := id.New(id.Token, now)
	event := storetest.Event(owner)
	event.Type, event.Outcome, event.TokenID = audit.TypeTokenIssued, audit.Allowed, token
	return ledger.Entry{
		Tenant: owner, Pictures: []ledger.Picture{{Tenant: owner, Version: version}}, Event: event,
		Token: &ledger.IssuedToken{
			ID: token, Tenant: owner, IssuedAt: now, ExpiresAt: now.Add(10 * time.Minute), KeyID: "k", GrantType: "authorization_code",
			ClientUID: client, Subject: user, IdPUID: "idp_1", ResourceID: "res_1", Audience: "https://mcp.acme.com/notes", Scope: "notes:read", Origin: origin,
		},
		Family: &ledger.Family{
			ID: id.New(id.Family, now), Tenant: owner, Origin: origin, UserUID: user, ClientUID: client, IdPUID: "idp_1", Issuer: "https://idp", Session: [32]byte{1},
			Resources: []ledger.FamilyResource{{UID: "res_1", URI: "https://mcp.acme.com/notes", Scopes: []string{"notes:read"}}},
			Idle:      time.Hour, Absolute: 24 * time.Hour,
		},
	}
}

func begin(t *testing.T, d *storetest.Database, e ledger.Entry) *ledger.Family {
	t.Helper()
	if err := d.Ledger(t, d.Store).Commit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e.Family
}

func endOf(t *testing.T, k *store.Families, f *ledger.Family) string {
	t.Helper()
	found, err := k.Family(t.Context(), f.Tenant, f.ID)
	if err != nil {
		t.Fatal(err)
	}
	if found.End == nil {
		return ""
	}
	return found.End.Why
}

// As the runtime role: families of two tenants move in one batch, and neither tenant sees the other's.
func TestFamiliesOfTwoTenants(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		other := d.Tenant(t, "other")
		l := d.Ledger(t, d.Store)
		k := d.Store.Families(l)
		mine, theirs := begin(t, d, family(t, d, d.Default, "a", "usr_1", "cli_1")), begin(t, d, family(t, d, other, "a", "usr_1", "cli_1"))
		answers := make(chan error, 2)
		for _, f := range []*ledger.Family{mine, theirs} {
			e := family(t, d, f.Tenant, "a", "usr_1", "cli_1")
			e.Family, e.Rotation = nil, &ledger.Rotation{Family: f.ID, Origin: "a", From: 1, Idle: time.Hour}
			go func() { answers <- l.Commit(context.WithoutCancel(t.Context()), e) }()
		}
		for range 2 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if _, err := k.Family(t.Context(), other, mine.ID); !errors.Is(err, refresh.ErrUnknown) {
			t.Errorf("another tenant sees it: %v", err)
		}
		// Ending one tenant's origin leaves the other's of the same name.
		e := family(t, d, d.Default, "a", "usr_1", "cli_1")
		e.Family, e.Token, e.Ending = nil, nil, &ledger.Ending{Origin: "a", Why: ledger.EndedByReuse}
		if err := l.Commit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if why := endOf(t, k, mine); why != ledger.EndedByReuse {
			t.Errorf("mine: %q", why)
		}
		if why := endOf(t, k, theirs); why != "" {
			t.Errorf("theirs: %q", why)
		}
		if n, err := k.End(t.Context(), d.Default, refresh.Choice{Family: theirs.ID}, "person", storetest.Event(d.Default)); err != nil || n != 0 {
			t.Errorf("another tenant ended %d, %v", n, err)
		}
	})
}

// Each choice ends what it is about, and nothing beside it.
func TestEndFamilies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		k := d.Store.Families(d.Ledger(t, d.Store))
		entry := func(origin, user, client string, session byte, offline bool) ledger.Entry {
			e := family(t, d, d.Default, origin, user, client)
			e.Family.Session, e.Family.Offline = [32]byte{session}, offline
			return e
		}
		one := begin(t, d, entry("one", "usr_1", "cli_1", 1, false))
		bound := begin(t, d, entry("bound", "usr_2", "cli_1", 2, false))
		offline := begin(t, d, entry("offline", "usr_2", "cli_1", 2, true))
		pair, person := begin(t, d, entry("pair", "usr_3", "cli_1", 3, true)), begin(t, d, entry("person", "usr_3", "cli_2", 3, true))
		bystander := begin(t, d, entry("bystander", "usr_4", "cli_1", 4, false))
		for _, c := range []struct {
			name  string
			which refresh.Choice
			ends  []*ledger.Family
		}{
			{"a family", refresh.Choice{Family: one.ID}, []*ledger.Family{one}},
			{"a person and a client", refresh.Choice{UserUID: "usr_3", ClientUID: "cli_1"}, []*ledger.Family{pair}},
			{"a person", refresh.Choice{UserUID: "usr_3"}, []*ledger.Family{person}},
		} {
			n, err := k.End(t.Context(), d.Default, c.which, ledger.EndedByPerson, storetest.Event(d.Default))
			if err != nil || n != int64(len(c.ends)) {
				t.Errorf("%s: ended %d, %v", c.name, n, err)
			}
			for _, f := range c.ends {
				if why := endOf(t, k, f); why != ledger.EndedByPerson {
					t.Errorf("%s: %q", c.name, why)
				}
			}
		}
		for _, f := range []*ledger.Family{bound, offline, bystander} {
			if why := endOf(t, k, f); why != "" {
				t.Errorf("%s ended: %q", f.Origin, why)
			}
		}
		for name, c := range map[string]refresh.Choice{"nothing": {}, "a client of nobody": {ClientUID: "cli_1"}, "two things": {Family: "f", UserUID: "u"}} {
			if _, err := k.End(t.Context(), d.Default, c, "x", storetest.Event(d.Default)); err == nil {
				t.Errorf("%s was ended", name)
			}
		}
		tokens := d.Store.Tokens(d.Ledger(t, d.Store))
		live, err := tokens.List(t.Context(), d.Default, lifecycle.Filter{LiveOnly: true, Since: time.Now().Add(-time.Hour), Limit: 10})
		if err != nil || len(live) != 3 {
			t.Errorf("%d tokens are alive, %v", len(live), err)
		}
		if mine, err := k.OfUser(t.Context(), d.Default, "usr_2"); err != nil || len(mine) != 2 {
			t.Errorf("of the user: %+v, %v", mine, err)
		}
	})
}

// What was granted within a session ends with it, in its transaction, under whatever handle it was granted; what was granted
// beyond it goes on.
func TestSessionsEndFamilies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		l := d.Ledger(t, d.Store)
		k, sessions, tokens := d.Store.Families(l), d.Store.Sessions(l), d.Store.Tokens(l)
		within := func(origin, name string, offline bool) *ledger.Family {
			e := family(t, d, d.Default, origin, "usr_alice", "cli_1")
			e.Family.Session, e.Family.Offline = handle(name), offline
			return begin(t, d, e)
		}
		first, other := beginning(d.Default, "first"), beginning(d.Default, "other")
		must(t, sessions.Start(t.Context(), first))
		must(t, sessions.Start(t.Context(), other))
		renewed := beginning(d.Default, "renewed")
		renewed.Session.ID, renewed.Previous = first.Session.ID, &first.Session.Handle
		bound, beyond := within("bound", "first", false), within("beyond", "first", true)
		must(t, sessions.Start(t.Context(), renewed))
		later, elsewhere := within("later", "renewed", false), within("elsewhere", "other", false)
		if why := endOf(t, k, bound); why != "" {
			t.Errorf("it ended when its session went on: %q", why)
		}
		over := ending(d.Default)
		over.Handle = &renewed.Session.Handle
		must(t, erring(sessions.End(t.Context(), over)))
		for f, want := range map[*ledger.Family]string{bound: ledger.EndedBySession, later: ledger.EndedBySession, beyond: "", elsewhere: ""} {
			if why := endOf(t, k, f); why != want {
				t.Errorf("%s: %q, want %q", f.Origin, why, want)
			}
		}
		// Somebody else signs in in the other browser.
		another := beginning(d.Default, "another")
		another.Session.UserUID, another.Previous = "usr_bob", &other.Session.Handle
		ended := sessionEvent(d.Default, audit.TypeSessionEnded)
		another.Ended = &ended
		must(t, sessions.Start(t.Context(), another))
		if why := endOf(t, k, elsewhere); why != ledger.EndedBySession {
			t.Errorf("elsewhere: %q", why)
		}
		live, err := tokens.List(t.Context(), d.Default, lifecycle.Filter{LiveOnly: true, Since: time.Now().Add(-time.Hour), Limit: 10})
		if err != nil || len(live) != 1 {
			t.Errorf("%d tokens are alive, %v", len(live), err)
		}
	})
}

// A mark ends what began before it, of its holder, and is counted once.
func TestMarksEndFamilies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		l := d.Ledger(t, d.Store)
		k, tokens := d.Store.Families(l), d.Store.Tokens(l)
		for _, h := range []lifecycle.Holder{{Kind: lifecycle.Client, UID: "cli_1"}, {Kind: lifecycle.User, UID: "usr_1"}, {Kind: lifecycle.IdP, UID: "idp_1"}} {
			before := begin(t, d, family(t, d, d.Default, "before "+string(h.Kind), "usr_1", "cli_1"))
			if n, err := tokens.CountFamilies(t.Context(), d.Default, h, 0); err != nil || n != 1 {
				t.Fatalf("%s: %d families are alive, %v", h.Kind, n, err)
			}
			version, err := tokens.Mark(t.Context(), d.Default, lifecycle.Mark{Holder: h, Until: time.Now().Add(time.Hour), Event: storetest.Event(d.Default)})
			if err != nil {
				t.Fatal(err)
			}
			if why := endOf(t, k, before); why != refresh.Revoked {
				t.Errorf("%s: %q", h.Kind, why)
			}
			for below, want := range map[int64]int64{version: 1, 0: 0} {
				if n, err := tokens.CountFamilies(t.Context(), d.Default, h, below); err != nil || n != want {
					t.Errorf("%s below %d: %d, %v", h.Kind, below, n, err)
				}
			}
			after := begin(t, d, family(t, d, d.Default, "after "+string(h.Kind), "usr_1", "cli_1"))
			if why := endOf(t, k, after); why != "" {
				t.Errorf("%s: what began after the mark: %q", h.Kind, why)
			}
			if _, err := k.End(t.Context(), d.Default, refresh.Choice{Family: after.ID}, "x", storetest.Event(d.Default)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The sweeper takes what was over a day ago, of every tenant, and nothing else.
func TestSweepFamilies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		other := d.Tenant(t, "other")
		k := d.Store.Families(d.Ledger(t, d.Store))
		old, theirs := begin(t, d, family(t, d, d.Default, "old", "usr_1", "cli_1")), begin(t, d, family(t, d, other, "old", "usr_1", "cli_1"))
		young := begin(t, d, family(t, d, d.Default, "young", "usr_1", "cli_1"))
		for _, f := range []*ledger.Family{old, theirs} {
			ago := time.Now().Add(-25 * time.Hour).UnixMicro()
			tx, err := d.Owner.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if d.Role != "" {
				if _, err := tx.ExecContext(t.Context(), "select set_config('chancery.tenant', $1, true)", f.Tenant.String()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := tx.ExecContext(t.Context(), "update refresh_families set idle_until = $1 where id = $2", ago, f.ID); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		swept, err := d.Store.Sweep(t.Context(), store.Retention{})
		if err != nil || swept.Families != 2 {
			t.Fatalf("swept %d, %v", swept.Families, err)
		}
		if why := endOf(t, k, young); why != "" {
			t.Errorf("young: %q", why)
		}
		if _, err := k.Family(t.Context(), d.Default, old.ID); !errors.Is(err, refresh.ErrUnknown) {
			t.Errorf("old: %v", err)
		}
	})
}
