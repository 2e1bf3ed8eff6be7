package grant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// limited gives the clients of a world a budget.
func (w *world) limited(t *testing.T, b client.Budget) {
	t.Helper()
	authenticator, ok := w.Clients.(*client.Authenticator)
	if !ok {
		t.Fatalf("clients are %T", w.Clients)
	}
	limited, err := client.Limit(authenticator, b)
	must(t, err)
	w.Clients = limited
}

// bucket lets n requests through.
func (w *world) bucket(t *testing.T, n int) *limit.Limiter[client.Key] {
	t.Helper()
	buckets, err := limit.New[client.Key](limit.Rate{Count: n, Per: time.Hour, Burst: n}, 10, func() time.Time { return w.now })
	must(t, err)
	return buckets
}

// TestSpentOnceHoweverOftenDecided: what changes in a tenant meanwhile is not the client's doing.
func TestSpentOnceHoweverOftenDecided(t *testing.T) {
	stale := []error{ledger.ErrStale, ledger.ErrStale, ledger.ErrStale}
	for name, c := range map[string]struct {
		changes []change
		ask     func(w *world) ask
	}{
		"by its credential": {nil, func(w *world) ask { return w.ask(t) }},
		"by a rule":         {nil, func(w *world) ask { return w.run(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := floor(t)
			budget := &spending{}
			w.limited(t, budget)
			w.journal.answers = append(w.journal.answers, stale...)
			w.journal.before = func(int) { w.store.Newer++ }
			w.granted(t, c.ask(w))
			if w.journal.calls != 4 || len(budget.spent) != 1 {
				t.Errorf("%d commits, spent %v", w.journal.calls, budget.spent)
			}
			w.granted(t, c.ask(w)) // another request is another one
			if len(budget.spent) != 2 {
				t.Errorf("spent %v", budget.spent)
			}
		})
	}
}

// looks answers what was used, as the ledger does, or fails.
type looks struct {
	journal *journal
	err     error
	asked   int
}

func (l *looks) Redeemed(_ context.Context, r ledger.Redemption) (bool, error) {
	l.asked++
	if l.err != nil {
		return false, l.err
	}
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	return l.journal.redeemed[key(r)], nil
}

// TestUsedTokenLocksNobodyOut: whoever holds a token that was used, as everybody does who reads a build's log, spends
// nothing of the client's budget and fills nothing of its record.
func TestUsedTokenLocksNobodyOut(t *testing.T) {
	w := floor(t)
	w.limited(t, w.bucket(t, 2))
	w.Uses = &looks{journal: w.journal}
	used := w.run(t, idptest.WithClaim("jti", "run-1"))
	w.granted(t, used)
	for range 20 {
		w.refused(t, used, oauth.CodeJTIReplayed)
		w.refused(t, w.present(t, used.form.Get("assertion")).with("scope", "notes:admin"), oauth.CodeJTIReplayed)
	}
	if event := w.lane.last(t); len(w.journal.entries) != 1 || len(w.journal.conflicts) != 0 || event.Principal.Kind != "anonymous" {
		t.Errorf("recorded %d and %d, event %+v", len(w.journal.entries), len(w.journal.conflicts), event)
	}
	w.granted(t, w.run(t, idptest.WithClaim("jti", "run-2"))) // the second of the two
	w.refused(t, w.run(t, idptest.WithClaim("jti", "run-3")), oauth.CodeClientRateExceeded)
}

// TestLookSettlesNothing: two who look at once both see an unused token; one of them is granted.
func TestLookSettlesNothing(t *testing.T) {
	w := floor(t)
	w.Uses = &looks{journal: &journal{}} // in which nothing was ever used
	a := w.run(t)
	w.granted(t, a)
	w.refused(t, a, oauth.CodeJTIReplayed)
	if len(w.journal.conflicts) != 1 {
		t.Errorf("%d conflicts", len(w.journal.conflicts))
	}
}

// TestLookCannotTell: a ledger that cannot be asked is no yes.
func TestLookCannotTell(t *testing.T) {
	w := floor(t)
	budget := &spending{}
	w.limited(t, budget)
	w.Uses = &looks{err: errors.New("connection refused")}
	if refusal := w.refused(t, w.run(t), oauth.CodeLedgerUnavailable); refusal.retryAfter <= 0 || len(budget.spent) != 0 {
		t.Errorf("refusal %+v, spent %v", refusal, budget.spent)
	}
}

// TestLooksOnlyWhereItMatters: nobody is asked about what may come again, nor where a client proves itself.
func TestLooksOnlyWhereItMatters(t *testing.T) {
	w := floor(t, change{"clients: [agent, build], resources", "reuse: client_bound, clients: [agent, build], resources"})
	l := &looks{journal: w.journal}
	w.Uses = l
	a := w.run(t)
	w.granted(t, a)
	w.granted(t, a)
	w.granted(t, w.ask(t))
	if l.asked != 0 {
		t.Errorf("asked %d times", l.asked)
	}
}
