package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/store"
)

func change(write func(ctx context.Context, tx ledger.Tx) error) ledger.Change {
	now := time.Now()
	return ledger.Change{
		Tenant: acme, Raise: []ledger.ChangedObject{{Kind: "Client", UID: "cli_1"}}, Write: write,
		Events: []audit.Event{{
			ID: id.New(id.Event, now), At: now, Tenant: acme, Type: audit.TypeObjectChanged, Outcome: audit.Changed,
			Principal: audit.Principal{Kind: "token", Name: "admin"},
		}},
	}
}

func nothing(context.Context, ledger.Tx) error { return nil }

func TestChangeRaisesTheVersion(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l := openLedger(t, s, s.Journal())
		version, err := l.Apply(t.Context(), change(func(ctx context.Context, tx ledger.Tx) error {
			sqlTx, err := store.SQLTx(tx)
			if err != nil {
				return err
			}
			_, err = sqlTx.ExecContext(ctx, "update tenants set revision = 2 where uid = $1", acme.String())
			return err
		}))
		if err != nil || version != 2 {
			t.Fatalf("version %d, %v", version, err)
		}
		if n := count(t, s, "select count(*) from tenant_changes where version = 2 and kind = 'Client' and uid = 'cli_1'"); n != 1 {
			t.Error("what changed is not said")
		}
		if n := count(t, s, "select revision from tenants"); n != 2 {
			t.Error("the rows are not written")
		}
		if n := count(t, s, "select count(*) from audit_events where type = 'object.changed'"); n != 1 {
			t.Error("the event is not written")
		}
		if err := l.Commit(t.Context(), issue("old picture")); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("an entry of the old picture: %v", err)
		}
		again := issue("old picture")
		again.Pictures[0].Version = 2
		if err := l.Commit(t.Context(), again); err != nil {
			t.Errorf("decided again: %v", err)
		}
	})
}

func TestChangeThatFailsLeavesNothing(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l := openLedger(t, s, s.Journal())
		refusal := errors.New("the caller's own")
		if _, err := l.Apply(t.Context(), change(func(ctx context.Context, tx ledger.Tx) error {
			sqlTx, err := store.SQLTx(tx)
			if err != nil {
				return err
			}
			if _, err = sqlTx.ExecContext(ctx, "update tenants set revision = 2"); err != nil {
				return err
			}
			return refusal
		})); err != refusal { //nolint:errorlint // as it is
			t.Fatalf("got %v", err)
		}
		if n := count(t, s, "select revision from tenants"); n != 1 {
			t.Error("rows of a failed change stayed")
		}
		if n := count(t, s, "select count(*) from audit_events"); n != 0 {
			t.Error("the event of a failed change stayed")
		}
		if err := l.Commit(t.Context(), issue("after")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestChangeOfNothingIsRefused(t *testing.T) {
	s := openStore(t, "sqlite://"+t.TempDir()+"/chancery.db")
	l := openLedger(t, s, s.Journal())
	silent := change(nothing)
	silent.Events = nil
	if _, err := l.Apply(t.Context(), silent); !errors.Is(err, ledger.ErrUnfit) {
		t.Errorf("without an event: %v", err)
	}
	if _, err := l.Apply(t.Context(), change(nil)); !errors.Is(err, ledger.ErrUnfit) {
		t.Errorf("without rows: %v", err)
	}
	if _, err := store.SQLTx("x"); err == nil {
		t.Error("a string is no transaction")
	}
}

// 32 grants go on over two replicas while a change takes something away: once the change is
// answered, no token decided before it commits.
func TestNoTokenAfterARevocation(t *testing.T) {
	engines(t, func(t *testing.T, url string, s *store.Store) {
		other := s
		first := openLedger(t, s, s.Journal())
		second := first
		if !isSQLite(url) {
			other = openStore(t, url)
			second = openLedger(t, other, other.Journal())
		}
		var revoked atomic.Int64 // number of changes that were answered
		var late, granted atomic.Int64
		stop := make(chan struct{})
		var all sync.WaitGroup
		for i := range 32 {
			l := []*ledger.Ledger{first, second}[i%2]
			all.Go(func() {
				version := int64(1)
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					e := issue(id.New(id.Token, time.Now()))
					e.Pictures[0].Version = version
					begun := revoked.Load() // what was answered before we asked
					err := l.Commit(context.Background(), e)
					switch {
					case err == nil && version < begun+1:
						late.Add(1)
					case err == nil:
						granted.Add(1)
					case errors.Is(err, ledger.ErrStale):
						version = max(version, revoked.Load()+1)
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range 10 {
			l := []*ledger.Ledger{first, second}[i%2]
			version, err := l.Apply(t.Context(), change(nothing))
			if err != nil {
				t.Error(err)
				break
			}
			revoked.Store(version - 1)
			seen := granted.Load()
			waitFor(t, func() bool { return granted.Load() > seen })
		}
		close(stop)
		all.Wait()
		if late.Load() != 0 {
			t.Fatalf("%d tokens after their revocation", late.Load())
		}
	})
}
