package storetest_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func eventOf(t tenant.UID, kind audit.Type) audit.Event {
	e := storetest.Event(t)
	e.Type = kind
	return e
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func linkOf(t tenant.UID, n byte) interaction.Interaction {
	age, now := 300*time.Second, whole(time.Now())
	return interaction.Interaction{
		Handle: [32]byte{n}, Tenant: t, UserUID: "usr_1", ClientUID: "cli_1", ClientID: "agent", ResourceUID: "res_1", ACRValues: []string{"phr", "phrh"}, MaxAge: &age,
		Sealed: []byte{n}, BegunAt: now.Add(time.Duration(n) * time.Millisecond), ExpiresAt: now.Add(interaction.Lifetime),
	}
}

func tripleOf(i interaction.Interaction) interaction.Triple {
	return interaction.Triple{Tenant: i.Tenant, UserUID: i.UserUID, ClientUID: i.ClientUID, ResourceUID: i.ResourceUID}
}

func finished(i interaction.Interaction) interaction.Interaction {
	i.FinishedAt = whole(time.Now())
	i.ExpiresAt, i.IdPUID, i.Version = i.FinishedAt.Add(time.Minute), "idp_1", 1<<40
	i.Proof = session.Proof{ACR: "phr", AMR: []string{"hwk", "user"}, AuthTime: i.FinishedAt.Add(-time.Second)}
	return i
}

// An interaction is kept, found, departed from, finished once, and counts for its triple until its end.
func TestInteractions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		links := d.Store.Interactions(d.Ledger(t, d.Store))
		i, now := linkOf(d.Default, 1), time.Now()
		kept(t, links.Keep(t.Context(), i, 8, eventOf(d.Default, audit.TypeInteractionBegun)))
		found, err := links.Find(t.Context(), d.Default, i.Handle, now)
		kept(t, err)
		if *found.MaxAge != *i.MaxAge || !slices.Equal(found.ACRValues, i.ACRValues) || found.ClientID != "agent" || !found.ExpiresAt.Equal(i.ExpiresAt) || !found.DepartedAt.IsZero() || !found.FinishedAt.IsZero() {
			t.Errorf("found %+v", found)
		}
		waiting, err := links.Waiting(t.Context(), tripleOf(i), now)
		kept(t, err)
		if len(waiting) != 1 || string(waiting[0].Sealed) != "\x01" {
			t.Errorf("waiting %+v", waiting)
		}
		for name, find := range map[string]func() error{
			"another handle": func() error { _, err := links.Find(t.Context(), d.Default, [32]byte{9}, now); return err },
			"another tenant": func() error {
				_, err := links.Find(t.Context(), tenant.MustParseUID(id.New(id.Tenant, now)), i.Handle, now)
				return err
			},
			"too late": func() error { _, err := links.Find(t.Context(), d.Default, i.Handle, i.ExpiresAt); return err },
		} {
			if err := find(); !errors.Is(err, interaction.ErrGone) {
				t.Errorf("%s: %v", name, err)
			}
		}
		kept(t, links.Depart(t.Context(), d.Default, i.Handle, [32]byte{7}, now))
		if found, err = links.Find(t.Context(), d.Default, i.Handle, now); err != nil || found.Before != [32]byte{7} || found.DepartedAt.IsZero() {
			t.Errorf("after the departure: %+v %v", found, err)
		}
		done := finished(i)
		kept(t, links.Finish(t.Context(), done, eventOf(d.Default, audit.TypeInteractionFinished)))
		for name, err := range map[string]error{
			"finished twice":   links.Finish(t.Context(), done, eventOf(d.Default, audit.TypeInteractionFinished)),
			"departed after":   links.Depart(t.Context(), d.Default, i.Handle, [32]byte{}, now),
			"another's depart": links.Depart(t.Context(), tenant.MustParseUID(id.New(id.Tenant, now)), i.Handle, [32]byte{}, now),
		} {
			if !errors.Is(err, interaction.ErrGone) {
				t.Errorf("%s: %v", name, err)
			}
		}
		counting, err := links.Counting(t.Context(), tripleOf(i), now)
		kept(t, err)
		if len(counting) != 1 || counting[0].Proof.ACR != "phr" || !counting[0].Proof.AuthTime.Equal(done.Proof.AuthTime) || !slices.Equal(counting[0].Proof.AMR, done.Proof.AMR) {
			t.Errorf("counting %+v", counting)
		}
		for name, change := range map[string]func(*interaction.Triple){
			"user": func(x *interaction.Triple) { x.UserUID = "usr_2" }, "client": func(x *interaction.Triple) { x.ClientUID = "cli_2" },
			"resource": func(x *interaction.Triple) { x.ResourceUID = "res_2" }, "tenant": func(x *interaction.Triple) { x.Tenant = tenant.MustParseUID(id.New(id.Tenant, now)) },
		} {
			other := tripleOf(i)
			change(&other)
			if counting, err := links.Counting(t.Context(), other, now); err != nil || len(counting) != 0 {
				t.Errorf("counts for another %s: %v %v", name, counting, err)
			}
		}
		if counting, err := links.Counting(t.Context(), tripleOf(i), done.ExpiresAt); err != nil || len(counting) != 0 {
			t.Errorf("counts when its time is over: %v %v", counting, err)
		}
	})
}

// TestInteractionIsFinishedOnce, by however many at once, over two replicas on PostgreSQL.
func TestInteractionIsFinishedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		stores := []*store.Store{d.Store}
		if d.Name == "postgres" {
			stores = append(stores, d.Open(t))
		}
		i := linkOf(d.Default, 1)
		kept(t, d.Store.Interactions(d.Ledger(t, d.Store)).Keep(t.Context(), i, 8, eventOf(d.Default, audit.TypeInteractionBegun)))
		var all []*store.Interactions
		for _, s := range stores {
			all = append(all, s.Interactions(d.Ledger(t, s)))
		}
		var won, lost atomic.Int32
		var wait sync.WaitGroup
		for n := range 20 {
			wait.Go(func() {
				switch err := all[n%len(all)].Finish(t.Context(), finished(i), eventOf(d.Default, audit.TypeInteractionFinished)); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, interaction.ErrGone):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 || lost.Load() != 19 {
			t.Errorf("%d finished it, %d came too late", won.Load(), lost.Load())
		}
	})
}

// TestInteractionsAreBounded: the oldest of a user and client goes.
func TestInteractionsAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		links := d.Store.Interactions(d.Ledger(t, d.Store))
		for n := range byte(12) {
			i := linkOf(d.Default, n+1)
			i.ResourceUID = string('a' + rune(n))
			kept(t, links.Keep(t.Context(), i, 8, eventOf(d.Default, audit.TypeInteractionBegun)))
		}
		for n := range byte(12) {
			_, err := links.Find(t.Context(), d.Default, [32]byte{n + 1}, time.Now())
			if gone := errors.Is(err, interaction.ErrGone); gone != (n < 4) {
				t.Errorf("link %d: %v", n+1, err)
			}
		}
	})
}

// TestProofsEnd with a mark of a revocation, and with a change of the user, the client or the IdP, as when one is disabled.
func TestProofsEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		l := d.Ledger(t, d.Store)
		links, tokens := d.Store.Interactions(l), d.Store.Tokens(l)
		version := func() int64 {
			var v int64
			kept(t, d.Owner.QueryRowContext(t.Context(), "select version from tenant_versions where tenant_uid = '"+d.Default.String()+"'").Scan(&v))
			return v
		}
		n := byte(0)
		prove := func(user string) interaction.Interaction {
			n++
			i := linkOf(d.Default, n)
			i.UserUID = user
			kept(t, links.Keep(t.Context(), i, 8, eventOf(d.Default, audit.TypeInteractionBegun)))
			done := finished(i)
			done.Version = version()
			kept(t, links.Finish(t.Context(), done, eventOf(d.Default, audit.TypeInteractionFinished)))
			return done
		}
		counts := func(i interaction.Interaction) bool {
			counting, err := links.Counting(t.Context(), tripleOf(i), time.Now())
			kept(t, err)
			return len(counting) > 0
		}
		for _, h := range []lifecycle.Holder{{Kind: lifecycle.User, UID: "usr_1"}, {Kind: lifecycle.Client, UID: "cli_1"}, {Kind: lifecycle.IdP, UID: "idp_1"}} {
			i := prove("usr_1")
			if !counts(i) {
				t.Fatal("what was proved does not count")
			}
			_, err := tokens.Mark(t.Context(), d.Default, lifecycle.Mark{Holder: h, Until: time.Now().Add(object.MaxTokenLifetime + ledger.Margin), Event: storetest.Event(d.Default)})
			kept(t, err)
			if counts(i) {
				t.Errorf("it counts after a mark on the %s", h.Kind)
			}
		}
		user := storetest.New(d.Default, object.KindUser, "alice", spec)
		storetest.Apply(t, objects, user)
		i := prove(user.UID)
		if !counts(i) {
			t.Error("it ends with a change that came before")
		}
		storetest.Apply(t, objects, storetest.Next(user.Stored, spec)) // a second later
		if counts(i) {
			t.Error("it counts after the user was changed")
		}
	})
}

// TestInteractionsAreSwept, and challenges for passkeys with them.
func TestInteractionsAreSwept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		links := d.Store.Interactions(d.Ledger(t, d.Store))
		late, waits := linkOf(d.Default, 1), linkOf(d.Default, 2)
		late.BegunAt, late.ExpiresAt = late.BegunAt.Add(-time.Hour), time.Now().Add(-time.Minute)
		kept(t, links.Keep(t.Context(), late, 8, eventOf(d.Default, audit.TypeInteractionBegun)))
		kept(t, links.Keep(t.Context(), waits, 8, eventOf(d.Default, audit.TypeInteractionBegun)))
		swept, err := d.Store.Sweep(t.Context(), store.Retention{})
		kept(t, err)
		if _, err := links.Find(t.Context(), d.Default, waits.Handle, time.Now()); err != nil {
			t.Error(err)
		}
		var left int
		kept(t, d.Owner.QueryRowContext(t.Context(), "select count(*) from interactions").Scan(&left))
		if left > 1 || swept.Interactions > 1 { // Keep may have made room already
			t.Errorf("%d left, swept %+v", left, swept)
		}
	})
}

// kept wants what was written to be written.
func kept(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keepInteractions makes a row of each kind.
func keepInteractions(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	l := d.Ledger(t, d.Store)
	kept(t, d.Store.Interactions(l).Keep(t.Context(), linkOf(uid, 1), 8, eventOf(uid, audit.TypeInteractionBegun)))
	keys := d.Store.Passkeys(l)
	kept(t, keys.Add(t.Context(), keyOf(uid, "usr_1", "one"), 2, eventOf(uid, audit.TypePasskeyEnrolled)))
	kept(t, keys.Expect(t.Context(), passkey.Challenge{Handle: [32]byte{1}, Tenant: uid, UserUID: "usr_1", Session: [32]byte{2}, Purpose: passkey.Prove, ExpiresAt: time.Now().Add(time.Minute)}))
}
