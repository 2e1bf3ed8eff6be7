package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// line checks from the outside what came of the refresh tokens of one family: each has one successor, whoever asked, wherever and
// however often, and none is the successor of two.
type line struct {
	after, before map[string]string
}

func newLine() *line { return &line{map[string]string{}, map[string]string{}} }

func (l *line) note(t *testing.T, used string, a harness.Answer) {
	t.Helper()
	next := a.Refresh
	switch {
	case next == "" || next == used:
		t.Fatalf("no successor: %d %s", a.Status, a.Body)
	case l.after[used] != "" && l.after[used] != next:
		t.Fatal("a refresh token has two successors")
	case l.before[next] != "" && l.before[next] != used:
		t.Fatal("a refresh token is the successor of two")
	}
	l.after[used], l.before[next] = next, used
}

// grace is how long a replaced token answers in these tests.
const grace = 3 * time.Second

// I3, T41: a hundred uses of a refresh token over two processes all get the same successor, and it is the only one that lives.
// One that is two generations old ends them all. Every fourth time a process dies meanwhile.
func TestOneSuccessor(t *testing.T) {
	for engine, rounds := range map[harness.Engine]int{harness.Postgres: 20, harness.SQLite: 4} {
		t.Run(string(engine), func(t *testing.T) {
			h := newHouse(t, engine, map[string]any{"refresh.grace": grace.String()})
			first := h.Send(h.Server(), h.code(t)).Granted(t)
			received, lost, l, current := []string{first.AccessToken}, 0, newLine(), first.Refresh
			for round := range rounds {
				var meanwhile func(func() int)
				if round%4 == 3 {
					meanwhile = killed(t, h.Replicas[round/4%len(h.Replicas)], 100, round == 3)
				}
				unheard := 0
				for _, s := range h.Scatter(t, 100, func(int) *harness.Call { return refreshing(current) }, meanwhile) {
					if s.Err != nil {
						unheard++
						continue
					}
					l.note(t, current, s.Answer.Granted(t))
					received = append(received, s.Answer.AccessToken)
				}
				if lost += unheard; unheard > 0 && meanwhile == nil {
					t.Fatalf("%d heard nothing", unheard)
				}
				// The client whose answer was lost asks again, elsewhere.
				again := h.Send(h.other(round), refreshing(current)).Granted(t)
				l.note(t, current, again)
				received = append(received, again.AccessToken)
				if n := harness.Count(t, h.db, "select generation from refresh_families"); n != round+2 {
					t.Fatalf("generation %d after %d rounds", n, round+1)
				}
				current = again.Refresh
			}
			if len(l.after) != rounds || len(l.before) != rounds {
				t.Errorf("%d tokens had %d successors", len(l.after), len(l.before))
			}
			if lost == 0 {
				t.Error("no answer was lost: the kills prove nothing")
			}
			if live := harness.Count(t, h.db, "select count(*) from refresh_families where ended_at is null"); live != 1 {
				t.Errorf("%d families live", live)
			}
			h.isAlive(t, received[len(received)-1])
			h.Send(h.other(0), refreshing(first.Refresh)).Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_token_reused")
			h.isOver(t, current, received)
			h.accounted(t, received)
		})
	}
}

// I3, T41: until the grace is over the old token answers with the successor that there is; from then on it ends them.
func TestAfterTheGrace(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		h := newHouse(t, e, map[string]any{"refresh.grace": "1s"})
		first := h.Send(h.Server(), h.code(t)).Granted(t)
		l, received, asked := newLine(), []string{first.AccessToken}, 0
		harness.Eventually(t, 10*time.Second, "the grace is over", func() bool {
			asked++
			a := h.Send(h.Replicas[asked%len(h.Replicas)], refreshing(first.Refresh))
			if a.AccessToken == "" {
				a.Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_token_reused")
				return true
			}
			l.note(t, first.Refresh, a)
			received = append(received, a.AccessToken)
			return false
		})
		if len(received) < 4 {
			t.Errorf("%d tokens within the grace", len(received)-1)
		}
		h.isOver(t, l.after[first.Refresh], received)
		h.accounted(t, received)
	})
}

// isOver demands that of a family nothing lives: not its newest token, nor an access token that came of it.
func (h *house) isOver(t *testing.T, newest string, received []string) {
	t.Helper()
	for _, p := range h.Replicas {
		h.Send(p, refreshing(newest)).Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_token_ended")
	}
	if live := harness.Count(t, h.db, "select count(*) from refresh_families where ended_at is null"); live != 0 {
		t.Errorf("%d families live", live)
	}
	step := max(1, len(received)/20)
	for i := 0; i < len(received); i += step {
		h.isDead(t, received[i])
	}
	h.isDead(t, received[len(received)-1])
}
