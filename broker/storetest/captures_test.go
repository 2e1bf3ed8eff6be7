package storetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func armOf(t tenant.UID, idp string) capture.Arm {
	return capture.Arm{ID: id.New(id.Capture, time.Now()), Tenant: t, IdP: idp, Issuer: "https://" + idp + ".test", ExpiresAt: time.Now().Add(time.Minute).Truncate(time.Second).UTC()}
}

func captureEvent(t tenant.UID, kind audit.Type) audit.Event {
	e := storetest.Event(t)
	e.Type = kind
	return e
}

// A capture is armed, seen by every replica, filled once, read once, and gone.
func TestCaptures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		captures := d.Store.Captures(d.Ledger(t, d.Store))
		arm := armOf(d.Default, "idp_1")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(captures.Arm(t.Context(), arm, captureEvent(d.Default, audit.TypeCaptureArmed)))
		armed, err := captures.Armed(t.Context())
		must(err)
		if len(armed) != 1 || armed[0] != arm {
			t.Fatalf("armed %+v, want %+v", armed, arm)
		}
		if sealed, err := captures.Find(t.Context(), d.Default, arm.IdP, arm.ID); err != nil || sealed != nil {
			t.Fatalf("while it waits: %q %v", sealed, err)
		}

		// The first wins.
		must(captures.Record(t.Context(), arm, []byte("first"), captureEvent(d.Default, audit.TypeCaptureRecorded)))
		if err := captures.Record(t.Context(), arm, []byte("second"), captureEvent(d.Default, audit.TypeCaptureRecorded)); !errors.Is(err, capture.ErrGone) {
			t.Errorf("the second: %v", err)
		}
		if armed, err := captures.Armed(t.Context()); err != nil || len(armed) != 0 {
			t.Errorf("armed after it came: %v %v", armed, err)
		}
		sealed, err := captures.Find(t.Context(), d.Default, arm.IdP, arm.ID)
		if err != nil || string(sealed) != "first" {
			t.Errorf("found %q %v", sealed, err)
		}

		// Read once.
		must(captures.End(t.Context(), d.Default, arm.IdP, arm.ID, captureEvent(d.Default, audit.TypeCaptureRead)))
		if err := captures.End(t.Context(), d.Default, arm.IdP, arm.ID, captureEvent(d.Default, audit.TypeCaptureRead)); !errors.Is(err, capture.ErrGone) {
			t.Errorf("the second reader: %v", err)
		}
		if _, err := captures.Find(t.Context(), d.Default, arm.IdP, arm.ID); !errors.Is(err, capture.ErrGone) {
			t.Errorf("after it was read: %v", err)
		}
	})
}

// Who arms anew ends what waited before; another id finds nothing.
func TestCaptureIsReplaced(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		captures := d.Store.Captures(d.Ledger(t, d.Store))
		first, second := armOf(d.Default, "idp_1"), armOf(d.Default, "idp_1")
		for _, a := range []capture.Arm{first, second} {
			if err := captures.Arm(t.Context(), a, captureEvent(d.Default, audit.TypeCaptureArmed)); err != nil {
				t.Fatal(err)
			}
		}
		if err := captures.Record(t.Context(), first, []byte("x"), captureEvent(d.Default, audit.TypeCaptureRecorded)); !errors.Is(err, capture.ErrGone) {
			t.Errorf("recorded for who is gone: %v", err)
		}
		if _, err := captures.Find(t.Context(), d.Default, first.IdP, first.ID); !errors.Is(err, capture.ErrGone) {
			t.Errorf("found: %v", err)
		}
		if armed, err := captures.Armed(t.Context()); err != nil || len(armed) != 1 || armed[0].ID != second.ID {
			t.Errorf("armed %+v %v", armed, err)
		}
	})
}

// What has ended is neither seen nor filled, and is swept.
func TestCaptureEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		captures := d.Store.Captures(d.Ledger(t, d.Store))
		late := armOf(d.Default, "idp_1")
		late.ExpiresAt = time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
		if err := captures.Arm(t.Context(), late, captureEvent(d.Default, audit.TypeCaptureArmed)); err != nil {
			t.Fatal(err)
		}
		if armed, err := captures.Armed(t.Context()); err != nil || len(armed) != 0 {
			t.Errorf("armed %v %v", armed, err)
		}
		if err := captures.Record(t.Context(), late, []byte("x"), captureEvent(d.Default, audit.TypeCaptureRecorded)); !errors.Is(err, capture.ErrGone) {
			t.Errorf("recorded: %v", err)
		}
		swept, err := d.Store.Sweep(context.Background(), store.Retention{})
		if err != nil || swept.Captures != 1 {
			t.Errorf("swept %+v %v", swept, err)
		}
	})
}

// Another tenant sees that somebody waits, and nothing of what came (PostgreSQL's second wall holds it too).
func TestCaptureOfAnotherTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		captures := d.Store.Captures(d.Ledger(t, d.Store))
		arm := armOf(d.Default, "idp_1")
		if err := captures.Arm(t.Context(), arm, captureEvent(d.Default, audit.TypeCaptureArmed)); err != nil {
			t.Fatal(err)
		}
		if err := captures.Record(t.Context(), arm, []byte("claims"), captureEvent(d.Default, audit.TypeCaptureRecorded)); err != nil {
			t.Fatal(err)
		}
		other := tenant.MustParseUID(id.New(id.Tenant, time.Now()))
		if _, err := captures.Find(t.Context(), other, arm.IdP, arm.ID); !errors.Is(err, capture.ErrGone) {
			t.Errorf("found: %v", err)
		}
		for _, f := range []func() error{
			func() error { _, err := captures.Find(t.Context(), tenant.UID{}, arm.IdP, arm.ID); return err },
			func() error { return captures.End(t.Context(), tenant.UID{}, arm.IdP, arm.ID, audit.Event{}) },
			func() error { return captures.Arm(t.Context(), capture.Arm{}, audit.Event{}) },
			func() error { return captures.Record(t.Context(), capture.Arm{}, nil, audit.Event{}) },
		} {
			if err := f(); !errors.Is(err, tenant.ErrNoTenant) {
				t.Errorf("without a tenant: %v", err)
			}
		}
	})
}

// keepCapture makes a capture that holds something.
func keepCapture(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	captures, arm := d.Store.Captures(d.Ledger(t, d.Store)), armOf(uid, "idp_1")
	if err := captures.Arm(t.Context(), arm, captureEvent(uid, audit.TypeCaptureArmed)); err != nil {
		t.Fatal(err)
	}
	if err := captures.Record(t.Context(), arm, []byte("sealed"), captureEvent(uid, audit.TypeCaptureRecorded)); err != nil {
		t.Fatal(err)
	}
}

// TestEndedCapturesAreWalled: what has ended and holds something is shown to its tenant alone, and goes by the sweeper, of
// every tenant.
func TestEndedCapturesAreWalled(t *testing.T) {
	d := postgres(t)
	other := d.Tenant(t, "other")
	keepCapture(t, d, d.Default)
	keepCapture(t, d, other)
	raw := d.Raw(t)
	for _, uid := range []tenant.UID{d.Default, other} { // both end
		tx, err := raw.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{"select set_config('chancery.tenant', '" + uid.String() + "', true)", "update idp_captures set expires_at = 1"} {
			if _, err := tx.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	count := func(uid string) (n int) {
		t.Helper()
		tx, err := raw.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(t.Context(), "select set_config('chancery.tenant', $1, true)", uid); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRowContext(t.Context(), "select count(*) from idp_captures").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if nobody, mine := count(""), count(d.Default.String()); nobody != 0 || mine != 1 {
		t.Errorf("shown to nobody %d, to its tenant %d", nobody, mine)
	}
	if done, err := raw.ExecContext(t.Context(), "delete from idp_captures"); err != nil {
		t.Error(err)
	} else if n, err := done.RowsAffected(); err != nil || n != 0 {
		t.Errorf("nobody's tenant removed %d, %v", n, err)
	}
	swept, err := d.Store.Sweep(t.Context(), store.Retention{})
	if err != nil || swept.Captures != 2 {
		t.Errorf("swept %+v, %v", swept, err)
	}
}
