package storetest_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/storetest"
)

// TestRedeemed: what was committed is seen, by whole keys, and looking uses nothing up.
func TestRedeemed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		l := d.Ledger(t, d.Store)
		other := d.Tenant(t, "other")
		r := ledger.Redemption{Tenant: d.Default, Space: ledger.SpaceAssertion, Key: [32]byte{1}, ExpiresAt: time.Now().Add(time.Minute)}
		look := func(r ledger.Redemption, want bool) {
			t.Helper()
			if got, err := d.Store.Redeemed(t.Context(), r); err != nil || got != want {
				t.Errorf("%+v: redeemed %v, %v", r, got, err)
			}
		}
		look(r, false)
		look(r, false)
		if err := l.Commit(t.Context(), ledger.Entry{Tenant: d.Default, Redemptions: []ledger.Redemption{r}, Event: storetest.Event(d.Default)}); err != nil {
			t.Fatal(err)
		}
		look(r, true)
		for name, change := range map[string]func(*ledger.Redemption){
			"tenant": func(r *ledger.Redemption) { r.Tenant = other },
			"space":  func(r *ledger.Redemption) { r.Space = ledger.SpaceProof },
			"key":    func(r *ledger.Redemption) { r.Key[31] = 1 },
		} {
			t.Run(name, func(t *testing.T) {
				another := r
				change(&another)
				look(another, false)
			})
		}
		if _, err := d.Store.Redeemed(t.Context(), ledger.Redemption{Space: ledger.SpaceAssertion}); err == nil {
			t.Error("of no tenant")
		}
		if _, err := d.Store.Redeemed(t.Context(), ledger.Redemption{Tenant: d.Default}); err == nil {
			t.Error("of no space")
		}
	})
}
