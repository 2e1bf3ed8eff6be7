package vend_test

import (
	"net/http"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

const (
	askers = 50
	rounds = 5
)

// F10, at its moment without a fault: fifty ask when a token ends, at two processes, and one refresh reaches a provider whose
// refresh tokens can be used once. Everybody has a token that works.
func TestOneRefresh(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		replicas := 1
		if e == harness.Postgres {
			replicas = 2
		}
		w := start(t, harness.Options{Engine: e, Replicas: replicas, Env: environment()})
		tracker := w.serve("tracker", singleUse)
		p := w.signedIn("alice")
		for round := range rounds {
			w.connects(p, tracker) // with a token that is due
			before := tracker.Count("refresh")
			token := w.token(alice)
			seen := map[string]bool{}
			for i, s := range w.Scatter(t, askers, func(int) *harness.Call { return w.vend(token, "tracker") }, nil) {
				if s.Err != nil || s.Answer.Status != http.StatusOK || !tracker.Works(s.Answer.AccessToken) {
					t.Fatalf("round %d, asker %d: %v %d %s", round, i, s.Err, s.Answer.Status, s.Answer.Body)
				}
				seen[s.Answer.AccessToken] = true
			}
			if n := tracker.Count("refresh") - before; n != 1 || len(seen) != 1 {
				t.Fatalf("round %d: %d refreshes, %d tokens", round, n, len(seen))
			}
		}
		for token, n := range tracker.presented() {
			if n != 1 {
				t.Errorf("%s was presented %d times", token, n)
			}
		}
		if n := len(w.told("connection.refreshed")); n != rounds {
			t.Errorf("%d refreshes are recorded", n)
		}
	})
}
