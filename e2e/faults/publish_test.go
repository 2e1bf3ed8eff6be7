package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// published are the revisions that a test publishes.
const published = 20

// revisedPolicy is the world's policy with a table that grows: what it grants stays.
func revisedPolicy(n int) string {
	text := `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: group-scopes
  data:
    grants:
      - {groups: [notes-editors], resource: notes, scopes: ["notes:write"]}
      - {groups: [notes-readers], resource: notes, scopes: ["notes:read"]}
`
	return text + fmt.Sprintf("      - {groups: [group-%d], resource: notes, scopes: [\"notes:read\"]}\n", n)
}

// Publishing under load drops no request: every one is granted, each decision names one of the revisions with its hash, and no
// replica goes back to an older one.
func TestPublishUnderLoad(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		replicas := 1
		if e == harness.Postgres {
			replicas = 2
		}
		w := harness.Start(t, harness.Options{Engine: e, Replicas: replicas})
		load := w.StartLoad(t, 4)
		reach := func(n int) {
			for deadline := time.Now().Add(time.Minute); load.Granted() < n; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d granted", load.Granted())
				}
			}
		}
		reach(20)
		file := filepath.Join(t.TempDir(), "notes.yaml")
		for i := range published {
			if err := os.WriteFile(file, []byte(revisedPolicy(i)), 0o600); err != nil {
				t.Fatal(err)
			}
			if o := w.Run("policy", "publish", "-f", file, "--note", fmt.Sprintf("number %d", i)); o.Status != 0 {
				t.Fatal(o)
			}
			reach(load.Granted() + 5)
		}
		shots := load.Stop()
		for _, s := range shots {
			if s.Err != nil || s.Answer.Status != 200 {
				t.Errorf("a request failed: %d %s %v", s.Answer.Status, s.Answer.Body, s.Err)
			}
		}
		hashes := history(t, w)
		seen := namedRevisions(t, w, hashes)
		t.Logf("%d requests, %d revisions, %d of them decided", len(shots), len(hashes), seen)
		if len(hashes) != published+1 || seen < published {
			t.Errorf("%d revisions, %d of them decided", len(hashes), seen)
		}
		agrees(t, w)
	})
}

// history is each revision's hash.
func history(t *testing.T, w *harness.World) map[int64]string {
	t.Helper()
	o := w.Run("policy", "history", "notes", "--output", "json")
	var all []struct {
		Revision int64  `json:"revision"`
		Hash     string `json:"hash"`
	}
	if err := json.Unmarshal([]byte(o.Stdout), &all); err != nil {
		t.Fatalf("%v: %s", err, o)
	}
	hashes := map[int64]string{}
	for _, r := range all {
		hashes[r.Revision] = r.Hash
	}
	return hashes
}

// namedRevisions holds every decision to the history, in the order in which its replica recorded it.
func namedRevisions(t *testing.T, w *harness.World, hashes map[int64]string) int {
	t.Helper()
	db := w.DB.Open(t)
	seen := map[int64]bool{}
	for _, writer := range harness.Strings(t, db, "select distinct writer from audit_events") {
		newest := int64(0)
		for _, body := range harness.Strings(t, db, "select body from audit_events where type = 'token.issued' and writer = '"+writer+"' order by seq") {
			var event struct {
				Policies []struct {
					Name     string `json:"name"`
					Revision int64  `json:"revision"`
					Hash     string `json:"hash"`
				} `json:"policies"`
			}
			if err := json.Unmarshal([]byte(body), &event); err != nil {
				t.Fatal(err)
			}
			if len(event.Policies) != 1 {
				t.Fatalf("decided by %v", event.Policies)
			}
			p := event.Policies[0]
			if p.Name != "notes" || p.Hash == "" || p.Hash != hashes[p.Revision] {
				t.Fatalf("%+v is none of %v", p, hashes)
			}
			if p.Revision < newest {
				t.Errorf("%s decided by revision %d after %d", writer, p.Revision, newest)
			}
			newest = max(newest, p.Revision)
			seen[p.Revision] = true
		}
	}
	return len(seen)
}

// agrees waits until every replica tells that it runs what is published.
func agrees(t *testing.T, w *harness.World) {
	t.Helper()
	var o harness.Output
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if o = w.Run("policy", "status", "notes", "--output", "json"); o.Status != 0 {
			continue
		}
		var status struct {
			Replicas []struct {
				Revision int64 `json:"revision"`
			} `json:"replicas"`
		}
		if err := json.Unmarshal([]byte(o.Stdout), &status); err != nil {
			t.Fatal(err)
		}
		if len(status.Replicas) == len(w.Replicas) {
			return
		}
	}
	t.Errorf("replicas do not agree: %s", o)
}
