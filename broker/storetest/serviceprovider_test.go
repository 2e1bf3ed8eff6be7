package storetest_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func spKey(kid string, purpose keys.Purpose, state keys.State, at time.Time) keys.ServiceProviderRow {
	return keys.ServiceProviderRow{KeyID: kid, Purpose: purpose, State: state, Certificate: []byte("der"), Sealed: sealed, CreatedAt: at, ActiveAt: at}
}

func addServiceProviderKey(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	s, err := d.Store.ServiceProviderKeys(d.Ledger(t, d.Store))
	if err != nil {
		t.Fatal(err)
	}
	err = s.ChangeServiceProviderKeys(t.Context(), keys.ServiceProviderChange{
		Tenant: uid, Insert: []keys.ServiceProviderRow{spKey("a", keys.Signing, keys.Active, time.Now())}, Events: events(uid),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestServiceProviderKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s, err := d.Store.ServiceProviderKeys(d.Ledger(t, d.Store))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now().UTC().Truncate(time.Microsecond)
		change := func(c keys.ServiceProviderChange) error {
			c.Tenant, c.Events = d.Default, events(d.Default)
			return s.ChangeServiceProviderKeys(t.Context(), c)
		}
		version := versions(t, d)[d.Default]
		first := keys.ServiceProviderChange{Insert: []keys.ServiceProviderRow{spKey("a", keys.Signing, keys.Active, at), spKey("b", keys.Decryption, keys.Active, at)}}
		if err := change(first); err != nil {
			t.Fatal(err)
		}
		if got := versions(t, d)[d.Default]; got != version {
			t.Errorf("the first keys raised the version from %d to %d", version, got)
		}
		if err := change(first); !errors.Is(err, keys.ErrConflict) {
			t.Errorf("the second first: %v", err)
		}
		before := []keys.Mark{{KeyID: "a", State: keys.Active}, {KeyID: "b", State: keys.Active}}
		retired := spKey("a", keys.Signing, keys.Retiring, at)
		retired.ExpiresAt = at.Add(time.Hour)
		second := keys.ServiceProviderChange{
			Before: before, Insert: []keys.ServiceProviderRow{spKey("c", keys.Signing, keys.Prepared, at)}, Update: []keys.ServiceProviderRow{retired}, Delete: []string{"b"},
		}
		stale := second
		stale.Before = before[:1]
		if err := change(stale); !errors.Is(err, keys.ErrConflict) {
			t.Errorf("stale: %v", err)
		}
		if err := change(second); err != nil {
			t.Fatal(err)
		}
		if got := versions(t, d)[d.Default]; got != version+1 {
			t.Errorf("the version is %d, was %d", got, version)
		}
		rows, err := s.ServiceProviderKeys(t.Context(), d.Default)
		if err != nil || len(rows) != 2 || rows[0].State != keys.Retiring || !rows[0].ExpiresAt.Equal(retired.ExpiresAt) || rows[1].State != keys.Prepared ||
			rows[1].Purpose != keys.Signing || !rows[1].ExpiresAt.IsZero() || string(rows[1].Certificate) != "der" {
			t.Errorf("%+v, %v", rows, err)
		}
		if rows, err := s.ServiceProviderKeys(t.Context(), d.Tenant(t, "other")); err != nil || len(rows) != 0 {
			t.Errorf("another tenant: %v, %v", rows, err)
		}
	})
}

func TestServiceProviderKeysRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s, err := d.Store.ServiceProviderKeys(d.Ledger(t, d.Store))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				err := s.ChangeServiceProviderKeys(t.Context(), keys.ServiceProviderChange{
					Tenant: d.Default, Insert: []keys.ServiceProviderRow{spKey("k"+micros(int64(i)), keys.Signing, keys.Active, time.Now())}, Events: events(d.Default),
				})
				if err != nil && !errors.Is(err, keys.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if rows, err := s.ServiceProviderKeys(t.Context(), d.Default); err != nil || len(rows) != 1 {
			t.Errorf("%d keys, %v", len(rows), err)
		}
	})
}
