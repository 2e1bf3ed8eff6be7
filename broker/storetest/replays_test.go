package storetest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// keepReplays keeps a replay that runs, and a matrix.
func keepReplays(t *testing.T, d *storetest.Database, of tenant.UID) {
	t.Helper()
	r := d.Store.Replays()
	must(t, r.Begin(t.Context(), of, "rpl_1", []byte(`{}`)))
	must(t, r.KeepMatrix(t.Context(), of, "pol_1", 1, time.Now(), []byte(`{"cells":[]}`), ""))
}

func TestReplays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		r := d.Store.Replays()
		keepReplays(t, d, d.Default)
		if stop, err := r.Progress(t.Context(), d.Default, "rpl_1", 7, 2); err != nil || stop {
			t.Fatal(stop, err)
		}
		job, err := r.Job(t.Context(), d.Default, "rpl_1")
		if err != nil || job.State != decision.Running || job.Read != 7 || job.Flips != 2 || job.Report != nil {
			t.Fatalf("%+v, %v", job, err)
		}
		must(t, r.Stop(t.Context(), d.Default, "rpl_1"))
		if stop, err := r.Progress(t.Context(), d.Default, "rpl_1", 8, 2); err != nil || !stop {
			t.Fatalf("nobody hears that it is to end: %v, %v", stop, err)
		}
		unseen(t, d, d.Default)
		if job, err := r.Job(t.Context(), d.Default, "rpl_1"); err != nil || job.State != decision.Lost {
			t.Fatalf("%+v, %v", job, err)
		}
		must(t, r.End(t.Context(), d.Default, "rpl_1", decision.Outcome{State: decision.Cancelled, Read: 9, Flips: 3, Message: "it was cancelled"}))
		if job, err := r.Job(t.Context(), d.Default, "rpl_1"); err != nil || job.State != decision.Cancelled || job.Read != 9 || job.Message == "" || job.EndedAt.IsZero() {
			t.Fatalf("%+v, %v", job, err)
		}
		must(t, r.End(t.Context(), d.Default, "rpl_1", decision.Outcome{State: decision.Done}))
		if job, _ := r.Job(t.Context(), d.Default, "rpl_1"); job.State != decision.Cancelled {
			t.Errorf("what ended, ended again: %+v", job)
		}
		for i := range 60 {
			must(t, r.Begin(t.Context(), d.Default, fmt.Sprintf("rpl_x%d", i), []byte(`{}`)))
		}
		if _, err := r.Job(t.Context(), d.Default, "rpl_1"); !errors.Is(err, decision.ErrReplayUnknown) {
			t.Errorf("the oldest is kept: %v", err)
		}
		other := d.Tenant(t, "other")
		for _, err := range []error{r.Stop(t.Context(), other, "rpl_x59"), errorOf(r.Job(t.Context(), other, "rpl_x59"))} {
			if !errors.Is(err, decision.ErrReplayUnknown) {
				t.Errorf("another tenant: %v", err)
			}
		}

		must(t, r.KeepMatrix(t.Context(), d.Default, "pol_1", 60, time.Now(), nil, "too large"))
		for revision, want := range map[int64]error{1: decision.ErrMatrixUnknown, 60: decision.ErrMatrixUnknown, 61: decision.ErrMatrixUnknown} {
			if _, _, err := r.Matrix(t.Context(), d.Default, "pol_1", revision); !errors.Is(err, want) {
				t.Errorf("revision %d: %v", revision, err)
			}
		}
		must(t, r.KeepMatrix(t.Context(), d.Default, "pol_1", 60, time.Now(), []byte(`{"cells":[]}`), ""))
		if _, text, err := r.Matrix(t.Context(), d.Default, "pol_1", 60); err != nil || string(text) != `{"cells":[]}` {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// unseen makes replays of a tenant such that nothing was heard of for longer than they may be silent.
func unseen(t *testing.T, d *storetest.Database, of tenant.UID) {
	t.Helper()
	tx, err := d.Owner.BeginTx(t.Context(), nil)
	must(t, err)
	if d.Name == "postgres" { // even the owner sees one tenant's rows
		_, err = tx.ExecContext(t.Context(), "select set_config('chancery.tenant', $1, true)", of.String())
		must(t, err)
	}
	done, err := tx.ExecContext(t.Context(), "update replays set seen_at = seen_at - $1", (decision.LostAfter + time.Second).Microseconds())
	must(t, err)
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%d replays, %v", n, err)
	}
	must(t, tx.Commit())
}

func errorOf[T any](_ T, err error) error { return err }
