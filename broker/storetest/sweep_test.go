package storetest_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
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
