package faults

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// shadowed is what policy status says of the one draft.
type shadowed struct {
	Proposals []struct {
		ID     string `json:"id"`
		State  string `json:"state"`
		Shadow *struct {
			Seen, Dropped, Unanswered, Same, Changed, Flips int64
			Examples                                        []struct{ Trace string }
		} `json:"shadow"`
	} `json:"proposals"`
}

func statusOf(t *testing.T, w *harness.World) shadowed {
	t.Helper()
	var s shadowed
	o := w.Run("policy", "status", "notes", "--output", "json")
	if err := json.Unmarshal([]byte(o.Stdout), &s); err != nil {
		t.Fatalf("%v: %s", err, o)
	}
	return s
}

// median is that of the requests that began between two moments.
func median(shots []harness.Shot, from, to time.Time) time.Duration {
	var took []time.Duration
	for _, s := range shots {
		if s.Started.After(from) && s.Ended.Before(to) {
			took = append(took, s.Ended.Sub(s.Started))
		}
	}
	slices.Sort(took)
	if len(took) == 0 {
		return 0
	}
	return took[len(took)/2]
}

// A draft beside the live policy changes no answer; what it would have decided is counted, outlives a restart, and ends with it.
func TestShadow(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		file := filepath.Join(t.TempDir(), "notes.yaml")
		stricter := strings.Replace(revisedPolicy(1), `scopes: ["notes:write"]`, `scopes: ["notes:read"]`, 1)
		if err := os.WriteFile(file, []byte(stricter), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := w.Run("policy", "draft", "-f", file, "--note", "read only"); o.Status != 0 {
			t.Fatal(o)
		}
		draft := statusOf(t, w).Proposals[0].ID
		load := w.StartLoad(t, 2)
		window := func() (from, to time.Time) { // of load with nothing else beside it
			from = time.Now()
			for enough := load.Granted() + 1500; load.Granted() < enough && time.Since(from) < 30*time.Second; time.Sleep(5 * time.Millisecond) {
			}
			return from, time.Now()
		}
		start, before := window()
		if o := w.Run("proposal", "shadow", draft, "--for", "1h"); o.Status != 0 {
			t.Fatal(o)
		}
		await := func(done func(s shadowed) bool) shadowed {
			t.Helper()
			var s shadowed
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
				if s = statusOf(t, w); done(s) {
					return s
				}
			}
			t.Fatalf("%+v", s)
			return s
		}
		changed := func(s shadowed) bool { return s.Proposals[0].Shadow != nil && s.Proposals[0].Shadow.Changed > 10 }
		await(changed)
		begun, ended := window()
		shots := load.Stop()
		for _, s := range shots {
			if s.Err != nil || s.Answer.Status != 200 || !strings.Contains(s.Answer.Body, "notes:write") {
				t.Fatalf("the draft decided: %d %s %v", s.Answer.Status, s.Answer.Body, s.Err)
			}
		}
		t.Logf("median %s without a draft, %s with one, of %d", median(shots, start, before), median(shots, begun, ended), len(shots))
		w.Server().Stop()
		w.Server().Restart()
		w.Server().WaitReady()
		kept := await(changed).Proposals[0].Shadow
		if kept.Seen < kept.Changed+kept.Dropped || kept.Same != 0 || kept.Flips != kept.Changed || len(kept.Examples) == 0 || kept.Examples[0].Trace == "" {
			t.Errorf("%+v", kept)
		}
		if o := w.Run("policy", "publish", draft); o.Status != 0 {
			t.Fatal(o)
		}
		if s := statusOf(t, w); len(s.Proposals) != 0 {
			t.Errorf("%+v", s)
		}
		answer := w.Redeem(w.IdP.IDJAG("alice")).Granted(t)
		if strings.Contains(answer.Body, "notes:write") {
			t.Errorf("what was published does not decide: %s", answer.Body)
		}
	})
}
