package snapshot_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

func TestIssuers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		acme := w.Tenant(t, "acme")
		root, p := get(t, w.a, tenant.DefaultName), get(t, w.a, "acme")
		if root.Issuer != publicURL || p.Issuer != publicURL+"/t/acme" || p.UID != acme || p.TimeZone == nil {
			t.Fatalf("issuers %s and %s", root.Issuer, p.Issuer)
		}
		if len(root.Pictures()) != 1 || root.Pictures()[0] != (ledger.Picture{Tenant: root.UID, Version: root.Version}) {
			t.Errorf("default rests on %v", root.Pictures())
		}
		if ps := p.Pictures(); len(ps) != 2 || ps[0].Tenant != acme || ps[1].Tenant != root.UID {
			t.Errorf("acme rests on %v, want its own picture and default's", ps)
		}
		for _, name := range []string{"", "nobody", "ACME", "acme ", strings.Repeat("a", 64), "acme' or '1'='1"} {
			wantUnknown(t, w.a, name)
		}
	})
}

func TestChangesReachEveryReplica(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		before := get(t, w.b, tenant.DefaultName)
		notes := w.make(t, w.Default, "notes", resource("https://notes.example.com"))

		if _, ok := get(t, w.a, tenant.DefaultName).ResourceByName("notes"); !ok {
			t.Fatal("the replica that made the change does not know of it at once")
		}
		if w.stands(t, before) {
			t.Fatal("the ledger would take what was decided on the picture of before")
		}
		poll(t, w.b)
		after := get(t, w.b, tenant.DefaultName)
		r, ok := after.ResourceByURI("HTTPS://notes.example.com:443/")
		if !ok || r.UID != notes.UID || !w.stands(t, after) {
			t.Fatalf("after a poll: %v, %v", r, ok)
		}
		if _, ok := before.ResourceByName("notes"); ok {
			t.Fatal("a picture was changed")
		}
		spec := resource("https://notes.example.com")
		spec.Disabled = true
		notes = w.change(t, notes, spec)
		refreshed, err := w.b.Refresh(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := refreshed.ResourceByName("notes"); !r.Disabled || len(refreshed.ActiveResources()) != 0 || !w.stands(t, refreshed) {
			t.Fatal("refreshed, the resource is not disabled")
		}
		storetest.Apply(t, w.objects, storetest.Delete(notes))
		poll(t, w.b)
		if get(t, w.b, tenant.DefaultName).HasResource("https://notes.example.com") {
			t.Fatal("a deleted resource is in the picture")
		}
	})
}

func TestUnchangedPictureIsNotBuiltAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.make(t, w.Default, "notes", resource("https://notes.example.com"))
		first := get(t, w.b, tenant.DefaultName)
		built := w.b.built.Load()
		for range 3 {
			poll(t, w.b)
		}
		if get(t, w.b, tenant.DefaultName) != first || w.b.built.Load() != built {
			t.Fatal("nothing had changed")
		}
		claude := w.make(t, w.Default, "claude", &object.ClientSpec{ClientID: "claude"})
		w.change(t, claude, &object.ClientSpec{ClientID: "claude", Disabled: true})
		poll(t, w.b)
		second := get(t, w.b, tenant.DefaultName)
		a, _ := first.ResourceByName("notes")
		b, _ := second.ResourceByName("notes")
		if !w.stands(t, second) || a != b || second.Registry != first.Registry {
			t.Fatal("a change of a client made the picture anew, or left its version")
		}
	})
}

func TestGuardsOfDefaultBindAll(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Tenant(t, "acme")
		mine := w.make(t, w.Default, "mine", guard(object.BindsTenant))
		before := get(t, w.b, "acme")
		if refs := before.Policies.Policies("notes", policy.ActionIssue); len(refs) != 0 {
			t.Fatalf("acme is bound by %v", refs)
		}
		ours := w.make(t, w.Default, "ours", guard(object.BindsAll))
		if w.stands(t, before) {
			t.Fatal("the ledger would take what was decided without the new guard")
		}
		poll(t, w.b)
		after := get(t, w.b, "acme")
		refs := after.Policies.Policies("notes", policy.ActionIssue)
		if len(refs) != 1 || refs[0].UID != ours.UID || !w.stands(t, after) {
			t.Fatalf("acme is bound by %v, want %s", refs, ours.UID)
		}
		root := get(t, w.b, tenant.DefaultName)
		if refs := root.Policies.Policies("notes", policy.ActionIssue); len(refs) != 2 {
			t.Fatalf("default is bound by %v, want both", refs)
		}
		storetest.Apply(t, w.objects, storetest.Delete(mine))
		suspended, err := w.objects.Tenant(t.Context(), tenant.DefaultName)
		if err != nil {
			t.Fatal(err)
		}
		w.change(t, suspended, &object.TenantSpec{Status: object.StatusSuspended})
		poll(t, w.b)
		wantUnknown(t, w.b, tenant.DefaultName)
		if refs := get(t, w.b, "acme").Policies.Policies("notes", policy.ActionIssue); len(refs) != 1 || refs[0].UID != ours.UID {
			t.Fatalf("suspending default lifted its guards: %v", refs)
		}
	})
}

// TestFailsClosed: a policy that does not compile cannot come through apply, but could from a newer binary.
func TestFailsClosed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		acme := w.Tenant(t, "acme")
		get(t, w.b, "acme")
		broken := guard(object.BindsTenant)
		broken.Modules = map[string]string{"g.rego": "package chancery.authz\ndecision := http.send({})"}
		stored := w.make(t, acme, "broken", broken)
		poll(t, w.b)
		for range 2 {
			p, err := w.b.Get(t.Context(), "acme")
			if err == nil || p != nil || errors.Is(err, snapshot.ErrUnknownTenant) {
				t.Fatalf("the picture of before is served: %v, %v", p, err)
			}
		}
		get(t, w.b, tenant.DefaultName)
		w.change(t, stored, guard(object.BindsTenant))
		poll(t, w.b)
		if refs := get(t, w.b, "acme").Policies.Policies("notes", policy.ActionIssue); len(refs) != 1 {
			t.Fatalf("mended, it is bound by %v", refs)
		}

		bindsAll := guard(object.BindsAll)
		bindsAll.Modules = broken.Modules
		w.make(t, w.Default, "ours", bindsAll)
		poll(t, w.b)
		if p, err := w.b.Get(t.Context(), "acme"); err == nil || errors.Is(err, snapshot.ErrUnknownTenant) {
			t.Fatalf("without the guard of default, acme is served: %v, %v", p, err)
		}
	})
}

func TestTenantsComeAndGo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wantUnknown(t, w.a, "acme")
		wantUnknown(t, w.b, "acme")
		uid := tenant.MustParseUID("ten_01JACME0000000000000000001")
		now := time.Now().UTC()
		made := object.Change{Stored: object.Stored{
			Tenant: uid, UID: uid.String(), Kind: object.KindTenant, Name: "acme", Revision: 1, Spec: []byte("{}"), CreatedAt: now, UpdatedAt: now,
		}}
		storetest.Apply(t, w.objects, made)
		get(t, w.a, "acme")
		wantUnknown(t, w.b, "acme") // for a second at most
		w.b.clock.advance(snapshot.UnknownFor)
		first := get(t, w.b, "acme")

		suspended := w.change(t, made.Stored, &object.TenantSpec{Status: object.StatusSuspended})
		wantUnknown(t, w.a, "acme")
		if _, err := w.b.Refresh(t.Context(), first); !errors.Is(err, snapshot.ErrUnknownTenant) {
			t.Fatalf("suspended: %v", err)
		}
		active := w.change(t, suspended, &object.TenantSpec{})
		get(t, w.a, "acme")
		storetest.Apply(t, w.objects, storetest.Delete(active))
		wantUnknown(t, w.a, "acme")
		again := w.Tenant(t, "acme")
		poll(t, w.b)
		w.b.clock.advance(snapshot.UnknownFor)
		if p := get(t, w.b, "acme"); p.UID != again {
			t.Fatalf("the name is given to %s, want %s", p.UID, again)
		}
		if _, err := w.b.Refresh(t.Context(), first); !errors.Is(err, snapshot.ErrUnknownTenant) {
			t.Fatalf("a request of the deleted tenant goes on with another: %v", err)
		}
	})
}

func TestClients(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.Tenant(t, "other")
		get(t, w.a, tenant.DefaultName)
		get(t, w.b, tenant.DefaultName)
		lookup := func(r *replica, id string) (*client.Client, error) {
			return r.Clients().Lookup(t.Context(), w.Default, id)
		}
		for _, r := range []*replica{w.a, w.b} {
			if _, err := lookup(r, "claude"); !errors.Is(err, client.ErrUnknown) {
				t.Fatalf("before it is made: %v", err)
			}
		}
		spec := &object.ClientSpec{ClientID: "claude", Auth: object.ClientAuth{Method: object.AuthSecretBasic}, Scopes: []string{"read"}}
		stored := w.make(t, w.Default, "claude", spec)
		c, err := lookup(w.a, "claude")
		if err != nil || c.UID != stored.UID || c.Type != client.Confidential || !slices.Equal(c.Scopes, []string{"read"}) || c.Resources != nil {
			t.Fatalf("at once: %+v, %v", c, err)
		}
		if _, err := lookup(w.b, "claude"); !errors.Is(err, client.ErrUnknown) {
			t.Fatalf("elsewhere, within a second: %v", err)
		}
		w.b.clock.advance(snapshot.UnknownFor)
		if _, err := lookup(w.b, "claude"); err != nil {
			t.Fatalf("elsewhere, a second later: %v", err)
		}
		if _, err := w.a.Clients().Lookup(t.Context(), other, "claude"); !errors.Is(err, client.ErrUnknown) {
			t.Fatalf("another tenant: %v", err)
		}
		if _, err := w.a.Clients().Lookup(t.Context(), tenant.UID{}, "claude"); !errors.Is(err, tenant.ErrNoTenant) {
			t.Fatalf("no tenant: %v", err)
		}

		digest := make([]byte, 32)
		digest[0] = 7
		for _, s := range []object.Secret{
			{ID: "sec_1", ClientUID: stored.UID, Scheme: client.SchemeSHA256, Digest: digest, CreatedAt: time.Now()},
			{ID: "sec_2", ClientUID: stored.UID, Scheme: "md5", Digest: digest, CreatedAt: time.Now()},
		} {
			if _, err := w.objects.AddSecret(t.Context(), w.Default, s, storetest.Event(w.Default)); err != nil {
				t.Fatal(err)
			}
		}
		poll(t, w.b)
		for _, r := range []*replica{w.a, w.b} {
			get(t, r, tenant.DefaultName)
			c, err := lookup(r, "claude")
			if err != nil || len(c.Auth.Secrets) != 1 || c.Auth.Secrets[0].ID != "sec_1" || c.Auth.Secrets[0].Digest[0] != 7 {
				t.Fatalf("with secrets: %+v, %v", c, err)
			}
		}
		spec.Disabled = true
		stored = w.change(t, stored, spec)
		if c, err := lookup(w.a, "claude"); err != nil || !c.Disabled {
			t.Fatalf("disabled, at once: %+v, %v", c, err)
		}
		poll(t, w.b)
		if c, err := lookup(w.b, "claude"); err != nil || !c.Disabled {
			t.Fatalf("disabled, after a poll: %+v, %v", c, err)
		}
		storetest.Apply(t, w.objects, storetest.Delete(stored))
		poll(t, w.b)
		for _, r := range []*replica{w.a, w.b} {
			if _, err := lookup(r, "claude"); !errors.Is(err, client.ErrUnknown) {
				t.Fatalf("deleted: %v", err)
			}
		}
	})
}

func TestUsers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.make(t, w.Default, "okta", &object.IdentityProviderSpec{Issuer: "https://acme.okta.com"})
		alice := w.make(t, w.Default, "alice", &object.UserSpec{
			Email: "Alice@acme.com", Groups: []string{"editors"}, Identities: []object.Identity{{IdP: "okta", Sub: "00u1"}},
		})
		p := get(t, w.b, tenant.DefaultName)
		okta, ok := p.Registry.Lookup("https://acme.okta.com")
		if !ok {
			t.Fatal("no okta")
		}
		people := w.b.Users().Directory(p)
		ctx := t.Context()
		found, err := people.BySubject(ctx, okta, "", "00u1")
		if err != nil || len(found) != 1 || found[0].UID != alice.UID || found[0].Status != "active" || !found[0].GroupsComplete {
			t.Fatalf("by subject: %+v, %v", found, err)
		}
		if found, err := people.ByEmail(ctx, "alice@acme.com"); err != nil || len(found) != 1 {
			t.Fatalf("by email: %+v, %v", found, err)
		}
		if found, err := people.ByID(ctx, alice.UID); err != nil || len(found) != 1 || found[0].Name != "alice" {
			t.Fatalf("by id: %+v, %v", found, err)
		}
		if idps, err := people.IdPs(ctx, alice.UID); err != nil || !slices.Equal(idps, []string{okta.UID}) {
			t.Fatalf("idps: %v, %v", idps, err)
		}
		if _, err := people.IdPs(ctx, "usr_nobody"); err == nil {
			t.Fatal("the idps of nobody are known")
		}
		for name, find := range map[string]func() (int, error){
			"another sub":    func() (int, error) { f, err := people.BySubject(ctx, okta, "", "00u2"); return len(f), err },
			"another tenant": func() (int, error) { f, err := people.BySubject(ctx, okta, "t1", "00u1"); return len(f), err },
			"a client's uid": func() (int, error) { f, err := people.ByID(ctx, okta.UID); return len(f), err },
			"no sub_id":      func() (int, error) { f, err := people.BySubjectID(ctx, okta, "", "{}"); return len(f), err },
		} {
			if n, err := find(); err != nil || n != 0 {
				t.Errorf("%s: %d found, %v", name, n, err)
			}
		}
		// A second holder of the address: the cached answer is not enough any more.
		w.make(t, w.Default, "alice2", &object.UserSpec{Email: "alice@acme.com"})
		poll(t, w.b)
		if found, err := people.ByEmail(ctx, "alice@acme.com"); err != nil || len(found) != 2 {
			t.Fatalf("by a shared email: %+v, %v", found, err)
		}
		w.change(t, alice, &object.UserSpec{Status: object.StatusDisabled, Identities: []object.Identity{{IdP: "okta", Sub: "00u1"}}})
		poll(t, w.b)
		if found, err := people.BySubject(ctx, okta, "", "00u1"); err != nil || len(found) != 1 || found[0].Status != object.StatusDisabled {
			t.Fatalf("disabled: %+v, %v", found, err)
		}
		if found, err := people.ByEmail(ctx, "alice@acme.com"); err != nil || len(found) != 1 || found[0].Name != "alice2" {
			t.Fatalf("by an email given up: %+v, %v", found, err)
		}
	})
}

// A replica that slept longer than changes are remembered drops all that it holds.
func TestAReplicaThatIsTooOldDropsEverything(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.make(t, w.Default, "okta", &object.IdentityProviderSpec{Issuer: "https://acme.okta.com"})
		spec := &object.ClientSpec{ClientID: "claude", Auth: object.ClientAuth{Method: object.AuthSecretBasic}}
		claude := w.make(t, w.Default, "claude", spec)
		alice := w.make(t, w.Default, "alice", &object.UserSpec{Identities: []object.Identity{{IdP: "okta", Sub: "00u1"}}})
		p := get(t, w.b, tenant.DefaultName)
		if c, err := w.b.Clients().Lookup(t.Context(), w.Default, "claude"); err != nil || c.Disabled {
			t.Fatalf("%+v, %v", c, err)
		}
		if found, err := w.b.Users().Directory(p).ByID(t.Context(), alice.UID); err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		disabled := *spec
		disabled.Disabled = true
		w.change(t, claude, &disabled)
		w.change(t, alice, &object.UserSpec{Status: object.StatusDisabled})
		w.make(t, w.Default, "notes", resource("https://a.example.com"))
		if _, err := w.Owner.ExecContext(t.Context(), "update tenant_changes set at = 0"); err != nil {
			t.Fatal(err)
		}
		if swept, err := w.Store.Sweep(t.Context(), store.Retention{}); err != nil || swept.Changes == 0 {
			t.Fatalf("%+v, %v", swept, err)
		}
		if _, _, complete, err := w.Store.Changes(t.Context(), w.Default, p.Version); err != nil || complete {
			t.Fatalf("complete %v, %v", complete, err)
		}
		poll(t, w.b)
		p = get(t, w.b, tenant.DefaultName)
		if c, err := w.b.Clients().Lookup(t.Context(), w.Default, "claude"); err != nil || !c.Disabled {
			t.Fatalf("%+v, %v", c, err)
		}
		if found, err := w.b.Users().Directory(p).ByID(t.Context(), alice.UID); err != nil || len(found) != 1 || found[0].Status != object.StatusDisabled {
			t.Fatalf("%+v, %v", found, err)
		}
	})
}

func TestRunFollows(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		get(t, w.b, tenant.DefaultName)
		ctx, cancel := context.WithCancel(t.Context())
		tick, hints, done := make(chan time.Time), make(chan struct{}), make(chan struct{})
		go func() { w.b.Run(ctx, tick, hints); close(done) }()
		w.make(t, w.Default, "a", resource("https://a.example.com"))
		tick <- time.Time{}
		tick <- time.Time{} // the first one was handled
		if !get(t, w.b, tenant.DefaultName).HasResource("https://a.example.com") {
			t.Fatal("a tick did not bring it")
		}
		w.make(t, w.Default, "b", resource("https://b.example.com"))
		hints <- struct{}{}
		hints <- struct{}{}
		if !get(t, w.b, tenant.DefaultName).HasResource("https://b.example.com") {
			t.Fatal("a hint did not bring it")
		}
		cancel()
		<-done
	})
}
