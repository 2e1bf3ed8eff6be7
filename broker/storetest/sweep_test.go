package storetest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func TestSweepChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		other := d.Tenant(t, "other")
		// Versions 2 to 5, of which 3 has two objects; and one version of another tenant.
		notes := storetest.New(d.Default, object.KindResource, "notes", spec)
		storetest.Apply(t, objects, notes)
		apply(t, objects, storetest.New(d.Default, object.KindResource, "a", spec), storetest.New(d.Default, object.KindResource, "b", spec))
		storetest.Apply(t, objects, storetest.New(d.Default, object.KindResource, "c", spec))
		storetest.Apply(t, objects, storetest.New(d.Default, object.KindResource, "d", spec))
		storetest.Apply(t, objects, storetest.New(other, object.KindResource, "notes", spec))
		sweep := func(want int64) {
			t.Helper()
			swept, err := d.Store.Sweep(t.Context(), store.Retention{})
			if err != nil || swept.Changes != want {
				t.Fatalf("%+v, %v; want %d changes", swept, err, want)
			}
		}
		age := func(where string) {
			t.Helper()
			if _, err := d.Owner.ExecContext(t.Context(), "update tenant_changes set at = at - $1 where "+where, (61 * time.Minute).Microseconds()); err != nil {
				t.Fatal(err)
			}
		}
		read := func(after int64, want int, complete bool) {
			t.Helper()
			changed, upTo, known, err := d.Store.Changes(t.Context(), d.Default, after)
			if err != nil || known != complete || complete && (len(changed) != want || upTo != 5) {
				t.Fatalf("after %d: %v up to %d, complete %v, %v", after, changed, upTo, known, err)
			}
		}
		sweep(0) // nothing is old
		read(1, 5, true)
		age("version = 3 and uid in (select max(uid) from tenant_changes where version = 3)")
		sweep(3) // version 3 goes as a whole, with what is before it
		read(1, 0, false)
		read(2, 0, false)
		read(3, 2, true)
		age("true")
		sweep(1) // the newest stays, of each tenant
		read(3, 0, false)
		read(4, 1, true)
		if changed, _, complete, err := d.Store.Changes(t.Context(), other, 1); err != nil || !complete || len(changed) != 1 {
			t.Fatalf("another tenant: %v %v %v", changed, complete, err)
		}
		sweep(0)
	})
}

// TestSweepTokens: the record of a token goes when nothing can ask for it any more, a batch at a time, and none before;
// what ended it stays as long as it says.
func TestSweepTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		other := d.Tenant(t, "other")
		aged := func(uid tenant.UID, age time.Duration) ledger.IssuedToken {
			return s.issue(uid, func(i *ledger.IssuedToken) {
				i.ID = id.New(id.Token, time.Now().Add(-age))
				i.IssuedAt, i.ExpiresAt = i.IssuedAt.Add(-age), i.ExpiresAt.Add(-age)
			})
		}
		const month = 31 * 24 * time.Hour
		fresh := aged(d.Default, 0)
		long := s.issue(d.Default, func(i *ledger.IssuedToken) { // the longest life that there is, nearly over
			i.ID = id.New(id.Token, time.Now().Add(-23*time.Hour))
			i.IssuedAt, i.ExpiresAt = i.IssuedAt.Add(-23*time.Hour), i.IssuedAt.Add(time.Hour)
		})
		kept := aged(d.Default, 29*24*time.Hour)
		gone, theirs := aged(d.Default, 3*month), aged(other, 3*month)
		s.mark(d.Default, lifecycle.User, "usr_1")
		keep := store.Retention{Decisions: 30 * 24 * time.Hour, Tokens: 30 * 24 * time.Hour}
		for round, want := range []int64{2, 0} { // rows: on PostgreSQL they are in the default partition
			swept, err := d.Store.Sweep(t.Context(), keep)
			if err != nil || swept.Tokens != want {
				t.Fatalf("round %d: %+v, %v; want %d tokens", round, swept, err, want)
			}
		}
		for _, i := range []ledger.IssuedToken{fresh, long, kept} {
			found, err := s.tokens.Find(t.Context(), d.Default, i.ID)
			if err != nil || found.End == nil || found.End.UID != "usr_1" {
				t.Errorf("issued %s: %+v, %v", i.IssuedAt, found, err)
			}
		}
		for uid, i := range map[tenant.UID]ledger.IssuedToken{d.Default: gone, other: theirs} {
			if _, err := s.tokens.Find(t.Context(), uid, i.ID); !errors.Is(err, lifecycle.ErrUnknown) {
				t.Errorf("issued %s: %v, want ErrUnknown", i.IssuedAt, err)
			}
		}
		if known := s.standing(d.Default, long).Known[0]; known == nil || !known.Revoked {
			t.Errorf("a live token was forgotten: %+v", known)
		}
	})
}

// TestSweepKeepsTheLiving: nobody can ask for live tokens to be forgotten; and the owner's last day is no error.
func TestSweepKeepsTheLiving(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		for _, keep := range []store.Retention{{Tokens: time.Second}, {Tokens: store.MinTokens - 1}, {Tokens: -1}, {Decisions: -1}} {
			if _, err := d.Store.Sweep(t.Context(), keep); err == nil {
				t.Errorf("%+v passes", keep)
			}
		}
		if _, err := d.Store.Sweep(t.Context(), store.Retention{Decisions: time.Hour, Tokens: store.MinTokens}); err != nil {
			t.Error(err)
		}
	})
}

// TestSweepGoesInBatches: more than one statement may remove at once goes all the same, and what is young stays.
func TestSweepGoesInBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		if d.Role != "" {
			return // the owner's function drops months
		}
		const rows = 12_000
		age := store.MinTokens + time.Hour
		_, err := d.Owner.ExecContext(t.Context(), `with recursive c (n) as (select 1 union all select n + 1 from c where n < $1)
			insert into issued_tokens (tenant_uid, jti, issued_at, expires_at, kid, grant_type, client_uid, subject, idp_uid, resource_uid, audience, scope, jkt, decision_id, trace)
			select $2, 'tok_' || n, $3 + n, $3 + n, '', '', '', '', '', '', '', '', '', '', '' from c`,
			rows, d.Default.String(), time.Now().Add(-age).UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
		newShelf(t, d).issue(d.Default, nil)
		swept, err := d.Store.Sweep(t.Context(), store.Retention{Tokens: store.MinTokens})
		if err != nil || swept.Tokens != rows {
			t.Fatalf("%+v, %v", swept, err)
		}
		var left int
		if err := d.Owner.QueryRowContext(t.Context(), "select count(*) from issued_tokens").Scan(&left); err != nil || left != 1 {
			t.Errorf("%d are left, %v", left, err)
		}
	})
}

// TestSweepsOfStrangersGoInBatches: what strangers can make without end goes without one statement that takes it all.
func TestSweepsOfStrangersGoInBatches(t *testing.T) {
	const many = 12_000
	for function, fill := range map[string]string{
		"chancery_sweep_requests": "insert into pending_requests (tenant_uid, handle, browser, parameters, progress, turn, created_at, expires_at, proved_by) select $2, %s, %[1]s, 'x', '{}', 0, 1, 2, '' from c",
		"chancery_sweep_devices": "insert into device_authorizations (tenant_uid, handle, user_code, client_uid, client_id, parameters, jkt, state, wait, created_at, expires_at, user_uid, idp_uid, version, granted) " +
			"select $2, %s, %[1]s, 'cli_1', 'claude', 'x', '', 'waiting', 5000000, 1, 2, '', '', 0, '' from c",
		"chancery_sweep_interactions": "insert into interactions (tenant_uid, handle, user_uid, client_uid, client_id, resource_uid, sealed, acr_values, begun_at, ends_at) " +
			"select $2, %s, 'usr_1', 'cli_1', 'claude', 'res_1', %[1]s, '', 1, 2 from c",
		"chancery_sweep_connect": "insert into connect_links (tenant_uid, handle, user_uid, client_uid, client_id, client_name, provider_uid, scopes, account, trace, sealed, begun_at, ends_at, goes_at) " +
			"select $2, %s, 'usr_1', 'cli_1', 'claude', 'Claude', 'prv_1', '[]', '', '', @sealed, 1, 2, 3 from c",
		"chancery_sweep_families": "insert into refresh_families (tenant_uid, id, origin, user_uid, client_uid, idp_uid, issuer, session, offline, resources, identity, acr, amr, jkt, version, generation, began_at, rotated_at, idle_until, expires_at) " +
			"select $2, cast(n as text), '', 'usr_1', 'cli_1', 'idp_1', '', %s, true, '[]', '[]', '', '[]', '', 1, 0, 1, 1, 1, 1 from c",
	} {
		t.Run(function, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				number, sealed := "cast(printf('%032d', n) as blob)", "x'43485330'" // as long as a digest
				if d.Role != "" {
					number, sealed = "convert_to(lpad(n::text, 32, '0'), 'UTF8')", `'\x43485330'::bytea`
				}
				tx, err := d.Owner.BeginTx(t.Context(), nil)
				mustBe(t, err)
				if d.Role != "" { // the wall holds for the owner too
					_, err := tx.ExecContext(t.Context(), "select set_config('chancery.tenant', $1, true)", d.Default.String())
					mustBe(t, err)
				}
				_, err = tx.ExecContext(t.Context(), "with recursive c (n) as (select 1 union all select n + 1 from c where n < $1) "+strings.ReplaceAll(fmt.Sprintf(fill, number), "@sealed", sealed), many, d.Default.String())
				mustBe(t, errors.Join(err, tx.Commit()))
				want := int64(many)
				if d.Role != "" {
					var gone int64
					mustBe(t, d.Owner.QueryRowContext(t.Context(), "select "+function+"(7)").Scan(&gone))
					if want -= 7; gone != 7 {
						t.Errorf("%d at once", gone)
					}
				}
				swept, err := d.Store.Sweep(t.Context(), store.Retention{})
				if err != nil || swept.Requests+swept.Devices+swept.Interactions+swept.Families+swept.Connects != want {
					t.Errorf("swept %+v %v, want %d", swept, err, want)
				}
			})
		})
	}
}
