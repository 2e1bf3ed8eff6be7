package storetest_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func registrationDigest(s string) registration.Digest { return sha256.Sum256([]byte(s)) }

func newRegistration(t tenant.UID, at time.Time) registration.Record {
	secret := registrationDigest("secret")
	return registration.Record{
		Tenant: t, ClientID: id.New(id.DynamicClient, at), Revision: 1, Secret: &secret, Access: registrationDigest("access"), CreatedAt: at, UpdatedAt: at, UsedAt: at,
		Metadata: registration.Metadata{ClientName: "Notes", RedirectURIs: []string{"http://localhost/cb"}, GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, Method: client.MethodBasic, ApplicationType: "native"},
	}
}

func registrationEvent(t tenant.UID, kind audit.Type) audit.Event {
	e := storetest.Event(t)
	e.Type = kind
	return e
}

func thisMoment() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// A client is added, found as it was, replaced by who knew the last of it, and gone.
func TestRegistrations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		kept := d.Store.Registrations(d.Ledger(t, d.Store))
		ctx, root := t.Context(), d.Default
		one := newRegistration(root, thisMoment())
		wantKept(t, kept.Add(ctx, one, 2, nil, registrationEvent(root, audit.TypeClientRegistered)))
		found, err := kept.Find(ctx, root, one.ClientID)
		wantKept(t, err)
		if *found.Secret != *one.Secret || found.Access != one.Access || !found.UsedAt.Equal(one.UsedAt) || found.Metadata.ClientName != "Notes" ||
			!slices.Equal(found.Metadata.RedirectURIs, one.Metadata.RedirectURIs) || found.Metadata.Method != client.MethodBasic {
			t.Errorf("%+v", found)
		}
		if _, err := kept.Find(ctx, root, "dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G"); !errors.Is(err, registration.ErrUnknown) {
			t.Error(err)
		}

		// As many as may, and no more; one that goes makes room.
		wantKept(t, kept.Add(ctx, newRegistration(root, thisMoment()), 2, nil, registrationEvent(root, audit.TypeClientRegistered)))
		if err := kept.Add(ctx, newRegistration(root, thisMoment()), 2, nil, registrationEvent(root, audit.TypeClientRegistered)); !errors.Is(err, registration.ErrFull) {
			t.Errorf("the third: %v", err)
		}
		if all, err := kept.List(ctx, root, "", 10); err != nil || len(all) != 2 || all[0].ClientID >= all[1].ClientID {
			t.Errorf("%v %v", all, err)
		}

		// A change is a new version, which names the client to every replica.
		before, err := d.Store.Version(ctx, root)
		wantKept(t, err)
		one.Revision, one.Secret, one.Access = 2, nil, registrationDigest("another")
		version, err := kept.Replace(ctx, one, registrationEvent(root, audit.TypeRegistrationChanged))
		wantKept(t, err)
		changes, upTo, _, err := d.Store.Changes(ctx, root, before)
		wantKept(t, err)
		if version != before+1 || upTo != version || len(changes) != 1 || changes[0].UID != one.ClientID || changes[0].Kind != "Client" {
			t.Errorf("version %d after %d: %v", version, before, changes)
		}
		if _, err := kept.Replace(ctx, one, registrationEvent(root, audit.TypeRegistrationChanged)); !errors.Is(err, registration.ErrMoved) {
			t.Errorf("who knew what was before: %v", err)
		}
		if found, err := kept.Find(ctx, root, one.ClientID); err != nil || found.Secret != nil || found.Access != registrationDigest("another") {
			t.Errorf("%+v %v", found, err)
		}

		// What is removed ends what it was given, at the same version.
		gone, version, err := kept.Remove(ctx, root, []string{one.ClientID, "dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G"}, time.Time{}, thisMoment().Add(time.Hour), func([]string) audit.Event {
			return registrationEvent(root, audit.TypeRegistrationRemoved)
		})
		wantKept(t, err)
		if !slices.Equal(gone, []string{one.ClientID}) || version != upTo+1 {
			t.Errorf("%v at %d", gone, version)
		}
		if _, err := kept.Find(ctx, root, one.ClientID); !errors.Is(err, registration.ErrUnknown) {
			t.Error(err)
		}
		gone, version, err = kept.Remove(ctx, root, []string{one.ClientID}, time.Time{}, thisMoment().Add(time.Hour), func([]string) audit.Event {
			return registrationEvent(root, audit.TypeRegistrationRemoved)
		})
		if err != nil || len(gone) != 0 || version != 0 {
			t.Errorf("twice: %v %d %v", gone, version, err)
		}
		wantKept(t, kept.Add(ctx, newRegistration(root, thisMoment()), 2, nil, registrationEvent(root, audit.TypeClientRegistered)))
	})
}

// What was used is not swept, even if it was found unused a moment before.
func TestUnusedRegistrations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		kept := d.Store.Registrations(d.Ledger(t, d.Store))
		ctx, root := t.Context(), d.Default
		long := thisMoment().Add(-100 * 24 * time.Hour)
		old, used := newRegistration(root, long), newRegistration(root, long)
		for _, r := range []registration.Record{old, used, newRegistration(root, thisMoment())} {
			wantKept(t, kept.Add(ctx, r, 10, nil, registrationEvent(root, audit.TypeClientRegistered)))
		}
		since := thisMoment().Add(-90 * 24 * time.Hour)
		unused, err := kept.Unused(ctx, root, since, 10)
		wantKept(t, err)
		if len(unused) != 2 {
			t.Fatalf("%v", unused)
		}
		wantKept(t, kept.Touch(ctx, root, used.ClientID, thisMoment()))
		gone, _, err := kept.Remove(ctx, root, unused, since, thisMoment().Add(time.Hour), func([]string) audit.Event {
			return registrationEvent(root, audit.TypeRegistrationsExpired)
		})
		wantKept(t, err)
		if !slices.Equal(gone, []string{old.ClientID}) {
			t.Errorf("swept %v", gone)
		}
	})
}

// A token with some uses lets as many register, whoever comes at once and through whichever replica.
func TestRegistrationTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		kept := d.Store.Registrations(d.Ledger(t, d.Store))
		ctx, root := t.Context(), d.Default
		token := registration.Initial{Tenant: root, ID: id.New(id.InitialToken, thisMoment()), Digest: registrationDigest("token"), Note: "pilot", CreatedBy: "ida", CreatedAt: thisMoment(), ExpiresAt: thisMoment().Add(time.Hour), Uses: 3, UsesLeft: 3}
		wantKept(t, kept.AddInitial(ctx, token, registrationEvent(root, audit.TypeRegistrationTokenMade)))
		var came, refused atomic.Int64
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				initial := registrationDigest("token")
				switch err := kept.Add(ctx, newRegistration(root, thisMoment()), 100, &initial, registrationEvent(root, audit.TypeClientRegistered)); {
				case err == nil:
					came.Add(1)
				case errors.Is(err, registration.ErrToken):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if came.Load() != 3 || refused.Load() != 9 {
			t.Errorf("%d came, %d were refused", came.Load(), refused.Load())
		}
		initials, err := kept.Initials(ctx, root)
		wantKept(t, err)
		if len(initials) != 1 || initials[0].UsesLeft != 0 || initials[0].Uses != 3 || initials[0].Digest != (registration.Digest{}) || initials[0].CreatedBy != "ida" {
			t.Errorf("%+v", initials)
		}
		clients, err := kept.List(ctx, root, "", 10)
		wantKept(t, err)
		for _, c := range clients {
			if c.TokenID != token.ID {
				t.Errorf("%s came by %q", c.ClientID, c.TokenID)
			}
		}
		// A tenant that is full takes no use.
		full := token
		full.ID, full.Digest = id.New(id.InitialToken, thisMoment()), registrationDigest("full")
		wantKept(t, kept.AddInitial(ctx, full, registrationEvent(root, audit.TypeRegistrationTokenMade)))
		initial := registrationDigest("full")
		if err := kept.Add(ctx, newRegistration(root, thisMoment()), 3, &initial, registrationEvent(root, audit.TypeClientRegistered)); !errors.Is(err, registration.ErrFull) {
			t.Error(err)
		}
		wantKept(t, kept.Add(ctx, newRegistration(root, thisMoment()), 4, &initial, registrationEvent(root, audit.TypeClientRegistered)))
		// An expired one counts for nothing, by the database's clock.
		late := token
		late.ID, late.Digest, late.ExpiresAt = id.New(id.InitialToken, thisMoment()), registrationDigest("late"), thisMoment().Add(-time.Minute)
		wantKept(t, kept.AddInitial(ctx, late, registrationEvent(root, audit.TypeRegistrationTokenMade)))
		initial = registrationDigest("late")
		if err := kept.Add(ctx, newRegistration(root, thisMoment()), 100, &initial, registrationEvent(root, audit.TypeClientRegistered)); !errors.Is(err, registration.ErrToken) {
			t.Error(err)
		}
		wantKept(t, kept.DropInitials(ctx, root, thisMoment()))
		wantKept(t, kept.RemoveInitial(ctx, root, full.ID, registrationEvent(root, audit.TypeRegistrationTokenEnded)))
		if err := kept.RemoveInitial(ctx, root, full.ID, registrationEvent(root, audit.TypeRegistrationTokenEnded)); !errors.Is(err, registration.ErrUnknown) {
			t.Error(err)
		}
		if left, err := kept.Initials(ctx, root); err != nil || len(left) != 1 || left[0].ID != token.ID {
			t.Errorf("%v %v", left, err)
		}
	})
}

// Nothing that is kept is a credential.
func TestRegistrationsKeepDigests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		kept := d.Store.Registrations(d.Ledger(t, d.Store))
		if err := kept.Add(t.Context(), registration.Record{Tenant: d.Default, ClientID: "https://app.example.com/client.json", Revision: 1, Access: registrationDigest("x"), CreatedAt: thisMoment()}, 10, nil, registrationEvent(d.Default, audit.TypeClientRegistered)); err == nil {
			t.Error("a client_id that could be a document's")
		}
		if err := kept.Add(t.Context(), registration.Record{Tenant: d.Default, ClientID: id.New(id.DynamicClient, thisMoment()), Revision: 1, CreatedAt: thisMoment()}, 10, nil, registrationEvent(d.Default, audit.TypeClientRegistered)); err == nil {
			t.Error("a client without a credential")
		}
		r := newRegistration(d.Default, thisMoment())
		if bytes.Contains(r.Access[:], []byte("access")) {
			t.Error("a digest")
		}
	})
}

var _ registration.Store = (*store.Registrations)(nil)

func wantKept(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keepRegistrations leaves a row in each of their tables.
func keepRegistrations(t *testing.T, d *storetest.Database, of tenant.UID) {
	t.Helper()
	kept := d.Store.Registrations(d.Ledger(t, d.Store))
	wantKept(t, kept.AddInitial(t.Context(), registration.Initial{
		Tenant: of, ID: id.New(id.InitialToken, thisMoment()), Digest: registrationDigest("wall"), CreatedBy: "ida", CreatedAt: thisMoment(),
		ExpiresAt: thisMoment().Add(time.Hour), Uses: 1, UsesLeft: 1,
	}, registrationEvent(of, audit.TypeRegistrationTokenMade)))
	wantKept(t, kept.Add(t.Context(), newRegistration(of, thisMoment()), 1, nil, registrationEvent(of, audit.TypeClientRegistered)))
}
