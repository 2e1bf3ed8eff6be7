package vend_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// points are where a process dies in the middle of a refresh, and what must come of it.
var points = []struct {
	name, provider, point, refresh string
	asked                          int  // how often the provider saw the refresh token before the death
	saved                          bool // in the end there is a token; else its person connects again, and somebody was told
}{
	{"before the call", "before-call", "before_call", singleUse, 0, false}, // nobody can know that it was not sent
	{"after the answer", "after-answer", "after_answer", singleUse, 1, false},
	{"before the save", "before-save", "before_save", singleUse, 1, false},
	{"after the save", "after-save", "after_save", singleUse, 1, true},
	{"before the call, within a reuse window", "window-call", "before_call", reuseWindow, 0, true},
	{"after the answer, within a reuse window", "window-answer", "after_answer", reuseWindow, 1, true},
	{"before the save, within a reuse window", "window-save", "before_save", reuseWindow, 1, true},
}

// settles is within which time an attempt of a dead process is settled: it counts as dead after half a minute.
const settles = 60 * time.Second

// F2 and F10: a process is killed at each step of a refresh. In the end the successor is saved and lent, or its person is asked
// to connect again and an alert is written; nobody shows a token for single use twice. What was answered before stays (I4).
func TestKilledInARefresh(t *testing.T) {
	for name, c := range map[string]struct {
		engine   harness.Engine
		replicas int
	}{
		"starts again on SQLite":           {harness.SQLite, 1},
		"another takes over on PostgreSQL": {harness.Postgres, 2},
		"starts again on PostgreSQL":       {harness.Postgres, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			w := start(t, harness.Options{Engine: c.engine, Replicas: c.replicas, Failpoints: true, Env: environment()})
			p := w.signedIn("alice")
			all := map[string]*service{}
			for _, at := range points {
				all[at.provider] = w.serve(at.provider, at.refresh)
				w.connects(p, all[at.provider])
			}
			for _, at := range points {
				w.dies(at.provider, at.point)
				if n := all[at.provider].Count("refresh"); n != at.asked {
					t.Errorf("%s: the provider was asked %d times", at.name, n)
				}
				w.Server().Restart()
			}
			survivor := w.Replicas[c.replicas-1]
			if c.replicas > 1 {
				w.Server().Kill()
			}
			for _, at := range points {
				w.settled(survivor, at.provider, at.saved, all[at.provider])
				for token, n := range all[at.provider].presented() {
					if n > 1 && at.refresh == singleUse {
						t.Errorf("%s: %s was presented %d times", at.name, token, n)
					}
				}
			}
			if c.replicas > 1 {
				w.Server().Restart()
			}
			for _, at := range points { // connected again, it is whole
				w.connects(p, all[at.provider])
				if a := w.borrow(survivor, alice, at.provider).Granted(t); !all[at.provider].Works(a.AccessToken) {
					t.Errorf("%s: a token that does not work", at.name)
				}
			}
		})
	}
}

// dies has the first replica end in the middle of a request.
func (w scene) dies(provider, point string) {
	w.t.Helper()
	call := w.vend(w.token(alice), provider)
	w.DieAt(point)
	if a, err := harness.TrySend(w.t.Context(), http.DefaultClient, w.Server(), call); err == nil {
		w.t.Fatalf("%s: it lives: %d %s", point, a.Status, a.Body)
	}
	harness.Eventually(w.t, 10*time.Second, "the process is dead", w.Server().Dead)
}

// settled asks until there is a token, or a person is wanted; then, and not before, somebody was told why.
func (w scene) settled(p *harness.Process, provider string, saved bool, s *service) {
	w.t.Helper()
	token := w.Send(p, w.NewCall(w.IdP.IDJAG(alice))).Granted(w.t).AccessToken
	var a harness.Answer
	harness.Eventually(w.t, settles, provider+" is settled", func() bool {
		a = w.Send(p, w.vend(token, provider)) // an answer comes, always
		if a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
			w.t.Errorf("%s: nobody says when to come again: %s", provider, a.Body)
		}
		return a.Status != http.StatusServiceUnavailable
	})
	alerts, asked := w.about("connection.alert", provider), w.about("connection.reauth_required", provider)
	if saved {
		if a.Status != http.StatusOK || !s.Works(a.AccessToken) || len(asked) > 0 {
			w.t.Errorf("%s: %d %s, %v", provider, a.Status, a.Body, asked)
		}
		return
	}
	if a.Status != http.StatusBadRequest || a.Error != "interaction_required" || a.Code() != "reauthorization_required" || a.Interaction == "" {
		w.t.Errorf("%s: %d %s", provider, a.Status, a.Body)
	}
	if !slices.ContainsFunc(alerts, func(detail map[string]string) bool { return detail["alert"] == "refresh_lost" }) || len(asked) != 1 {
		w.t.Errorf("%s: alerts %v, events %v", provider, alerts, asked)
	}
}

// about lists the details of the events of a type about a provider.
func (w scene) about(kind, provider string) (details []map[string]string) {
	w.t.Helper()
	for _, body := range w.told(kind) {
		var e struct {
			Detail map[string]string `json:"detail"`
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			w.t.Fatal(err)
		}
		if e.Detail["provider"] == provider {
			details = append(details, e.Detail)
		}
	}
	return details
}

// What is shipped has no failpoints: not in its bytes, and not if it is told to.
func TestShippedBinaryHasNoFailpoints(t *testing.T) {
	const variable = "CHANCERY_FAILPOINTS"
	for path, want := range map[string]bool{harness.Binary(t): false, harness.Mortal(t): true} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), variable) != want {
			t.Errorf("%s: %s is in it: %v", path, variable, !want)
		}
	}
	folder := t.TempDir()
	for _, at := range []string{"before_call", "after_answer", "before_save", "after_save"} {
		if err := os.WriteFile(folder+"/"+at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := start(t, harness.Options{Engine: harness.SQLite, Env: environment(variable + "=" + folder)})
	tracker := w.serve("tracker", singleUse)
	w.connects(w.signedIn("alice"), tracker)
	w.borrow(w.Server(), alice, "tracker").Granted(t)
	if left, err := os.ReadDir(folder); err != nil || len(left) != 4 || tracker.Count("refresh") != 1 || w.Server().Dead() {
		t.Errorf("%v: %d files are left", err, len(left))
	}
	// No build of ours that leaves this machine names a build tag.
	found, _ := exec.CommandContext(t.Context(), "git", "grep", "-hE", "go build", "--", ":/Makefile", ":/Dockerfile").Output()
	if builds := string(found); !strings.Contains(builds, "-o bin/chancery") || !strings.Contains(builds, "/chancery ./cmd/chancery") || strings.Contains(builds, "-tags") {
		t.Errorf("builds: %s", found)
	}
}
