package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/rewrap"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/keyring"
	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/transit"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// sealing is a backend whose key a test can rotate.
type sealing struct {
	vault.Sealer
	name   string
	rotate func(t testing.TB)
	keys   func() []rewrap.Key // the oldest first
}

func sealings(t testing.TB, delay time.Duration) []sealing {
	t.Helper()
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	double, versions := transittest.Start(t), 1
	double.Slow(delay)
	client, err := transit.New(transit.Config{
		Address: double.URL, Mount: "transit", Key: "chancery", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Auth: transit.TokenAuth{Token: func() (string, error) { return transittest.RootToken, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return []sealing{
		{
			Sealer: ring, name: "keyring", rotate: func(t testing.TB) {
				t.Helper()
				if _, err := ring.Rotate(time.Now()); err != nil {
					t.Fatal(err)
				}
			},
			keys: func() (all []rewrap.Key) {
				for _, k := range ring.Keys() {
					all = append(all, rewrap.Key{Scheme: vault.XAES256GCM, ID: k.ID})
				}
				return all
			},
		},
		{
			Sealer: client, name: "transit", rotate: func(testing.TB) { double.Rotate("chancery", 1); versions++ },
			keys: func() (all []rewrap.Key) {
				for v := range versions {
					all = append(all, rewrap.Key{Scheme: vault.WrappedKey, ID: fmt.Sprintf("transit:v%d", v+1)})
				}
				return all
			},
		},
	}
}

func deskOf(t testing.TB, d *storetest.Database, s sealing, tenants ...tenant.UID) rewrap.Desk {
	t.Helper()
	l := d.Ledger(t, d.Store)
	slices.SortFunc(tenants, func(a, b tenant.UID) int { return strings.Compare(a.String(), b.String()) })
	desk := rewrap.Desk{
		Store: d.Store.Sealed(), Connections: d.Store.Connections(l), Sealer: s.Sealer, Root: d.Default, Journal: l, Now: time.Now,
		Tenants: func(context.Context) ([]tenant.UID, error) { return tenants, nil },
		Alert:   func(context.Context, connection.Alert) {}, Log: slog.New(slog.DiscardHandler),
	}
	if err := desk.Validate(); err != nil {
		t.Fatal(err)
	}
	return desk
}

// furnish makes one of everything that rests sealed for long, for two tenants, and n connections of each.
func furnish(t testing.TB, d *storetest.Database, s sealing, n int, tenants ...tenant.UID) {
	t.Helper()
	checkpoints, err := d.Store.CheckpointKeys(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.LoadCheckpointKey(t.Context(), checkpoints, s.Sealer, time.Now, storetest.Event(d.Default)); err != nil {
		t.Fatal(err)
	}
	l := d.Ledger(t, d.Store) // which cannot begin without it
	signing, err := d.Store.SigningKeys(l)
	if err != nil {
		t.Fatal(err)
	}
	rings, err := keys.New(keys.Config{
		Store: signing, Sealer: s.Sealer, Algorithm: keys.ES256, RotateEvery: 720 * time.Hour, JWKSMaxAge: time.Minute, LongestToken: time.Hour,
		ClockSkew: time.Second, RefreshEvery: time.Minute, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := d.Store.InstallationSecrets(l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.LoadInstallationSecret(t.Context(), secrets, s.Sealer, time.Now, storetest.Event(d.Default)); err != nil {
		t.Fatal(err)
	}
	kept := d.Store.Connections(l)
	for _, uid := range tenants {
		if _, err := rings.Ring(t.Context(), uid); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for i := range n {
			ref := connection.Ref{Tenant: uid.String(), ID: connection.NewID(now.Add(time.Duration(i) * time.Millisecond)), Owner: connection.Owner{Kind: connection.User, UID: fmt.Sprintf("usr_%d", i)}, Provider: "prv_1"}
			c := connectiontest.New(t, s.Sealer, ref, provider.Credential{Access: provider.NewSecret("a"), Refresh: provider.NewSecret("r")}, now)
			if err := kept.Create(t.Context(), c, storetest.Event(uid)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func through(t testing.TB, desk rewrap.Desk, batch int) (all rewrap.Step, steps int) {
	t.Helper()
	for after := ""; ; steps++ {
		s, err := desk.Step(t.Context(), after, batch, audit.Principal{Kind: "token", Name: "admin"}, "")
		if err != nil {
			t.Fatal(err)
		}
		all.KeyID, all.Rewrapped, all.Moved, all.Failed = s.KeyID, all.Rewrapped+s.Rewrapped, all.Moved+s.Moved, all.Failed+s.Failed
		if s.Next == "" {
			return all, steps
		}
		after = s.Next
	}
}

// After a rotation everything that stays moves to the newest key, of every tenant and of the installation, and still opens; a
// second time there is nothing left.
func TestRewrap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		for i, s := range sealings(t, 0) {
			if i > 0 { // one installation has one backend
				d = d.New(t)
			}
			t.Run(s.name, func(t *testing.T) {
				other := d.Tenant(t, "other")
				furnish(t, d, s, 5, d.Default, other)
				desk := deskOf(t, d, s, d.Default, other)
				const everything = 2*5 + 2 + 2 // connections, signing keys, the installation's two
				s.rotate(t)
				old, newest := s.keys()[0], s.keys()[1]
				usage, err := desk.Inventory(t.Context(), s.keys())
				if err != nil || len(usage) != 2 || usage[0].Sealed != everything || usage[1].Sealed != 0 {
					t.Fatalf("before: %+v %v", usage, err)
				}
				if all, _ := through(t, desk, 3); all.Rewrapped != everything || all.Failed != 0 || all.KeyID != newest.ID {
					t.Fatalf("%+v", all)
				}
				if usage, err = desk.Inventory(t.Context(), s.keys()); err != nil || usage[0].Sealed != 0 || usage[1].Sealed != everything {
					t.Fatalf("after: %+v %v", usage, err)
				}
				if all, steps := through(t, desk, 3); all.Rewrapped != 0 || steps != 0 {
					t.Errorf("again: %+v", all)
				}
				furnish(t, d, s, 0, d.Default, other) // all that loads opens
				if usage, err = desk.Inventory(t.Context(), []rewrap.Key{old}); err != nil || len(usage) != 2 || usage[1].ID != "" || usage[1].Sealed != everything {
					t.Errorf("keys that are not at hand: %+v %v", usage, err)
				}
			})
		}
	})
}

// A row that was moved into another's place does not open, stays, and stops no other.
func TestRewrapGoesPastWhatDoesNotOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := sealings(t, 0)[0]
		other := d.Tenant(t, "other")
		addSigningKey(t, d, other, "0-first") // sealed by nobody
		furnish(t, d, s, 3, d.Default)
		s.rotate(t)
		all, _ := through(t, deskOf(t, d, s, d.Default, other), 2)
		if all.Failed != 1 || all.Rewrapped != 3+1+2 {
			t.Errorf("%+v", all)
		}
	})
}

func TestRewrapRefuses(t *testing.T) {
	d := storetest.Engines(t)[0].New(t)
	desk := deskOf(t, d, sealings(t, 0)[0], d.Default)
	for _, batch := range []int{-1, 0, rewrap.MaxBatch + 1} {
		if _, err := desk.Step(t.Context(), "", batch, audit.Principal{}, ""); !errors.Is(err, rewrap.ErrBatch) {
			t.Errorf("%d: %v", batch, err)
		}
	}
	for _, cursor := range []string{"x", "a/b/c", "a/0/", "/0/x", "a/-1/x", "a/0/" + strings.Repeat("x", 600)} {
		if _, err := desk.Step(t.Context(), cursor, 1, audit.Principal{}, ""); !errors.Is(err, rewrap.ErrCursor) {
			t.Errorf("%.20q: %v", cursor, err)
		}
	}
	desk.Alert = nil
	if desk.Validate() == nil {
		t.Error("without anybody to tell")
	}
}

// Whatever a table seals is either moved or counted as going by itself: a new table that is forgotten fails here.
func TestEverySealedTableIsKnown(t *testing.T) {
	d := storetest.Engines(t)[0].New(t)
	rows, err := d.Store.ReadSQL().QueryContext(t.Context(), "select name from sqlite_master where type = 'table' and (sql like '%43485330%' or sql like '%-- sealed%')")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	counts, err := d.Store.Sealed().Count(t.Context(), d.Default, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		known++
		if !slices.ContainsFunc(counts, func(c rewrap.Count) bool { return c.Table == name }) {
			t.Errorf("%s rests sealed, and no rewrap and no count knows it", name)
		}
	}
	if err := rows.Err(); err != nil || known < 6 {
		t.Errorf("%d tables, %v", known, err)
	}
}

// BenchmarkRewrap moves 10,000 connections, and prints how many a second.
func BenchmarkRewrap(b *testing.B) {
	const n = 10_000
	for _, e := range storetest.Engines(b) {
		for _, s := range sealings(b, 0) {
			b.Run(e.Name+"/"+s.name, func(b *testing.B) {
				d := e.New(b)
				furnish(b, d, s, n, d.Default)
				desk := deskOf(b, d, s, d.Default)
				for b.Loop() {
					b.StopTimer()
					s.rotate(b)
					b.StartTimer()
					if all, _ := through(b, desk, rewrap.DefaultBatch); all.Rewrapped < n {
						b.Fatalf("%+v", all)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
