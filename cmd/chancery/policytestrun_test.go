package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const partlyTested = `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  modules:
    notes.rego: |
      package chancery.authz

      decision := {"allow": true, "scopes": []} if {
      	input.client.name == "claude"
      }

      decision := {"allow": false} if {
      	input.client.name == "other"
      }
  tests:
    notes_test.rego: |
      package chancery.authz_test

      import data.chancery.authz

      test_claude if authz.decision.allow with input as {"client": {"name": "claude"}}
`

func TestPolicyTestCoverage(t *testing.T) {
	s := alone(t)
	objects := s.file("notes.yaml", partlyTested)
	said := s.run(exitDone, "policy", "test", objects, "--coverage").stdout
	has(t, said, "1 passed, 0 failed", "notes: 50.0 % of the lines are covered (2 of 4)", "notes.rego: 2 of 4",
		"        3 + decision := {", "        4 + \tinput.client.name", "        7 - decision :=", "        1   package")
	s.run(exitDone, "policy", "test", objects, "-c", "--threshold", "50")
	s.run(exitDiffers, "policy", "test", objects, "--coverage", "--threshold", "50.1")
	whole := s.file("whole.yaml", policyText)
	hasNot(t, s.run(exitDone, "policy", "test", whole, "--coverage").stdout, "package chancery.authz")
	has(t, s.run(exitDone, "policy", "test", whole, "--coverage", "-v").stdout, "100.0 %", "    1   package chancery.authz")

	var all tested
	if err := json.Unmarshal([]byte(s.run(exitDone, "policy", "test", objects, "--coverage", "--format", "json").stdout), &all); err != nil {
		t.Fatal(err)
	}
	if c := all.Coverage; len(c) != 1 || c[0].Percent != 50 || c[0].Files[0].NotReached[0].From != 7 {
		t.Errorf("%+v", c)
	}
	for _, args := range [][]string{{"--threshold", "50"}, {"--coverage", "--threshold", "101"}, {"--coverage", "--threshold", "-1"}, {"--run", "("}, {"-o", "tap"}, {"--run", "absent"}} {
		s.run(exitFailed, append([]string{"policy", "test", objects}, args...)...)
	}
}

func TestPolicyTestShowsWhatIsNotTrue(t *testing.T) {
	s := alone(t)
	objects := s.file("notes.yaml", strings.Replace(policyText, "test_others if not decision", "test_others if decision", 1))
	said := s.run(exitDiffers, "policy", "test", objects).stdout
	has(t, said, "FAIL  notes  notes_test.rego:5  test_others", "not true: notes_test.rego:5:16: decision with input as")
	has(t, s.run(exitDiffers, "policy", "test", objects, "-v").stdout, "        5 > test_others if decision")
	has(t, s.run(exitDone, "policy", "test", objects, "--run", "authz.test_claude$").stdout, "1 passed, 0 failed")
}

func TestPolicyTestJUnit(t *testing.T) {
	s := alone(t)
	objects := s.file("notes.yaml", strings.Replace(policyText, "test_others if not decision", "test_others if decision", 1)+"---\n"+strings.Replace(partlyTested, "name: notes", "name: more", 1))
	said := s.run(exitDiffers, "policy", "test", objects, "--format", "junit", "--coverage").stdout
	var suites junitSuites
	if err := xml.Unmarshal([]byte(said), &suites); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if suites.Tests != 3 || suites.Failures != 1 || len(suites.Suites) != 2 || suites.Suites[0].Name != "default/notes" || suites.Suites[1].Properties[0].Value != "50.0" {
		t.Errorf("%+v", suites)
	}
	failed := suites.Suites[0].Cases[1]
	if failed.Failure == nil || failed.Class != "chancery.authz" || failed.Line != 5 || !strings.Contains(failed.Failure.Text, "not true: notes_test.rego:5") {
		t.Errorf("%+v", failed)
	}
}

func TestPolicyTestReadsFolders(t *testing.T) {
	s := alone(t)
	const rego = "package chancery.authz\n\ndecision := {\"allow\": input.client.name in data.policy.clients}\n"
	const tests = "package chancery.authz_test\n\nimport data.chancery.authz\n\ntest_listed if authz.decision.allow with input as {\"client\": {\"name\": \"claude\"}}\n"
	s.file("a/modules/a.rego", rego)
	s.file("a/tests/a.rego", tests)
	s.file("a/data.json", `{"policy":{"clients":["claude"]}}`)
	has(t, s.run(exitDone, "policy", "test", s.folder+"/a").stdout, "ok    a  tests/a.rego:5  test_listed")
	s.file("b/a.rego", rego)
	s.file("b/a_test.rego", tests)
	s.file("b/policy/data.json", `{"clients":["other"]}`)
	has(t, s.run(exitDiffers, "policy", "test", s.folder+"/b").stdout, "FAIL  b  a_test.rego:5")
	s.file("b/data.json", `{"policy":[]}`)
	has(t, s.run(exitFailed, "policy", "test", s.folder+"/b").stderr, "policy is no object")

	// A folder of objects with Rego beside them is one of objects.
	s.file("c/a.yaml", policyText)
	s.file("c/a_test.rego", tests)
	has(t, s.run(exitDone, "policy", "test", s.folder+"/c").stdout, "2 passed")
	has(t, s.run(exitDone, "policy", "test", "../../rego/templates/group-scopes").stdout, "0 failed")
}

// heard is what a command writes while it runs.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) await(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		found := strings.Contains(h.text.String(), want)
		h.mu.Unlock()
		if found {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%q was not said", want)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestPolicyTestWatches(t *testing.T) {
	s := alone(t)
	path := s.file("objects/notes.yaml", policyText)
	ctx, stop := context.WithCancel(t.Context())
	var out, errs heard
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"policy", "test", filepath.Dir(path), "--watch"}, strings.NewReader(""), &out, &errs, s.environ)
	}()
	out.await(t, "2 passed, 0 failed")
	errs.await(t, "watching 1 files")
	s.file("objects/notes.yaml", "apiVersion: [")
	errs.await(t, "chancery: ")
	s.file("objects/notes.yaml", strings.Replace(policyText, "test_others if not decision", "test_others if decision", 1))
	out.await(t, "1 passed, 1 failed")
	s.file("objects/more.yaml", strings.Replace(policyText, "name: notes", "name: more", 1))
	out.await(t, "3 passed, 1 failed")
	stop()
	if got := <-status; got != exitDone {
		t.Errorf("exit status %d", got)
	}
	s.run(exitFailed, "policy", "test", "-", "--watch")
}

func TestLookSeesWhatChanges(t *testing.T) {
	s := alone(t)
	path := s.file("a/a.rego", "package a")
	s.file("a/b.txt", "not read")
	before := look([]string{s.folder})
	if len(before) != 1 {
		t.Errorf("%v", before)
	}
	if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if after := look([]string{s.folder}); after[path] == before[path] {
		t.Error("a change is not seen")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if after := look([]string{s.folder, s.folder + "/gone"}); len(after) != 0 {
		t.Errorf("%v", after)
	}
}
