package storetest_test

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const metadataURL = "https://idp.test/metadata"

func claimMetadata(t *testing.T, m *store.SAMLMetadata, uid tenant.UID, hold time.Duration) bool {
	t.Helper()
	mine, err := m.ClaimMetadata(t.Context(), uid, "idp_1", metadataURL, hold)
	if err != nil {
		t.Fatal(err)
	}
	return mine
}

func keepMetadata(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	claimMetadata(t, d.Store.SAMLMetadata(d.Ledger(t, d.Store)), uid, time.Minute)
}

// A row is made by who claims first; a change is by its marks; what counts raises the version.
func TestSAMLMetadata(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		m := d.Store.SAMLMetadata(d.Ledger(t, d.Store))
		if _, err := m.Metadata(t.Context(), d.Default, "idp_1"); !errors.Is(err, samlmetadata.ErrNone) {
			t.Fatalf("before there is any: %v", err)
		}
		if !claimMetadata(t, m, d.Default, time.Hour) || claimMetadata(t, m, d.Default, time.Hour) {
			t.Fatal("the first claims, and no second")
		}
		row, err := m.Metadata(t.Context(), d.Default, "idp_1")
		if err != nil || row.Source != metadataURL || row.Document != nil || row.Pending != nil || !row.AcceptedAt.IsZero() || !row.CheckedAt.IsZero() {
			t.Fatalf("%+v, %v", row, err)
		}
		at := time.Now().UTC().Truncate(time.Microsecond)
		full := samlmetadata.Row{
			IdPUID: "idp_1", Source: metadataURL, Document: []byte("<a/>"), Digest: "one", AcceptedAt: at,
			Pending: []byte("<b/>"), PendingDigest: "two", PendingSince: at, CheckedAt: at, DueAt: at.Add(-time.Hour), Failure: "none",
		}
		change := func(before samlmetadata.Mark, row samlmetadata.Row, raise, remove bool) error {
			return m.ChangeMetadata(t.Context(), samlmetadata.Change{
				Tenant: d.Default, Before: before, Row: row, Raise: raise, Delete: remove, Events: events(d.Default),
			})
		}
		version := versions(t, d)[d.Default]
		if err := change(samlmetadata.Mark{Source: metadataURL}, full, true, false); err != nil {
			t.Fatal(err)
		}
		if got := versions(t, d)[d.Default]; got != version+1 {
			t.Errorf("the version is %d, was %d", got, version)
		}
		if row, err = m.Metadata(t.Context(), d.Default, "idp_1"); err != nil || !reflect.DeepEqual(row, full) {
			t.Errorf("%+v\n%+v, %v", row, full, err)
		}
		mark := samlmetadata.Mark{Source: metadataURL, Digest: "one", PendingDigest: "two"}
		for name, stale := range map[string]samlmetadata.Mark{
			"another address": {Source: "https://other.test", Digest: "one", PendingDigest: "two"},
			"another digest":  {Source: metadataURL, Digest: "three", PendingDigest: "two"},
			"nothing waited":  {Source: metadataURL, Digest: "one"},
			"nothing":         {},
		} {
			if err := change(stale, full, true, false); !errors.Is(err, samlmetadata.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		full.Document, full.Pending, full.PendingDigest, full.PendingSince = nil, nil, "", time.Time{}
		if err := change(mark, full, false, false); err != nil {
			t.Fatal(err)
		}
		if row, err = m.Metadata(t.Context(), d.Default, "idp_1"); err != nil || row.Document != nil || row.Pending != nil || row.Digest != "one" {
			t.Errorf("%+v, %v", row, err)
		}
		if got := versions(t, d)[d.Default]; got != version+1 {
			t.Errorf("a quiet change raised the version to %d", got)
		}

		// Due again, it is claimed again, of its address alone.
		if mine, err := m.ClaimMetadata(t.Context(), d.Default, "idp_1", "https://other.test", time.Hour); err != nil || mine {
			t.Errorf("another address: %v %v", mine, err)
		}
		if !claimMetadata(t, m, d.Default, time.Hour) {
			t.Error("it is due")
		}
		full.Failure, full.DueAt = "away", at
		if err := m.NoteMetadata(t.Context(), d.Default, full); err != nil {
			t.Fatal(err)
		}
		list, err := m.ListMetadata(t.Context(), d.Default)
		if err != nil || len(list) != 1 || list[0].Failure != "away" {
			t.Errorf("%+v, %v", list, err)
		}
		if err := change(samlmetadata.Mark{Source: metadataURL, Digest: "one"}, full, true, true); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Metadata(t.Context(), d.Default, "idp_1"); !errors.Is(err, samlmetadata.ErrNone) {
			t.Errorf("after it went: %v", err)
		}
	})
}

// One of those who ask at one time is the one.
func TestSAMLMetadataClaimsRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		m := d.Store.SAMLMetadata(d.Ledger(t, d.Store))
		var wg sync.WaitGroup
		var mu sync.Mutex
		claimed := 0
		for range 8 {
			wg.Go(func() {
				mine, err := m.ClaimMetadata(t.Context(), d.Default, "idp_1", metadataURL, time.Hour)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if mine {
					claimed++
				}
			})
		}
		wg.Wait()
		if claimed != 1 {
			t.Errorf("%d claimed", claimed)
		}
	})
}

// Another tenant has nothing of it, and nobody's tenant is none.
func TestSAMLMetadataOfAnotherTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		other := d.Tenant(t, "other")
		m := d.Store.SAMLMetadata(d.Ledger(t, d.Store))
		claimMetadata(t, m, d.Default, time.Hour)
		if _, err := m.Metadata(t.Context(), other, "idp_1"); !errors.Is(err, samlmetadata.ErrNone) {
			t.Errorf("found: %v", err)
		}
		if list, err := m.ListMetadata(t.Context(), other); err != nil || len(list) != 0 {
			t.Errorf("listed %v, %v", list, err)
		}
		if err := m.ChangeMetadata(t.Context(), samlmetadata.Change{
			Tenant: other, Before: samlmetadata.Mark{Source: metadataURL}, Row: samlmetadata.Row{IdPUID: "idp_1"}, Delete: true, Events: events(other),
		}); !errors.Is(err, samlmetadata.ErrConflict) {
			t.Errorf("removed: %v", err)
		}
		if _, err := m.ClaimMetadata(t.Context(), d.Default, "", "", 0); err == nil {
			t.Error("claimed nothing")
		}
	})
}
