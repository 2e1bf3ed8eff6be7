package faults

import (
	"crypto/rand"
	"math/big"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// cycles of each engine: fifty kills in all.
const cycles = 25

// F1: kill -9 under load. I1: every token that a client received has its committed record. I2: no assertion is
// accepted twice. I8: the log verifies, though its writers died in the middle of a sentence.
func TestCrash(t *testing.T) {
	for _, c := range []struct {
		engine   harness.Engine
		replicas int
	}{{harness.Postgres, 2}, {harness.SQLite, 1}} {
		t.Run(string(c.engine), func(t *testing.T) {
			w := harness.Start(t, harness.Options{Engine: c.engine, Replicas: c.replicas, Config: map[string]any{"log.level": "warn"}})
			load := w.StartLoad(t, 8)
			for i := range cycles {
				before := load.Granted()
				harness.Eventually(t, 10*time.Second, "the load gets tokens", func() bool { return load.Granted() > before+20 })
				time.Sleep(moment(t))
				p := w.Replicas[i%len(w.Replicas)]
				p.Kill()
				p.Restart()
			}
			shots := load.Stop()
			if lost := recorded(t, w, shots); lost == 0 {
				t.Error("no answer was lost: the kills prove nothing")
			}
		})
	}
}

// moment is a random time, so that kills fall between any two steps.
func moment(t *testing.T) time.Duration {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(int64(200*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n.Int64())
}

// recorded holds what clients saw against what was recorded, and counts the answers that got lost.
func recorded(t *testing.T, w *harness.World, shots []harness.Shot) (lost int) {
	t.Helper()
	db := w.DB.Open(t)
	records, assertions := map[string]int{}, map[string]int{}
	for _, e := range events(t, db, "token.issued") {
		records[e.TokenID]++
		assertions[e.AssertionID]++
	}
	for id, n := range assertions {
		if n != 1 {
			t.Errorf("assertion %s was redeemed %d times", id, n)
		}
	}
	rows := map[string]bool{}
	for _, id := range harness.Strings(t, db, "select jti from issued_tokens") {
		rows[id] = true
	}
	received, broken := map[string]int{}, map[string]int{}
	for _, s := range shots {
		switch {
		case s.Err != nil:
			lost++
			continue
		case s.Answer.AccessToken == "":
			broken[s.Answer.Code()]++
			continue
		}
		received[s.AssertionID]++
		id, err := harness.ID(s.Answer.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		if records[id] != 1 || !rows[id] {
			t.Errorf("a client has token %s: %d records, row %v", id, records[id], rows[id])
		}
	}
	for id, n := range received {
		if n != 1 {
			t.Errorf("assertion %s got %d tokens", id, n)
		}
	}
	for code, n := range broken { // a retry after a lost answer is a replay; what cannot be written says so
		if code != "jti_replayed" && code != "ledger_unavailable" && code != "tenant_unavailable" && code != "overloaded" {
			t.Errorf("%d answers were %s", n, code)
		}
	}
	if len(received) < 100 {
		t.Errorf("%d tokens: the load proves nothing", len(received))
	}
	_, lines := export(t, w)
	t.Logf("%d tokens received, %d recorded, %d answers lost, other answers %v, %d lines exported", len(received), len(records), lost, broken, len(lines))
	return lost
}
