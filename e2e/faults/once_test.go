package faults

import (
	"net/http"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// T8, I2: one assertion, two processes, one database.
func TestOnce(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2})
	db := w.DB.Open(t)
	var used []string
	for range 3 {
		assertion := w.IdP.IDJAG(idptest.Alice)
		used = append(used, assertion)
		granted, replayed := together(t, w, 200, func(int) *harness.Call { return w.NewCall(assertion) })
		if granted != 1 || replayed != 199 {
			t.Fatalf("%d were granted and %d replayed, of 200", granted, replayed)
		}
	}
	// What was redeemed stays so when nothing is left in any process's memory.
	for _, p := range w.Replicas {
		p.Stop()
	}
	for _, p := range w.Replicas {
		p.Restart()
	}
	for _, assertion := range used {
		for _, p := range w.Replicas {
			w.Send(p, w.NewCall(assertion)).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
		}
	}
	if n := harness.Count(t, db, "select count(*) from issued_tokens"); n != 3 {
		t.Errorf("%d tokens were issued for 3 assertions", n)
	}
}

func TestOnceOnSQLite(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite})
	assertion := w.IdP.IDJAG(idptest.Alice)
	if granted, replayed := together(t, w, 200, func(int) *harness.Call { return w.NewCall(assertion) }); granted != 1 || replayed != 199 {
		t.Fatalf("%d were granted and %d replayed, of 200", granted, replayed)
	}
	w.Server().Stop()
	w.Server().Restart()
	w.Redeem(assertion).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
}

// Replayed neighbours do not spoil a batch: each waiter gets its own right answer.
func TestNeighbours(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		old := w.IdP.IDJAG(idptest.Alice)
		w.Redeem(old).Granted(t)
		const n = 120
		calls := make([]*harness.Call, n)
		for i := range calls {
			switch i % 3 {
			case 0: // fresh
				calls[i] = w.NewCall(w.IdP.IDJAG(idptest.Alice))
			case 1: // used long ago
				calls[i] = w.NewCall(old)
			default: // refused by policy, recorded in the same batches
				calls[i] = w.NewCall(w.IdP.IDJAG(idptest.Eve))
			}
		}
		answers := volley(t, w, n, func(i int) *harness.Call { return calls[i] })
		for i, a := range answers {
			switch i % 3 {
			case 0:
				a.Granted(t)
			case 1:
				a.Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
			default:
				a.Refused(t, http.StatusBadRequest, "invalid_grant", "policy_denied")
			}
		}
	})
}

// together sends calls at one moment and counts what came of them.
func together(t *testing.T, w *harness.World, n int, call func(int) *harness.Call) (granted, replayed int) {
	t.Helper()
	for _, a := range volley(t, w, n, call) {
		switch {
		case a.AccessToken != "":
			granted++
		case a.Code() == "jti_replayed":
			replayed++
		default:
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	return granted, replayed
}

func volley(t *testing.T, w *harness.World, n int, call func(int) *harness.Call) []harness.Answer {
	t.Helper()
	answers := make([]harness.Answer, n)
	client := harness.Clients(n)
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		c := call(i)
		all.Go(func() {
			<-start
			a, err := harness.TrySend(t.Context(), client, w.Replicas[i%len(w.Replicas)], c)
			if err != nil {
				t.Errorf("request %d: %v", i, err)
			}
			answers[i] = a
		})
	}
	close(start)
	all.Wait()
	return answers
}
