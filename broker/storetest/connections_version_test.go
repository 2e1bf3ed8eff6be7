package storetest_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/vault/connection"
)

// What ends a connection raises its tenant's version, so that no lease that was decided before is committed after; what
// begins one does not, and neither does a try that changed nothing.
func TestEndingAConnectionRaisesTheVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		c := d.Store.Connections(d.Ledger(t, d.Store))
		s := keepConnection(t, d, d.Default)
		version := func() int64 {
			t.Helper()
			v, err := d.Store.Version(t.Context(), d.Default)
			must(t, err)
			return v
		}
		before := version()
		must(t, c.Move(t.Context(), d.Default, s.ID, connection.Connected, connection.Suspended, "held", storetest.Event(d.Default)))
		if now := version(); now != before+1 {
			t.Errorf("suspended: version %d, then %d", before, now)
		}
		before = version()
		if err := c.Move(t.Context(), d.Default, s.ID, connection.Connected, connection.Revoked, "", storetest.Event(d.Default)); err == nil {
			t.Error("moved from where it does not stand")
		}
		if now := version(); now != before {
			t.Errorf("nothing moved: version %d, then %d", before, now)
		}
		must(t, c.Remove(t.Context(), d.Default, s.ID, storetest.Event(d.Default)))
		if now := version(); now != before+1 {
			t.Errorf("removed: version %d, then %d", before, now)
		}
	})
}
