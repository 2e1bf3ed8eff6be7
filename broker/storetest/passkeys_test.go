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
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func keyOf(t tenant.UID, user, credential string) passkey.Credential {
	now := whole(time.Now())
	return passkey.Credential{
		Tenant: t, UserUID: user, ID: id.New(id.Passkey, now), Credential: []byte(credential), PublicKey: []byte("cose"), SignCount: 1<<32 - 2, BackupEligible: true,
		Transports: []string{"internal", "hybrid"}, Name: "My laptop", CreatedAt: now,
	}
}

// A passkey is added once in a tenant, read, used by compare-and-swap, and removed by its person.
func TestPasskeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		keys := d.Store.Passkeys(d.Ledger(t, d.Store))
		c := keyOf(d.Default, "usr_1", "one")
		kept(t, keys.Add(t.Context(), c, 2, eventOf(d.Default, audit.TypePasskeyEnrolled)))
		for name, other := range map[string]passkey.Credential{"again": keyOf(d.Default, "usr_1", "one"), "for another person": keyOf(d.Default, "usr_2", "one")} {
			if err := keys.Add(t.Context(), other, 2, eventOf(d.Default, audit.TypePasskeyEnrolled)); !errors.Is(err, passkey.ErrTaken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		kept(t, keys.Add(t.Context(), keyOf(d.Default, "usr_1", "two"), 2, eventOf(d.Default, audit.TypePasskeyEnrolled)))
		if err := keys.Add(t.Context(), keyOf(d.Default, "usr_1", "three"), 2, eventOf(d.Default, audit.TypePasskeyEnrolled)); !errors.Is(err, passkey.ErrFull) {
			t.Errorf("one too many: %v", err)
		}
		other := d.Tenant(t, "other")
		kept(t, keys.Add(t.Context(), keyOf(other, "usr_1", "one"), 2, eventOf(other, audit.TypePasskeyEnrolled))) // unique within a tenant
		own, err := keys.List(t.Context(), d.Default, "usr_1")
		kept(t, err)
		if len(own) != 2 || own[0].ID != c.ID || own[0].SignCount != c.SignCount || !own[0].BackupEligible || !slices.Equal(own[0].Transports, c.Transports) || !own[0].CreatedAt.Equal(c.CreatedAt) || !own[0].UsedAt.IsZero() || own[0].Tenant != d.Default {
			t.Errorf("listed %+v", own)
		}
		used := c
		used.SignCount, used.UsedAt = 1<<32-1, whole(time.Now())
		kept(t, keys.Use(t.Context(), used, c.SignCount, eventOf(d.Default, audit.TypePasskeyUsed)))
		if err := keys.Use(t.Context(), used, c.SignCount, eventOf(d.Default, audit.TypePasskeyUsed)); !errors.Is(err, passkey.ErrGone) {
			t.Errorf("used from an old counter: %v", err)
		}
		if err := keys.Remove(t.Context(), d.Default, "usr_2", c.ID, eventOf(d.Default, audit.TypePasskeyRemoved)); !errors.Is(err, passkey.ErrGone) {
			t.Errorf("removed by another person: %v", err)
		}
		kept(t, keys.Remove(t.Context(), d.Default, "usr_1", c.ID, eventOf(d.Default, audit.TypePasskeyRemoved)))
		if own, err := keys.List(t.Context(), d.Default, "usr_1"); err != nil || len(own) != 1 {
			t.Errorf("after one was removed: %+v %v", own, err)
		}
	})
}

// A challenge is taken once, by its tenant, in its time.
func TestPasskeyChallenges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		keys, now := d.Store.Passkeys(d.Ledger(t, d.Store)), whole(time.Now())
		c := passkey.Challenge{Handle: [32]byte{1}, Tenant: d.Default, UserUID: "usr_1", Session: [32]byte{2}, Purpose: passkey.Prove, ExpiresAt: now.Add(time.Minute)}
		kept(t, keys.Expect(t.Context(), c))
		for name, take := range map[string]func() error{
			"another tenant": func() error {
				_, err := keys.Take(t.Context(), tenant.MustParseUID(id.New(id.Tenant, now)), c.Handle, now)
				return err
			},
			"too late": func() error { _, err := keys.Take(t.Context(), d.Default, c.Handle, c.ExpiresAt); return err },
			"another":  func() error { _, err := keys.Take(t.Context(), d.Default, [32]byte{3}, now); return err },
		} {
			if err := take(); !errors.Is(err, passkey.ErrGone) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var won atomic.Int32
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				taken, err := keys.Take(t.Context(), d.Default, c.Handle, now)
				if err == nil && taken == c {
					won.Add(1)
				} else if !errors.Is(err, passkey.ErrGone) {
					t.Errorf("%+v %v", taken, err)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 {
			t.Errorf("taken %d times", won.Load())
		}
		// One a session and purpose: the next takes its place.
		kept(t, keys.Expect(t.Context(), c))
		next, enrol := c, c
		next.Handle, enrol.Handle, enrol.Purpose = [32]byte{4}, [32]byte{5}, passkey.Enrol
		kept(t, keys.Expect(t.Context(), enrol))
		kept(t, keys.Expect(t.Context(), next))
		if _, err := keys.Take(t.Context(), d.Default, c.Handle, now); !errors.Is(err, passkey.ErrGone) {
			t.Errorf("the one before: %v", err)
		}
		if taken, err := keys.Take(t.Context(), d.Default, enrol.Handle, now); err != nil || taken != enrol {
			t.Errorf("of another purpose: %+v %v", taken, err)
		}
		if err := keys.Expect(t.Context(), passkey.Challenge{Tenant: d.Default}); err == nil {
			t.Error("a challenge for nobody")
		}
	})
}
