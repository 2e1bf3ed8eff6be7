package storetest_test

import (
	"crypto/sha256"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func micros(n int64) string { return strconv.FormatInt(n, 10) }

// sealed looks like a vault blob; nothing else fits into the column.
var sealed = []byte("CHS0 and the rest")

func signingKey(kid string, state keys.State, at time.Time) keys.Row {
	return keys.Row{KeyID: kid, Algorithm: "ES256", State: state, PublicJWK: []byte(`{"kty":"EC"}`), Sealed: sealed, CreatedAt: at, ActiveAt: at}
}

func addSigningKey(t *testing.T, d *storetest.Database, uid tenant.UID, kid string) {
	t.Helper()
	s, err := d.Store.SigningKeys(d.Store.Alone(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	err = s.ChangeSigningKeys(t.Context(), keys.Change{
		Tenant: uid, Insert: []keys.Row{signingKey(kid, keys.Active, time.Now())}, Events: events(uid),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSigningKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s, err := d.Store.SigningKeys(d.Ledger(t, d.Store))
		if err != nil {
			t.Fatal(err)
		}
		other := d.Tenant(t, "other")
		at := time.Now().UTC().Truncate(time.Microsecond)
		change := func(c keys.Change) error {
			c.Tenant, c.Events = d.Default, events(d.Default)
			return s.ChangeSigningKeys(t.Context(), c)
		}
		if err := change(keys.Change{Insert: []keys.Row{signingKey("a", keys.Active, at)}}); err != nil {
			t.Fatal(err)
		}
		retired := signingKey("a", keys.Retiring, at)
		retired.RetiredAt, retired.ExpiresAt = at, at.Add(time.Hour)
		second := keys.Change{
			Before: []keys.Mark{{KeyID: "a", State: keys.Active}}, Insert: []keys.Row{signingKey("b", keys.Active, at)}, Update: []keys.Row{retired},
		}
		for name, before := range map[string][]keys.Mark{
			"no marks":      nil,
			"another state": {{KeyID: "a", State: keys.Prepared}},
			"another key":   {{KeyID: "b", State: keys.Active}},
			"one too many":  {{KeyID: "a", State: keys.Active}, {KeyID: "b", State: keys.Active}},
		} {
			stale := second
			stale.Before = before
			if err := change(stale); !errors.Is(err, keys.ErrConflict) {
				t.Errorf("%s: got %v, want ErrConflict", name, err)
			}
		}
		if err := change(second); err != nil {
			t.Fatal(err)
		}
		if v := versions(t, d)[d.Default]; v != 3 {
			t.Errorf("two changes of keys raised the version to %d, want 3", v)
		}
		rows, err := s.SigningKeys(t.Context(), d.Default)
		if err != nil || len(rows) != 2 {
			t.Fatalf("%v, %v", rows, err)
		}
		a := rows[0]
		if a.KeyID != "a" || a.State != keys.Retiring || !a.ExpiresAt.Equal(retired.ExpiresAt) || !a.RetiredAt.Equal(at) || !a.RevokedAt.IsZero() ||
			string(a.Sealed) != string(sealed) || string(a.PublicJWK) != `{"kty":"EC"}` || !a.ActiveAt.Equal(at) || a.Algorithm != "ES256" {
			t.Errorf("got %+v", a)
		}
		if rows, err := s.SigningKeys(t.Context(), other); err != nil || len(rows) != 0 {
			t.Errorf("another tenant saw %v, %v", rows, err)
		}
		marks := []keys.Mark{{KeyID: "a", State: keys.Retiring}, {KeyID: "b", State: keys.Active}}
		if err := change(keys.Change{Before: marks, Delete: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		bare := signingKey("c", keys.Prepared, at)
		bare.Sealed = []byte("-----BEGIN PRIVATE KEY-----")
		if err := change(keys.Change{Before: marks[1:], Insert: []keys.Row{bare}}); err == nil {
			t.Error("a key that is not sealed was stored")
		}
	})
}

func TestSigningKeysRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s, err := d.Store.SigningKeys(d.Ledger(t, d.Store))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wg.Go(func() {
				errs[i] = s.ChangeSigningKeys(t.Context(), keys.Change{
					Tenant: d.Default, Insert: []keys.Row{signingKey(strconv.Itoa(i), keys.Active, time.Now())}, Events: events(d.Default),
				})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, keys.ErrConflict):
				t.Errorf("a loser was told %v", err)
			}
		}
		if won != 1 {
			t.Fatalf("%d first keys were made, want 1", won)
		}
	})
}

func TestCheckpointKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s, err := d.Store.CheckpointKeys(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				made := storetest.Event(d.Default)
				made.Type = audit.TypeCheckpointKeyMade
				errs[i] = s.AddCheckpointKey(t.Context(), keys.CheckpointRow{
					KeyID: strconv.Itoa(i), PublicJWK: []byte(`{}`), Sealed: sealed, CreatedAt: time.Now(),
				}, made)
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, keys.ErrConflict):
				t.Errorf("a loser was told %v", err)
			}
		}
		rows, err := s.CheckpointKeys(t.Context())
		if err != nil || len(rows) != 1 || won != 1 || string(rows[0].Sealed) != string(sealed) || !rows[0].RetiredAt.IsZero() {
			t.Fatalf("%d won, %v, %v", won, rows, err)
		}
		var told int
		if err := d.Store.ReadSQL().QueryRowContext(t.Context(), "select count(*) from audit_events where type = $1", string(audit.TypeCheckpointKeyMade)).
			Scan(&told); err != nil || told != 1 {
			t.Fatalf("%d events tell of it, %v", told, err)
		}
	})
}

func TestSecrets(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		client := storetest.New(d.Default, object.KindClient, "claude", spec)
		user := storetest.New(d.Default, object.KindUser, "alice", spec)
		apply(t, objects, client, user)
		add := func(clientUID, id string) error {
			digest := sha256.Sum256([]byte(id))
			_, err := objects.AddSecret(t.Context(), d.Default, object.Secret{
				ID: id, ClientUID: clientUID, Scheme: "sha256", Digest: digest[:], CreatedAt: time.Now(),
			}, storetest.Event(d.Default))
			return err
		}
		if err := errors.Join(add(client.UID, "sec_1"), add(client.UID, "sec_2")); err != nil {
			t.Fatal(err)
		}
		if err := add(client.UID, "sec_3"); !errors.Is(err, object.ErrTooManySecrets) {
			t.Errorf("a third secret: %v", err)
		}
		if err := add(user.UID, "sec_4"); !errors.Is(err, object.ErrNotFound) {
			t.Errorf("a user's secret: %v", err)
		}
		before := versions(t, d)[d.Default]
		revoke := func(id string) error {
			_, err := objects.RevokeSecret(t.Context(), d.Default, client.UID, id, time.Now(), storetest.Event(d.Default))
			return err
		}
		if err := revoke("sec_1"); err != nil {
			t.Fatal(err)
		}
		if after := versions(t, d)[d.Default]; after != before+1 {
			t.Errorf("revoking raised the version from %d to %d", before, after)
		}
		for _, id := range []string{"sec_1", "sec_9", ""} {
			if err := revoke(id); !errors.Is(err, object.ErrNotFound) {
				t.Errorf("revoke %q: %v, want ErrNotFound", id, err)
			}
		}
		if err := add(client.UID, "sec_5"); err != nil {
			t.Fatal(err)
		}
		live, err := objects.Secrets(t.Context(), d.Default, client.UID)
		want := sha256.Sum256([]byte("sec_2"))
		if err != nil || len(live) != 2 || live[0].ID != "sec_2" || live[1].ID != "sec_5" || string(live[0].Digest) != string(want[:]) {
			t.Fatalf("%v, %v", live, err)
		}
	})
}

func TestSecretsRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		holder := storetest.New(d.Default, object.KindClient, "claude", spec)
		apply(t, objects, holder)
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				_, err := objects.AddSecret(t.Context(), d.Default, object.Secret{
					ID: strconv.Itoa(i), ClientUID: holder.UID, Scheme: "sha256", Digest: []byte("d"), CreatedAt: time.Now(),
				}, storetest.Event(d.Default))
				if err != nil && !errors.Is(err, object.ErrTooManySecrets) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if live, err := objects.Secrets(t.Context(), d.Default, holder.UID); err != nil || len(live) != client.MaxLiveSecrets {
			t.Fatalf("%d live secrets, %v", len(live), err)
		}
	})
}
