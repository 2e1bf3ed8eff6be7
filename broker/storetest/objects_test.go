package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const spec = `{"note":"a"}`

func TestObjectRoundTrip(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		made := storetest.New(d.Default, object.KindClient, "claude", spec,
			object.Key{Space: "client_id", Value: "claude", Exclusive: true}, object.Key{Space: "zone", Value: "b"})
		made.Labels = map[string]string{"team": "it"}
		storetest.Apply(t, objects, made)

		for name, read := range map[string]func() (object.Stored, error){
			"by name": func() (object.Stored, error) { return objects.Get(t.Context(), d.Default, object.KindClient, "claude") },
			"by uid": func() (object.Stored, error) {
				return objects.ByUID(t.Context(), d.Default, object.KindClient, made.UID)
			},
			"by key": func() (object.Stored, error) {
				return first(objects.FindByKey(t.Context(), d.Default, "client_id", "claude"))
			},
			"by shared key": func() (object.Stored, error) { return first(objects.FindByKey(t.Context(), d.Default, "zone", "b")) },
			"in a list": func() (object.Stored, error) {
				return first(objects.List(t.Context(), d.Default, object.KindClient, "", 0))
			},
		} {
			got, err := read()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", made.Stored) {
				t.Errorf("%s:\n got %+v\nwant %+v", name, got, made.Stored)
			}
		}
		for name, read := range map[string]func() (object.Stored, error){
			"another name": func() (object.Stored, error) { return objects.Get(t.Context(), d.Default, object.KindClient, "Claude") },
			"another kind": func() (object.Stored, error) { return objects.Get(t.Context(), d.Default, object.KindUser, "claude") },
			"uid, kind":    func() (object.Stored, error) { return objects.ByUID(t.Context(), d.Default, object.KindUser, made.UID) },
		} {
			if _, err := read(); !errors.Is(err, object.ErrNotFound) {
				t.Errorf("%s: got %v, want ErrNotFound", name, err)
			}
		}
	})
}

func TestListPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		var changes []object.Change
		for _, name := range []string{"d", "a", "c", "b", "e"} {
			changes = append(changes, storetest.New(d.Default, object.KindUser, name, spec))
		}
		apply(t, objects, changes...)
		var names []string
		for after := ""; ; {
			page, err := objects.List(t.Context(), d.Default, object.KindUser, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, s := range page {
				names = append(names, s.Name)
			}
			after = names[len(names)-1]
		}
		if got := strings.Join(names, ""); got != "abcde" {
			t.Fatalf("pages gave %s", got)
		}
	})
}

func TestRevisions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		made := storetest.New(d.Default, object.KindResource, "notes", spec)
		storetest.Apply(t, objects, made)
		second := storetest.Next(made.Stored, `{"note":"b"}`)
		storetest.Apply(t, objects, second)

		skips := storetest.Next(second.Stored, spec)
		skips.Revision++
		renamed := storetest.Next(second.Stored, spec)
		renamed.Name = "other"
		cases := map[string]object.Change{
			"an older revision":    storetest.Next(made.Stored, spec),
			"a revision too far":   skips,
			"made once more":       made,
			"the name is taken":    storetest.New(d.Default, object.KindResource, "notes", spec),
			"a name never changes": renamed,
			"never made":           storetest.Next(storetest.New(d.Default, object.KindResource, "ghost", spec).Stored, spec),
			"deleted, never made":  storetest.Delete(storetest.New(d.Default, object.KindResource, "ghost", spec).Stored),
		}
		for name, c := range cases {
			fine := storetest.New(d.Default, object.KindUser, "neighbour", spec)
			_, err := objects.Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{fine, c}, Events: events(d.Default)})
			if !errors.Is(err, object.ErrConflict) {
				t.Errorf("%s: got %v, want ErrConflict", name, err)
			}
			if _, err := objects.Get(t.Context(), d.Default, object.KindUser, "neighbour"); !errors.Is(err, object.ErrNotFound) {
				t.Fatalf("%s: half of it was written: %v", name, err)
			}
		}
		got, err := objects.Get(t.Context(), d.Default, object.KindResource, "notes")
		if err != nil || string(got.Spec) != `{"note":"b"}` || got.Revision != 2 {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
}

func TestTombstone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		key := object.Key{Space: "client_id", Value: "claude", Exclusive: true}
		made := storetest.New(d.Default, object.KindClient, "claude", spec, key)
		storetest.Apply(t, objects, made)
		secret := object.Secret{ID: "sec_1", ClientUID: made.UID, Scheme: "sha256", Digest: []byte("d"), CreatedAt: time.Now()}
		if _, err := objects.AddSecret(t.Context(), d.Default, secret, storetest.Event(d.Default)); err != nil {
			t.Fatal(err)
		}
		storetest.Apply(t, objects, storetest.Delete(made.Stored))

		if _, err := objects.Get(t.Context(), d.Default, object.KindClient, "claude"); !errors.Is(err, object.ErrNotFound) {
			t.Fatalf("a deleted object was found by name: %v", err)
		}
		if found, err := objects.FindByKey(t.Context(), d.Default, "client_id", "claude"); err != nil || len(found) != 0 {
			t.Fatalf("a deleted object was found by key: %v, %v", found, err)
		}
		if live, err := objects.Secrets(t.Context(), d.Default, made.UID); err != nil || len(live) != 0 {
			t.Fatalf("a deleted client has live secrets: %v, %v", live, err)
		}
		gone := made.Stored
		gone.Revision++
		if _, err := objects.Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{storetest.Next(gone, spec)}, Events: events(d.Default)}); !errors.Is(err, object.ErrConflict) {
			t.Fatalf("a tombstone rose: %v", err)
		}
		again := storetest.New(d.Default, object.KindClient, "claude", spec, key)
		storetest.Apply(t, objects, again)
		if again.UID == made.UID {
			t.Fatal("the same uid")
		}
		if live, err := objects.Secrets(t.Context(), d.Default, again.UID); err != nil || len(live) != 0 {
			t.Fatalf("the new client inherited secrets: %v, %v", live, err)
		}
		reused := storetest.New(d.Default, object.KindClient, "third", spec)
		reused.UID = made.UID
		if _, err := objects.Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{reused}, Events: events(d.Default)}); !errors.Is(err, object.ErrConflict) {
			t.Fatalf("a uid was given twice: %v", err)
		}
	})
}

func TestExclusiveKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		exclusive := func(v string) object.Key { return object.Key{Space: "issuer", Value: v, Exclusive: true} }
		shared := func(v string) object.Key { return object.Key{Space: "issuer", Value: v} }
		a := storetest.New(d.Default, object.KindIdentityProvider, "a", spec, exclusive("https://a"))
		b := storetest.New(d.Default, object.KindIdentityProvider, "b", spec, exclusive("https://b"))
		s := storetest.New(d.Default, object.KindIdentityProvider, "s", spec, shared("https://s"))
		apply(t, objects, a, b, s)

		for name, c := range map[string]object.Change{
			"exclusive against exclusive": storetest.New(d.Default, object.KindIdentityProvider, "c", spec, exclusive("https://a")),
			"shared against exclusive":    storetest.New(d.Default, object.KindIdentityProvider, "c", spec, shared("https://a")),
			"exclusive against shared":    storetest.New(d.Default, object.KindIdentityProvider, "c", spec, exclusive("https://s")),
			"by an update":                storetest.Next(b.Stored, spec, exclusive("https://a")),
		} {
			_, err := objects.Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{c}, Events: events(d.Default)})
			if !errors.Is(err, object.ErrKeyTaken) {
				t.Errorf("%s: got %v, want ErrKeyTaken", name, err)
				continue
			}
			holder := "a"
			if name == "exclusive against shared" {
				holder = "s"
			}
			for _, part := range []string{"issuer", "https://" + holder, "IdentityProvider " + holder} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %q does not name %q", name, err, part)
				}
			}
		}

		apply(t, objects, storetest.Next(a.Stored, spec, exclusive("https://b")), storetest.Next(b.Stored, spec, exclusive("https://a")))
		got, err := first(objects.FindByKey(t.Context(), d.Default, "issuer", "https://b"))
		if err != nil || got.Name != "a" {
			t.Fatalf("after a swap https://b is held by %q, %v", got.Name, err)
		}
		other := d.Tenant(t, "other")
		storetest.Apply(t, objects, storetest.New(other, object.KindIdentityProvider, "a", spec, exclusive("https://a")))
	})
}

func TestVersions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		other := d.Tenant(t, "other")
		start := versions(t, d)
		if start[d.Default] != 1 || start[other] != 1 {
			t.Fatalf("tenants begin at %v", start)
		}
		alice := storetest.New(d.Default, object.KindUser, "alice", spec, object.Key{Space: "email", Value: "a@acme.com"})
		if v := storetest.Apply(t, objects, alice); v != 0 {
			t.Fatalf("a new user raised the version to %d", v)
		}
		bob := storetest.New(d.Default, object.KindUser, "bob", spec, object.Key{Space: "email", Value: "a@acme.com"})
		if v := storetest.Apply(t, objects, bob); v != 2 {
			t.Fatalf("a second holder of a key raised to %d, want 2: what others find by it has changed", v)
		}
		named, _, _, err := d.Store.Changes(t.Context(), d.Default, 1)
		if err != nil || !slices.Contains(named, ledger.ChangedObject{Kind: "Holder", UID: alice.UID}) || !slices.ContainsFunc(named, func(o ledger.ChangedObject) bool { return o.UID == bob.UID }) {
			t.Fatalf("the version names %v, %v; want bob, and alice who shares his key", named, err)
		}
		notes := storetest.New(d.Default, object.KindResource, "notes", spec)
		if v := storetest.Apply(t, objects, notes); v != 3 {
			t.Fatalf("a new resource raised to %d, want 3: it is in the picture", v)
		}
		quiet := storetest.Next(alice.Stored, spec)
		quiet.Narrows = false
		v, err := objects.Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{quiet, storetest.Delete(notes.Stored)}, Events: events(d.Default)})
		if err != nil || v != 4 {
			t.Fatalf("two changes raised to %d, %v; want 4, once", v, err)
		}
		if now := versions(t, d); now[d.Default] != 4 || now[other] != 1 {
			t.Fatalf("versions %v", now)
		}

		changed, upTo, complete, err := d.Store.Changes(t.Context(), d.Default, 2)
		want := []ledger.ChangedObject{{Kind: "Resource", UID: notes.UID}, {Kind: "User", UID: alice.UID}, {Kind: "Resource", UID: notes.UID}}
		slices.SortFunc(want[1:], func(a, b ledger.ChangedObject) int { return strings.Compare(a.Kind, b.Kind) })
		slices.SortFunc(changed[1:], func(a, b ledger.ChangedObject) int { return strings.Compare(a.Kind, b.Kind) })
		if err != nil || upTo != 4 || !complete || !slices.Equal(changed, want) {
			t.Fatalf("changes %v up to %d, complete %v, %v", changed, upTo, complete, err)
		}
		if _, err := d.Owner.ExecContext(t.Context(), "delete from tenant_changes where version = 3"); err != nil {
			t.Fatal(err)
		}
		if _, _, complete, err := d.Store.Changes(t.Context(), d.Default, 2); err != nil || complete {
			t.Fatalf("with a version swept away: complete %v, %v", complete, err)
		}
		if _, _, complete, err := d.Store.Changes(t.Context(), d.Default, 3); err != nil || !complete {
			t.Fatalf("after the swept version: complete %v, %v", complete, err)
		}
	})
}

func TestListen(t *testing.T) {
	d := postgres(t)
	objects := d.Objects(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hints := d.Open(t).Listen(ctx)
	hear := func(what string) {
		t.Helper()
		select {
		case <-hints:
		case <-time.After(10 * time.Second):
			t.Fatal("no hint: " + what)
		}
	}
	hear("when listening begins")
	storetest.Apply(t, objects, storetest.New(d.Default, object.KindResource, "notes", spec))
	hear("when a version moves")
	d.Disconnect(t, "chancery listen")
	hear("when the connection is back")
	storetest.Apply(t, objects, storetest.New(d.Default, object.KindResource, "other", spec))
	hear("when a version moves afterwards")
}

func TestParallelApplies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		stores := []*store.Objects{d.Objects(t)}
		if d.Role != "" {
			stores = append(stores, d.ObjectsOf(t, d.Open(t)))
		}
		made := storetest.New(d.Default, object.KindResource, "notes", spec)
		storetest.Apply(t, stores[0], made)

		const tries = 8
		var wg sync.WaitGroup
		errs := make([]error, tries)
		for i := range errs {
			wg.Go(func() {
				next := storetest.Next(made.Stored, fmt.Sprintf(`{"try":%d}`, i))
				_, errs[i] = stores[i%len(stores)].Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{next}, Events: events(d.Default)})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, object.ErrConflict):
				t.Errorf("a loser was told %v, want ErrConflict", err)
			}
		}
		if got := versions(t, d)[d.Default]; won != 1 || got != 3 {
			t.Fatalf("%d won and the version is %d; want 1 and 3", won, got)
		}
	})
}

func TestBootstrapRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects, err := d.Store.Objects(d.Store.Alone(time.Now))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		uids, errs := make([]string, 6), make([]error, 6)
		for i := range uids {
			wg.Go(func() {
				var made object.Stored
				made, errs[i] = objects.Bootstrap(t.Context(), "acme", time.Now())
				uids[i] = made.UID
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(uids); uids[0] != uids[len(uids)-1] {
			t.Fatalf("several tenants acme: %v", uids)
		}
		all, err := objects.Tenants(t.Context())
		if err != nil || len(all) != 2 || all[0].Name != "acme" || all[1].Name != tenant.DefaultName {
			t.Fatalf("tenants %v, %v", all, err)
		}
	})
}

func TestTenantObject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		uid := d.Tenant(t, "acme")
		found, err := objects.Get(t.Context(), uid, object.KindTenant, "acme")
		if err != nil {
			t.Fatal(err)
		}
		if v := storetest.Apply(t, objects, storetest.Next(found, `{"status":"suspended"}`)); v != 2 {
			t.Fatalf("a changed tenant raised to %d, want 2", v)
		}
		if _, err := objects.Get(t.Context(), d.Default, object.KindTenant, "acme"); !errors.Is(err, object.ErrNotFound) {
			t.Fatalf("a tenant saw another: %v", err)
		}
		found, err = objects.Tenant(t.Context(), "acme")
		if err != nil || found.Revision != 2 {
			t.Fatalf("%+v, %v", found, err)
		}
		if listed, err := objects.List(t.Context(), uid, object.KindTenant, "", 0); err != nil || len(listed) != 1 || listed[0].UID != found.UID {
			t.Fatalf("%v, %v", listed, err)
		}
		storetest.Apply(t, objects, storetest.Delete(found))
		if _, err := objects.Tenant(t.Context(), "acme"); !errors.Is(err, object.ErrNotFound) {
			t.Fatalf("a deleted tenant was found: %v", err)
		}
		if again := d.Tenant(t, "acme"); again == uid {
			t.Fatal("a new tenant has the uid of the deleted one")
		}
	})
}

func TestRefusedChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		other := d.Tenant(t, "other")
		for name, breakIt := range map[string]func(*object.Change){
			"another tenant": func(c *object.Change) { c.Tenant = other },
			"no tenant":      func(c *object.Change) { c.Tenant = tenant.UID{} },
			"no uid":         func(c *object.Change) { c.UID = "" },
			"no name":        func(c *object.Change) { c.Name = "" },
			"no kind":        func(c *object.Change) { c.Kind = "" },
			"no revision":    func(c *object.Change) { c.Revision = 0 },
			"no spec":        func(c *object.Change) { c.Spec = nil },
			"half a spec":    func(c *object.Change) { c.Spec = []byte(`{`) },
			"no time":        func(c *object.Change) { c.UpdatedAt = time.Time{} },
			"foreign tenant object": func(c *object.Change) {
				c.Kind, c.UID = object.KindTenant, other.String()
			},
		} {
			c := storetest.New(d.Default, object.KindClient, "claude", spec)
			breakIt(&c)
			if _, err := objects.Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{c}, Events: events(d.Default)}); err == nil {
				t.Errorf("%s: it was written", name)
			}
		}
		fine := storetest.New(d.Default, object.KindClient, "claude", spec)
		if _, err := objects.Apply(t.Context(), object.Write{Tenant: d.Default, Changes: []object.Change{fine}}); err == nil {
			t.Error("a change without an event was written")
		}
		if found, err := objects.List(t.Context(), d.Default, object.KindClient, "", 0); err != nil || len(found) != 0 {
			t.Fatalf("left behind: %v, %v", found, err)
		}
	})
}

func TestHostileText(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		storetest.Apply(t, objects, storetest.New(d.Default, object.KindClient, "claude", spec, object.Key{Space: "client_id", Value: "claude"}))
		for _, text := range []string{"' or '1'='1", "1=1", "claude' --", "claude; drop table objects", `claude" or ""="`, "%", "*", ""} {
			if s, err := objects.Get(t.Context(), d.Default, object.KindClient, text); !errors.Is(err, object.ErrNotFound) {
				t.Errorf("get %q: %v, %v", text, s, err)
			}
			if s, err := objects.FindByKey(t.Context(), d.Default, "client_id", text); err != nil || len(s) != 0 {
				t.Errorf("key %q: %v, %v", text, s, err)
			}
			if s, err := objects.ByUID(t.Context(), d.Default, object.KindClient, text); !errors.Is(err, object.ErrNotFound) {
				t.Errorf("uid %q: %v, %v", text, s, err)
			}
		}
		if _, err := objects.Get(t.Context(), d.Default, object.KindClient, "claude"); err != nil {
			t.Fatal(err)
		}
	})
}

func apply(t *testing.T, objects *store.Objects, changes ...object.Change) {
	t.Helper()
	if _, err := objects.Apply(t.Context(), object.Write{Tenant: changes[0].Tenant, Changes: changes, Events: events(changes[0].Tenant)}); err != nil {
		t.Fatal(err)
	}
}

func events(uid tenant.UID) []audit.Event { return []audit.Event{storetest.Event(uid)} }

func versions(t *testing.T, d *storetest.Database) map[tenant.UID]int64 {
	t.Helper()
	all, err := d.Store.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func first(found []object.Stored, err error) (object.Stored, error) {
	if err != nil || len(found) != 1 {
		return object.Stored{}, fmt.Errorf("%d found: %w", len(found), err)
	}
	return found[0], nil
}

func TestBuried(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		other := d.Tenant(t, "other")
		gone := storetest.New(d.Default, object.KindClient, "gone", spec)
		storetest.Apply(t, objects, gone)
		storetest.Apply(t, objects, storetest.Delete(gone.Stored))
		storetest.Apply(t, objects, storetest.New(d.Default, object.KindClient, "here", spec))
		names := []string{"here", "gone", "never", "' or 1=1 --"}
		for range 2 { // also when the name is taken again
			found, err := objects.Buried(t.Context(), d.Default, object.KindClient, names)
			if err != nil || !slices.Equal(found, []string{"gone"}) {
				t.Fatalf("buried %v, %v", found, err)
			}
			again := storetest.New(d.Default, object.KindClient, "gone", spec)
			storetest.Apply(t, objects, again)
			storetest.Apply(t, objects, storetest.Delete(again.Stored))
		}
		for name, find := range map[string]func() ([]string, error){
			"another tenant": func() ([]string, error) { return objects.Buried(t.Context(), other, object.KindClient, names) },
			"another kind":   func() ([]string, error) { return objects.Buried(t.Context(), d.Default, object.KindUser, names) },
			"no names":       func() ([]string, error) { return objects.Buried(t.Context(), d.Default, object.KindClient, nil) },
		} {
			if found, err := find(); err != nil || len(found) != 0 {
				t.Errorf("%s: %v, %v", name, found, err)
			}
		}
		if _, err := objects.Buried(t.Context(), tenant.UID{}, object.KindClient, names); !errors.Is(err, tenant.ErrNoTenant) {
			t.Errorf("no tenant: %v", err)
		}
	})
}
