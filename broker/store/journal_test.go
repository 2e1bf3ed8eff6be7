package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// together holds the writer back until all entries are queued, so that they are one batch.
type together struct {
	ledger.Journal
	gate    chan struct{}
	batches atomic.Int64
	claims  atomic.Int64 // of the largest batch
}

func (j *together) Write(ctx context.Context, b ledger.Batch) error {
	<-j.gate
	j.batches.Add(1)
	j.claims.Store(max(j.claims.Load(), int64(len(b.Claims))))
	return j.Journal.Write(context.WithoutCancel(ctx), b)
}

// commitTogether commits entries in one batch, in their order, and returns their answers.
func commitTogether(t *testing.T, s *store.Store, entries ...ledger.Entry) []error {
	t.Helper()
	j := &together{Journal: s.Journal(), gate: make(chan struct{})}
	l := openLedger(t, s, j)
	answers := make([]error, len(entries))
	var waiters sync.WaitGroup
	// The first batch keeps the writer busy while the others queue up.
	waiters.Go(func() {
		if err := l.Commit(t.Context(), issue("opening "+fmt.Sprint(time.Now().UnixNano()))); err != nil {
			t.Errorf("the opening entry: %v", err)
		}
	})
	waitFor(t, func() bool { return l.Queued() == 0 && l.Writer() != "" })
	for i, e := range entries {
		waiters.Go(func() { answers[i] = l.Commit(t.Context(), e) })
		waitFor(t, func() bool { return l.Queued() == i+1 })
	}
	close(j.gate)
	waiters.Wait()
	return answers
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !what() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that in 10 s")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func lost(t *testing.T, err error, space ledger.Space) {
	t.Helper()
	conflict, ok := errors.AsType[*ledger.Conflict](err)
	if !ok || conflict.Lost.Space != space {
		t.Fatalf("got %v, want the loss of the %s", err, space)
	}
}

func TestEntryIsRecordedWhole(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		e := issue("a")
		if err := openLedger(t, s, s.Journal()).Commit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		for what, query := range map[string]string{
			"redemption": "select count(*) from redemptions where entry = '" + e.Event.ID + "'",
			"event":      "select count(*) from audit_events where id = '" + e.Event.ID + "' and seq = 1",
			"decision":   "select count(*) from decisions where id = '" + e.Decision.ID + "'",
			"token":      "select count(*) from issued_tokens where jti = '" + e.Token.ID + "'",
		} {
			if n := count(t, s, query); n != 1 {
				t.Errorf("%s: %d rows", what, n)
			}
		}
	})
}

// Unsorted and duplicate keys, a replayed neighbour and a loser's neighbour in one batch.
func TestEachWaiterGetsItsOwnAnswer(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		if err := openLedger(t, s, s.Journal()).Commit(t.Context(), issue("used before")); err != nil {
			t.Fatal(err)
		}
		z, y, again, replayed, x := issue("z"), issue("y"), issue("z"), issue("used before"), issue("x")
		// loser asks for k first and loses on its client assertion, so k is free for neighbour.
		loser, neighbour := issue("k"), issue("k")
		loser.Redemptions = append(loser.Redemptions, redeem(ledger.SpaceProof, "proof"), redeem(ledger.SpaceClientAssertion, "ca"))
		y.Redemptions = append(y.Redemptions, redeem(ledger.SpaceClientAssertion, "ca"))
		// proofAgain comes after loser, whose proof stays used up.
		proofAgain := issue("other")
		proofAgain.Redemptions = append(proofAgain.Redemptions, redeem(ledger.SpaceProof, "proof"))
		stale := issue("s")
		stale.Pictures[0].Version = 0
		staleNeighbour := issue("s")

		answers := commitTogether(t, s, z, y, again, replayed, x, loser, neighbour, proofAgain, stale, staleNeighbour)
		for i, name := range []string{0: "z", 1: "y", 4: "x", 6: "the loser's neighbour", 9: "the stale entry's neighbour"} {
			if name != "" && answers[i] != nil {
				t.Errorf("%s: %v", name, answers[i])
			}
		}
		lost(t, answers[2], ledger.SpaceAssertion)
		lost(t, answers[3], ledger.SpaceAssertion)
		lost(t, answers[5], ledger.SpaceClientAssertion)
		lost(t, answers[7], ledger.SpaceProof)
		if !errors.Is(answers[8], ledger.ErrStale) {
			t.Errorf("stale: %v", answers[8])
		}

		owner := func(space ledger.Space, key string) string {
			r := redeem(space, key)
			var entry string
			err := s.SQL().QueryRow("select entry from redemptions where space = $1 and key = $2", string(space), r.Key[:]).Scan(&entry)
			if errors.Is(err, sql.ErrNoRows) {
				return "nobody"
			} else if err != nil {
				t.Fatal(err)
			}
			return entry
		}
		for _, c := range []struct {
			space ledger.Space
			key   string
			want  string
		}{
			{ledger.SpaceAssertion, "z", z.Event.ID},
			{ledger.SpaceAssertion, "k", neighbour.Event.ID},
			{ledger.SpaceAssertion, "s", staleNeighbour.Event.ID},
			{ledger.SpaceAssertion, "other", "nobody"},
			{ledger.SpaceClientAssertion, "ca", y.Event.ID},
			{ledger.SpaceProof, "proof", loser.Event.ID},
		} {
			if got := owner(c.space, c.key); got != c.want {
				t.Errorf("%s %q belongs to %s, want %s", c.space, c.key, got, c.want)
			}
		}
		if n := count(t, s, "select count(*) from audit_events where code = 'assertion_replayed' and outcome = 'refused' and type = 'token.refused'"); n != 2 {
			t.Errorf("%d events tell of the replayed assertions, want 2", n)
		}
		if n := count(t, s, "select count(*) from audit_events where id = $1", stale.Event.ID); n != 0 {
			t.Error("a stale entry left its event")
		}
		if n := count(t, s, "select count(*) from issued_tokens where jti in ($1, $2, $3, $4)",
			again.Token.ID, replayed.Token.ID, loser.Token.ID, stale.Token.ID); n != 0 {
			t.Error("a loser's token was recorded")
		}
	})
}

func TestPoisonousEntryFailsAlone(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		before := issue("before")
		poison := issue("poison")
		good, replayed := issue("good"), issue("good")
		// Only the database can see this one: the token's id is taken.
		poison.Token.ID, poison.Token.IssuedAt = good.Token.ID, good.Token.IssuedAt
		answers := commitTogether(t, s, before, good, poison, replayed, issue("after"))
		for _, i := range []int{0, 1, 4} {
			if answers[i] != nil {
				t.Errorf("neighbour %d: %v", i, answers[i])
			}
		}
		if !errors.Is(answers[2], ledger.ErrUnfit) {
			t.Errorf("poison: %v", answers[2])
		}
		lost(t, answers[3], ledger.SpaceAssertion)
		if n := count(t, s, "select count(*) from redemptions where entry = $1", poison.Event.ID); n != 0 {
			t.Error("the poisonous entry's redemption stayed")
		}
	})
}

func TestOneKeyOverTwoLedgers(t *testing.T) {
	engines(t, func(t *testing.T, url string, s *store.Store) {
		others := s
		if !isSQLite(url) { // a second process cannot have the file
			others = openStore(t, url)
		}
		ledgers := []*ledger.Ledger{openLedger(t, s, s.Journal()), openLedger(t, others, others.Journal())}
		if isSQLite(url) {
			ledgers[1] = ledgers[0]
		}
		var won, conflicts atomic.Int64
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				e := issue("one")
				e.Redemptions = append(e.Redemptions, redeem(ledger.SpaceProof, fmt.Sprint(i)))
				err := ledgers[i%2].Commit(t.Context(), e)
				if _, lost := errors.AsType[*ledger.Conflict](err); lost {
					conflicts.Add(1)
				} else if err == nil {
					won.Add(1)
				} else {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || conflicts.Load() != 199 {
			t.Fatalf("%d won and %d lost", won.Load(), conflicts.Load())
		}
		if n := count(t, s, "select count(*) from issued_tokens"); n != 1 {
			t.Fatalf("%d tokens", n)
		}
		if n := count(t, s, "select count(*) from redemptions"); n != 201 { // each proof is used up
			t.Fatalf("%d redemptions", n)
		}
	})
}

func TestUnfitEntriesNeverReachTheQueue(t *testing.T) {
	s := openStore(t, "sqlite://"+t.TempDir()+"/chancery.db")
	l := openLedger(t, s, s.Journal())
	for name, spoil := range map[string]func(*ledger.Entry){
		"no tenant":                      func(e *ledger.Entry) { e.Tenant = tenant.UID{} },
		"an event of no registered type": func(e *ledger.Entry) { e.Event.Type = "token.isued" },
		"an event without id":            func(e *ledger.Entry) { e.Event.ID = "" },
		"an event without outcome":       func(e *ledger.Entry) { e.Event.Outcome = "" },
		"a token without a picture":      func(e *ledger.Entry) { e.Pictures = nil },
		"a redemption without key":       func(e *ledger.Entry) { e.Redemptions[0].Key = [32]byte{} },
		"a redemption without expiry":    func(e *ledger.Entry) { e.Redemptions[0].ExpiresAt = time.Time{} },
		"a NUL byte in a token":          func(e *ledger.Entry) { e.Token.Subject = "a\x00b" },
		"no UTF-8 in a decision":         func(e *ledger.Entry) { e.Decision.Input = []byte("\xff") },
		"an oversize result":             func(e *ledger.Entry) { e.Decision.Result = []byte(strings.Repeat("x", 2<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			e := issue(name)
			spoil(&e)
			if err := l.Commit(t.Context(), e); !errors.Is(err, ledger.ErrUnfit) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestForgottenRedemptionIsRefused(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		e := issue("old")
		e.Redemptions[0].ExpiresAt = time.Now().Add(-ledger.Margin) // the sweeper may have taken an earlier use
		if err := openLedger(t, s, s.Journal()).Commit(t.Context(), e); !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
	})
}

// The events of outsiders hold what they like; the database must take it.
func TestHostileStringsAreRecorded(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		e := issue("h")
		e.Event.Code, e.Event.Trace = "a\x00b", "\xff\xfe"
		e.Event.Checks[0].Received = "\x00\u2028\"\\" + strings.Repeat("é", 5000)
		e.Event.Detail = map[string]string{"\x00": "\x01", "𝄞": "x", "\ufffd": "y"}
		if err := openLedger(t, s, s.Journal()).Commit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		var body string
		if err := s.SQL().QueryRow("select body from audit_events where id = $1", e.Event.ID).Scan(&body); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.ParseEvent([]byte(body)); err != nil {
			t.Fatal(err)
		}
	})
}
