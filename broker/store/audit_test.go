package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// signedLedger is openLedger with a known signer, whose key is in the log.
func signedLedger(t *testing.T, s *store.Store, signer *audit.PrivateKey, every time.Duration) *ledger.Ledger {
	t.Helper()
	_, err := s.SQL().Exec("insert into checkpoint_keys (kid, public_jwk, sealed, created_at) values ($1, $2, $3, 0) on conflict do nothing",
		signer.KeyID(), string(signer.JWK()), []byte("CHS0 sealed"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New(ledger.Config{
		Journal: s.Journal(), Checkpoints: s.Checkpoints(), Signer: signer, Every: every, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLedger(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func exportAll(t *testing.T, s *store.Store) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.Audit().ExportAll(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestExportOfTheDatabaseVerifies(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		signer := newSigner(t)
		expect := audit.Expect{Keys: []audit.PublicKey{signer.PublicKey}}
		for start := range 3 { // three starts of a process
			l := signedLedger(t, s, signer, time.Hour)
			for i := range 5 {
				if err := l.Commit(t.Context(), issue(fmt.Sprint(start, i))); err != nil {
					t.Fatal(err)
				}
			}
			lost(t, l.Commit(t.Context(), issue(fmt.Sprint(start, 0))), ledger.SpaceAssertion)
			closeLedger(t, l)
			closeLedger(t, l) // once more does no harm
			if err := l.Commit(t.Context(), issue("late")); !errors.Is(err, ledger.ErrUnavailable) {
				t.Fatalf("after the close: %v", err)
			}
		}
		report, err := audit.Verify(bytes.NewReader(exportAll(t, s)), expect)
		if err != nil || report.Events != 18 || report.Checkpoints != 3 || report.Writers != 3 || report.Unproven != 0 {
			t.Fatalf("%+v %v", report, err)
		}
		// A row changed, and one cut, in the database itself.
		if _, err := s.SQL().Exec("update audit_events set body = replace(body, 'claude', 'cloude') where seq = 2"); err != nil {
			t.Fatal(err)
		}
		if bad, ok := errors.AsType[*audit.Bad](verifyError(t, s, expect)); !ok || bad.Seq != 2 || !strings.Contains(bad.What, "changed") {
			t.Fatalf("a changed row: %v", bad)
		}
		if _, err := s.SQL().Exec("delete from audit_events where seq = 2"); err != nil {
			t.Fatal(err)
		}
		if bad, ok := errors.AsType[*audit.Bad](verifyError(t, s, expect)); !ok || !strings.Contains(bad.What, "event 2 belongs here") {
			t.Fatalf("a cut row: %v", bad)
		}
	})
}

func verifyError(t *testing.T, s *store.Store, expect audit.Expect) error {
	t.Helper()
	_, err := audit.Verify(bytes.NewReader(exportAll(t, s)), expect)
	return err
}

// A process that died is sealed by another, and its chain is proved to its end.
func TestDeadWriterIsSealed(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		signer := newSigner(t)
		dead := signedLedger(t, s, signer, time.Hour)
		if err := dead.Commit(t.Context(), issue("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SQL().Exec("update audit_writers set seen_at = seen_at - 61000000 where id = $1", dead.Writer()); err != nil {
			t.Fatal(err)
		}
		living := signedLedger(t, s, signer, 10*time.Millisecond)
		if err := living.Commit(t.Context(), issue("b")); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			return count(t, s, "select count(*) from audit_writers where id = $1 and sealed_in is not null", dead.Writer()) == 1
		})
		// It was only slow: it goes on, under another name.
		if err := dead.Commit(t.Context(), issue("c")); err != nil {
			t.Fatal(err)
		}
		closeLedger(t, dead)
		closeLedger(t, living)
		report, err := audit.Verify(bytes.NewReader(exportAll(t, s)), audit.Expect{Keys: []audit.PublicKey{signer.PublicKey}})
		if err != nil || report.Events != 3 || report.Unproven != 0 {
			t.Fatalf("%+v %v", report, err)
		}
	})
}

func TestNoCheckpointWhenNothingHappened(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l := signedLedger(t, s, newSigner(t), time.Millisecond)
		if err := l.Commit(t.Context(), issue("a")); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return count(t, s, "select count(*) from audit_checkpoints") == 1 })
		seen := count(t, s, "select seen_at from audit_writers")
		waitFor(t, func() bool { return count(t, s, "select seen_at from audit_writers") > seen }) // some beats later
		if n := count(t, s, "select count(*) from audit_checkpoints"); n != 1 {
			t.Errorf("%d checkpoints", n)
		}
		closeLedger(t, l)
		if n := count(t, s, "select count(*) from audit_checkpoints"); n != 2 { // the one that names the end
			t.Errorf("%d checkpoints", n)
		}
	})
}

func TestQueryAndFind(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l := openLedger(t, s, s.Journal())
		log := s.Audit()
		_, position, err := log.Tail(t.Context(), acme, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		entries := make([]ledger.Entry, 25)
		for i := range entries {
			entries[i] = issue(fmt.Sprint(i))
			entries[i].Decision.Trace = entries[i].Event.Trace
			if err := l.Commit(t.Context(), entries[i]); err != nil {
				t.Fatal(err)
			}
		}
		lost(t, l.Commit(t.Context(), issue("7")), ledger.SpaceAssertion)

		var pages, all int
		for cursor := ""; ; pages++ {
			rows, next, err := log.Query(t.Context(), acme, store.Filter{Limit: 10, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			all += len(rows)
			if cursor = next; next == "" {
				break
			}
		}
		if pages != 2 || all != 26 {
			t.Errorf("%d events in %d pages", all, pages+1)
		}
		for name, c := range map[string]struct {
			filter store.Filter
			want   int
		}{
			"outcome":  {store.Filter{Outcome: audit.Refused}, 1},
			"code":     {store.Filter{Code: "assertion_replayed"}, 1},
			"type":     {store.Filter{Types: []audit.Type{audit.TypeTokenIssued, audit.TypeTokenRefused}}, 26},
			"client":   {store.Filter{Client: "claude"}, 26},
			"nobody":   {store.Filter{Client: "' or 1=1 --"}, 0},
			"token":    {store.Filter{TokenID: entries[3].Token.ID}, 1},
			"trace":    {store.Filter{Trace: entries[3].Event.Trace}, 1},
			"id":       {store.Filter{ID: entries[3].Event.ID}, 1},
			"since":    {store.Filter{Since: time.Now().Add(time.Hour)}, 0},
			"until":    {store.Filter{Until: time.Now().Add(-time.Hour)}, 0},
			"a window": {store.Filter{Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}, 26},
		} {
			rows, _, err := log.Query(t.Context(), acme, c.filter)
			if err != nil || len(rows) != c.want {
				t.Errorf("%s: %d rows, %v", name, len(rows), err)
			}
		}
		if _, _, err := log.Query(t.Context(), acme, store.Filter{Cursor: "e30"}); !errors.Is(err, store.ErrCursor) {
			t.Errorf("a cursor of another's making: %v", err)
		}
		if _, _, err := log.Query(t.Context(), tenant.UID{}, store.Filter{}); !errors.Is(err, tenant.ErrNoTenant) {
			t.Errorf("no tenant: %v", err)
		}
		stranger := tenant.MustParseUID("ten_other")
		if rows, _, err := log.Query(t.Context(), stranger, store.Filter{}); err != nil || len(rows) != 0 {
			t.Errorf("another tenant sees %d rows, %v", len(rows), err)
		}

		if rows, err := log.FindTrace(t.Context(), acme, entries[4].Event.Trace); err != nil || len(rows) != 1 || rows[0].Event.TokenID != entries[4].Token.ID {
			t.Errorf("trace: %v %v", rows, err)
		}
		found, err := log.FindDecision(t.Context(), acme, entries[4].Decision.ID)
		if err != nil || string(found.Input) != string(entries[4].Decision.Input) || len(found.Policies) != 1 {
			t.Errorf("decision: %+v %v", found, err)
		}
		if rows, err := log.FindDecisionEvent(t.Context(), acme, entries[4].Decision.ID); err != nil || len(rows) != 1 {
			t.Errorf("the decision's event: %v %v", rows, err)
		}
		for _, unknown := range []string{"", "x", id.New(id.Trace, time.Now()), id.New(id.Decision, time.Now())} {
			if _, err := log.FindTrace(t.Context(), acme, unknown); !errors.Is(err, store.ErrNotRecorded) {
				t.Errorf("trace %q: %v", unknown, err)
			}
			if _, err := log.FindDecision(t.Context(), acme, unknown); !errors.Is(err, store.ErrNotRecorded) {
				t.Errorf("decision %q: %v", unknown, err)
			}
		}
		if _, err := log.FindDecision(t.Context(), stranger, entries[4].Decision.ID); !errors.Is(err, store.ErrNotRecorded) {
			t.Errorf("another tenant's decision: %v", err)
		}

		var tailed int
		for range 10 {
			var rows []store.AuditRow
			if rows, position, err = log.Tail(t.Context(), acme, position, 10); err != nil {
				t.Fatal(err)
			}
			tailed += len(rows)
		}
		if tailed != 26 {
			t.Errorf("the tail brought %d events", tailed)
		}
	})
}

func TestSweep(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l := openLedger(t, s, s.Journal())
		fresh, old := issue("fresh"), issue("old")
		old.Decision.At = time.Now().Add(-80 * 24 * time.Hour) // on PostgreSQL whole months go
		old.Token.IssuedAt = old.Decision.At
		for _, e := range []ledger.Entry{fresh, old} {
			if err := l.Commit(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.SQL().Exec("update redemptions set expires_at = expires_at - 1200000000 where entry = $1", old.Event.ID); err != nil {
			t.Fatal(err)
		}
		swept, err := s.Sweep(t.Context(), store.Retention{Decisions: 48 * time.Hour})
		if err != nil || swept.Redemptions != 1 || swept.Decisions != 1 || swept.Tokens != 0 {
			t.Fatalf("%+v %v", swept, err)
		}
		swept, err = s.Sweep(t.Context(), store.Retention{Tokens: 48 * time.Hour})
		if err != nil || swept.Redemptions != 0 || swept.Tokens != 1 {
			t.Fatalf("%+v %v", swept, err)
		}
		for _, table := range []string{"redemptions", "decisions", "issued_tokens"} {
			if n := count(t, s, "select count(*) from "+table); n != 1 {
				t.Errorf("%s: %d rows", table, n)
			}
		}
		if n := count(t, s, "select count(*) from audit_events"); n != 2 {
			t.Errorf("the sweep took %d events", 2-n)
		}
	})
}
