package store_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/store"
)

// other is a transaction of another replica, which runs as the test says.
type other struct {
	*sql.Tx
	t *testing.T
}

func another(t *testing.T, s *store.Store) other {
	t.Helper()
	tx, err := s.SQL().BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	o := other{Tx: tx, t: t}
	o.run("select set_config('chancery.tenant', $1, true)", acme.String())
	return o
}

func (o other) run(statement string, args ...any) {
	o.t.Helper()
	if _, err := o.Exec(statement, args...); err != nil {
		o.t.Fatal(err)
	}
}

func (o other) commit() {
	o.t.Helper()
	if err := o.Commit(); err != nil {
		o.t.Fatal(err)
	}
}

// waits until somebody in the database waits for a lock.
func waits(t *testing.T, s *store.Store) {
	t.Helper()
	waitFor(t, func() bool {
		return count(t, s, "select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()") > 0
	})
}

func told(kind audit.Type) audit.Event {
	now := time.Now()
	return audit.Event{ID: id.New(id.Event, now), At: now, Tenant: acme, Type: kind, Outcome: audit.Changed, Principal: audit.Principal{Kind: "user", ID: "usr_1"}}
}

// Whoever ends a family while another replica rotates it waits for that, and ends it then.
func TestEndMeetsARotation(t *testing.T) {
	for name, ends := range map[string]func(s *store.Store, l *ledger.Ledger, f *ledger.Family) error{
		"reuse": func(_ *store.Store, l *ledger.Ledger, f *ledger.Family) error {
			return l.Commit(context.Background(), end(f))
		},
		"a code used twice": func(_ *store.Store, l *ledger.Ledger, f *ledger.Family) error {
			_ = l.Commit(context.Background(), begin(f.Origin)) // it loses
			return nil
		},
		"an administrator": func(s *store.Store, l *ledger.Ledger, f *ledger.Family) error {
			_, err := s.Families(l).End(context.Background(), acme, refresh.Choice{Family: f.ID}, ledger.EndedByAdmin, told(audit.TypeFamiliesEnded))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, postgresDatabase(t))
			l, e := openLedger(t, s, s.Journal()), begin("a")
			commit(t, l, e)
			rotation := another(t, s)
			rotation.run("update refresh_families set generation = generation + 1 where id = $1", e.Family.ID)
			ended := make(chan error, 1)
			go func() { ended <- ends(s, l, e.Family) }()
			waits(t, s)
			rotation.commit()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if f := familyOf(t, s, e.Family); f.End == nil || f.Generation != 2 {
				t.Errorf("it goes on: %+v", f)
			}
		})
	}
}

// What takes something away and ends families for it never holds them while it waits for batches: those hold the tenant first.
func TestWithdrawalWaitsForBatchesFirst(t *testing.T) {
	s := openStore(t, postgresDatabase(t))
	l, e := openLedger(t, s, s.Journal()), begin("a")
	commit(t, l, e)
	consents := s.Consents(l)
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := consents.Use(t.Context(), []consent.Consent{{
		Tenant: acme, UserUID: "usr_1", ClientUID: "cli_1", ClientID: "agent", ResourceUID: "res_1", Scopes: []string{"notes:read"}, GivenAt: now, UsedAt: now,
	}}); err != nil {
		t.Fatal(err)
	}
	batch := another(t, s)
	batch.run("select pg_advisory_xact_lock_shared(hashtextextended('chancery/tenant/' || $1, 0))", acme.String())
	withdrawn := make(chan error, 1)
	go func() {
		withdrawn <- consents.Withdraw(context.Background(), acme, "usr_1", "cli_1", "res_1", told(audit.TypeObjectChanged))
	}()
	waits(t, s)
	batch.run("set local lock_timeout = 500")
	batch.run("select 1 from refresh_families where id = $1 for update", e.Family.ID)
	batch.commit()
	if err := <-withdrawn; err != nil {
		t.Fatal(err)
	}
	if f := familyOf(t, s, e.Family); f.End == nil {
		t.Error("it goes on")
	}
}
