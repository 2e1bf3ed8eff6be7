package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const policyText = `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  modules:
    notes.rego: |
      package chancery.authz

      decision := {"allow": true, "scopes": input.requested.scopes} if input.client.name == "claude"
  tests:
    notes_test.rego: |
      package chancery.authz

      test_claude if decision.allow with input as {"client": {"name": "claude"}, "requested": {"scopes": []}}

      test_others if not decision with input as {"client": {"name": "other"}, "requested": {"scopes": []}}
`

func TestPolicyCheck(t *testing.T) {
	s := alone(t)
	good := s.file("good.yaml", policyText)
	has(t, s.run(exitDone, "policy", "check", "-f", good).stdout, "ok    Policy notes")
	tests := []struct {
		name, text string
		status     int
		want       []string
	}{
		{"does not compile", strings.Replace(policyText, "input.client.name ==", "input.client.name = =", 1), exitDiffers, []string{"FAIL  Policy notes", "bad.yaml:", "notes.rego"}},
		{"a call that is not allowed", strings.Replace(policyText, `input.client.name == "claude"`, `http.send({"method": "get", "url": "https://example.com"})`, 1), exitDiffers, []string{"FAIL", "http.send"}},
		{"a test fails", strings.Replace(policyText, "test_others if not decision", "test_others if decision", 1), exitDiffers, []string{"FAIL", "test_others"}},
		{"an unknown member", strings.Replace(policyText, "role:", "rule:", 1), exitFailed, nil},
		{"no policy", resourceText, exitFailed, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := s
			s.t = t
			bad := s.file("bad.yaml", test.text)
			has(t, s.run(test.status, "policy", "check", "-f", bad).stdout, test.want...)
		})
	}
	s.run(exitFailed, "policy", "check")
}

func TestPolicyTest(t *testing.T) {
	s := alone(t)
	good := s.file("good.yaml", policyText)
	has(t, s.run(exitDone, "policy", "test", good).stdout, "ok    notes  notes_test.rego:3  test_claude", "2 passed, 0 failed")
	var all tested
	if got := s.run(exitDone, "policy", "test", good, "-o", "json"); json.Unmarshal([]byte(got.stdout), &all) != nil || len(all.Tests) != 2 || all.Passed != 2 || !all.Tests[0].Passed || all.Tests[0].Policy != "notes" {
		t.Errorf("%s", got.stdout)
	}
	failing := s.file("failing.yaml", strings.Replace(policyText, "test_others if not decision", "test_others if decision", 1))
	has(t, s.run(exitDiffers, "policy", "test", failing).stdout, "FAIL  notes  notes_test.rego:5  test_others", "1 passed, 1 failed")
	untested := s.file("untested.yaml", policyText[:strings.Index(policyText, "  tests:")])
	has(t, s.run(exitFailed, "policy", "test", untested).stderr, "there is no test")
	broken := s.file("broken.yaml", strings.Replace(policyText, "input.client.name ==", "input.client.name = =", 1))
	has(t, s.run(exitFailed, "policy", "test", broken).stderr, "Policy notes: notes.rego:3")
	s.run(exitFailed, "policy", "test", "/absent.yaml")
}

func TestPolicyFmt(t *testing.T) {
	const ragged, neat = "package chancery.authz\nallow if {input.x==1}\n", "package chancery.authz\n\nallow if input.x == 1\n"
	s := alone(t)
	path := s.file("policies/a.rego", ragged)
	s.file("policies/b.rego", neat)
	if got := s.run(exitDiffers, "policy", "fmt", "--check", s.folder+"/policies"); got.stdout != path+"\n" {
		t.Errorf("%q", got.stdout)
	}
	has(t, s.run(exitDiffers, "policy", "fmt", "--diff", s.folder+"/policies").stdout, "--- "+path, "+++ "+path, "@@ -1,2 +1,3 @@", "-allow if {input.x==1}", "+allow if input.x == 1")
	has(t, s.pipe(exitDiffers, ragged, "policy", "fmt", "--diff", "-").stdout, "+allow if")
	if text, err := os.ReadFile(path); err != nil || string(text) != ragged {
		t.Errorf("--check wrote: %v %s", err, text)
	}
	if got := s.run(exitDone, "policy", "fmt", s.folder+"/policies"); got.stdout != path+"\n" {
		t.Errorf("%q", got.stdout)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != neat {
		t.Errorf("%v %s", err, text)
	}
	if got := s.run(exitDone, "policy", "fmt", "--diff", s.folder+"/policies"); got.stdout != "" {
		t.Errorf("%q", got.stdout)
	}
	if got := s.run(exitDone, "policy", "fmt", "--check", s.folder+"/policies"); got.stdout != "" {
		t.Errorf("%q", got.stdout)
	}
	if got := s.pipe(exitDone, ragged, "policy", "fmt", "-"); got.stdout != neat {
		t.Errorf("%q", got.stdout)
	}
	has(t, s.pipe(exitFailed, "package", "policy", "fmt", "-").stderr, "-:1")
	s.run(exitFailed, "policy", "fmt")
	s.run(exitFailed, "policy", "fmt", t.TempDir())
}

func TestPolicyGateIsNoCommand(t *testing.T) {
	s := alone(t)
	has(t, s.run(exitFailed, "policy-gate").stderr, "policy-gate is how this binary starts itself")
	hasNot(t, s.run(exitDone, "--help").stdout, "policy-gate")
}
