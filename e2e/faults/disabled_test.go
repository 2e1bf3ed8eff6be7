package faults

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// T49, I4: once an administrator's answer is there, both replicas refuse every grant that is served, each with its code, and
// whatever else a person or a client had. What is not touched goes on.
func TestEveryGrantEnds(t *testing.T) {
	for i, what := range []string{userDisabled, clientDisabled, idpDisabled, userRevoked} {
		t.Run(what, func(t *testing.T) {
			f := newFlat(t)
			all := [2]map[string]attempt{f.attempts(t), f.attempts(t)}
			f.isComplete(t, all[0])
			load := f.refreshWhile(t, 4)
			f.end(t, what, f.Replicas[i%2])
			answered := time.Now()
			before := harness.Count(t, f.db, "select count(*) from issued_tokens")
			granted := 0
			try := func(replica int, name string) {
				a := all[replica][name]
				got, want := a.try(f.Replicas[replica]), a.want[what]
				if !slices.Contains(strings.Split(want, " "), got.Code()) || want == "" && got.Status != http.StatusOK {
					t.Errorf("%s on replica %d: %d %s %s, want %q", name, replica, got.Status, got.Code(), got.Body, want)
				}
				if got.AccessToken != "" {
					granted++
				}
			}
			for replica := range f.Replicas {
				for name := range all[replica] {
					if !slices.Contains(pages(), name) {
						try(replica, name)
					}
				}
			}
			for replica, p := range f.Replicas {
				// What commits no token follows on the other replica within two seconds (I4).
				harness.Eventually(t, 2*time.Second, "the replica knows", func() bool {
					a := all[replica][session]
					return a.try(p).Code() == a.want[what]
				})
				for _, name := range pages() {
					try(replica, name)
				}
			}
			for _, s := range load() {
				switch {
				case s.Err != nil:
					t.Error(s.Err)
				case s.Answer.AccessToken == "":
				case s.Started.After(answered):
					t.Errorf("replica %d refreshed %s after the answer", s.Replica, s.Started.Sub(answered))
				default:
					f.isDead(t, s.Answer.AccessToken)
				}
			}
			if after := harness.Count(t, f.db, "select count(*) from issued_tokens"); after != before+granted {
				t.Errorf("%d tokens were committed after the answer, and %d granted", after-before, granted)
			}
		})
	}
}

// isComplete demands that the table has every grant that the metadata names, and that each of them would be granted.
func (f *flat) isComplete(t *testing.T, table map[string]attempt) {
	t.Helper()
	var metadata struct {
		Grants []string `json:"grant_types_supported"`
	}
	if err := json.Unmarshal([]byte(f.Server().Get("/.well-known/oauth-authorization-server").Body), &metadata); err != nil {
		t.Fatal(err)
	}
	if len(metadata.Grants) != 7 {
		t.Errorf("%d grants are served: %v", len(metadata.Grants), metadata.Grants)
	}
	for _, grant := range metadata.Grants {
		if _, held := table[grant]; !held {
			t.Errorf("nothing is tried with %s", grant)
		}
	}
	for name, a := range f.attempts(t) {
		if got := a.try(f.Replicas[1]); got.Status != http.StatusOK || slices.Contains(metadata.Grants, name) && got.AccessToken == "" {
			t.Errorf("%s while nothing has ended: %d %s %s", name, got.Status, got.Code(), got.Body)
		}
	}
}

// refreshWhile refreshes families over both replicas without a pause until it is told to stop, or refused for good.
func (f *flat) refreshWhile(t *testing.T, clients int) func() []harness.Shot {
	t.Helper()
	var mu sync.Mutex
	var shots []harness.Shot
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range clients {
		token := f.Send(f.Server(), f.code(t)).Granted(t).Refresh
		all.Go(func() {
			client := harness.Clients(1)
			defer client.CloseIdleConnections()
			for replica := i; ; replica++ {
				select {
				case <-stop:
					return
				default:
				}
				s := harness.Shot{Replica: replica % len(f.Replicas), Started: time.Now()}
				s.Answer, s.Err = harness.TrySend(t.Context(), client, f.Replicas[s.Replica], refreshing(token))
				s.Ended = time.Now()
				if s.Answer.Refresh != "" {
					token = s.Answer.Refresh
				}
				mu.Lock()
				shots = append(shots, s)
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(shots)
	}
	harness.Eventually(t, 10*time.Second, "tokens are refreshed", func() bool { return count() > 10*clients })
	return func() []harness.Shot {
		last := count()
		harness.Eventually(t, 10*time.Second, "more is tried", func() bool { return count() > last+10*clients })
		close(stop)
		all.Wait()
		return shots
	}
}
