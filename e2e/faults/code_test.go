package faults

import (
	"net/http"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// I2, T35: of fifty uses of a code over two processes one gets tokens, and a second use ends what came of it, on every replica at
// once. Every third time a process dies meanwhile; what it had committed counts, and nothing else does.
func TestOneCode(t *testing.T) {
	for engine, rounds := range map[harness.Engine]int{harness.Postgres: 20, harness.SQLite: 5} {
		t.Run(string(engine), func(t *testing.T) {
			h := newHouse(t, engine, nil)
			var received []string
			lost := 0
			for round := range rounds {
				call := h.code(t)
				var meanwhile func(func() int)
				if round%3 == 2 {
					meanwhile = killed(t, h.Replicas[round%len(h.Replicas)], 50, round == 2)
				}
				var granted []harness.Answer
				used, unheard := 0, 0
				for _, s := range h.Scatter(t, 50, func(int) *harness.Call { return call }, meanwhile) {
					switch {
					case s.Err != nil:
						unheard++
					case s.Answer.AccessToken != "":
						granted = append(granted, s.Answer)
					case s.Answer.Code() == "code_used":
						used++
						s.Answer.Refused(t, http.StatusBadRequest, "invalid_grant", "code_used")
					default:
						t.Errorf("%d %s", s.Answer.Status, s.Answer.Body)
					}
				}
				lost += unheard
				if len(granted) > 1 || meanwhile == nil && (len(granted) != 1 || used != 49) {
					t.Fatalf("round %d: %d got tokens, %d were refused, %d heard nothing", round, len(granted), used, unheard)
				}
				// One who comes later, wherever, ends it at the latest. Where the process died before it committed, he is the first.
				if a := h.Send(h.other(round), call); a.AccessToken != "" && meanwhile != nil && len(granted) == 0 {
					granted = append(granted, a)
				} else {
					a.Refused(t, http.StatusBadRequest, "invalid_grant", "code_used")
				}
				h.Send(h.Replicas[round%len(h.Replicas)], call).Refused(t, http.StatusBadRequest, "invalid_grant", "code_used")
				for _, a := range granted {
					h.isDead(t, a.AccessToken)
					for _, p := range h.Replicas {
						h.Send(p, refreshing(a.Refresh)).Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_token_ended")
					}
					received = append(received, a.AccessToken)
				}
			}
			// What the tables say: a token and a family for each code, and none of them alive.
			tokens, codes := harness.Count(t, h.db, "select count(*) from issued_tokens"), harness.Count(t, h.db, "select count(distinct origin) from issued_tokens")
			families, live := harness.Count(t, h.db, "select count(*) from refresh_families"), harness.Count(t, h.db, "select count(*) from refresh_families where ended_at is null")
			if tokens != rounds || codes != rounds || families != rounds || live != 0 {
				t.Errorf("%d tokens of %d codes, %d families of which %d live, after %d rounds", tokens, codes, families, live, rounds)
			}
			if lost == 0 {
				t.Error("no answer was lost: the kills prove nothing")
			}
			h.accounted(t, received)
		})
	}
}

// A code that was used once is good: what came of it lives until somebody uses the code again.
func TestSecondUse(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		h := newHouse(t, e, nil)
		call := h.code(t)
		first := h.Send(h.Server(), call).Granted(t)
		second := h.Send(h.other(0), refreshing(first.Refresh)).Granted(t)
		for _, token := range []string{first.AccessToken, second.AccessToken} {
			h.isAlive(t, token)
		}
		h.Send(h.other(0), call).Refused(t, http.StatusBadRequest, "invalid_grant", "code_used")
		for _, token := range []string{first.AccessToken, second.AccessToken} {
			h.isDead(t, token)
		}
		for _, p := range h.Replicas {
			for _, token := range []string{first.Refresh, second.Refresh} {
				h.Send(p, refreshing(token)).Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_token_ended")
			}
		}
		if why := harness.Strings(t, h.db, "select coalesce(ended_why, '') from refresh_families"); len(why) != 1 || why[0] == "" {
			t.Errorf("families ended by %q", why)
		}
	})
}
