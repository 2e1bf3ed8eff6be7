package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const evalInput = `{"version":1,"action":"issue","tenant":{"id":"default"},"client":{"id":"cli_1","name":"claude","type":"confidential","scopes":["notes:read","notes:write"]},
"user":{"id":"usr_1","groups":["notes-editors"],"group_names":["notes-editors"],"groups_state":"complete","roles":[],"attributes":{},"status":"active"},
"resource":{"name":"notes","uri":"https://mcp.acme.example/notes","scopes":["notes:read","notes:write"],"risk":{}},
"requested":{"scopes":["notes:read"]},"asserted":{"scopes":["notes:read"]},"available_scopes":["notes:read","notes:write"],
"time":{"unix":1900000000,"rfc3339":"2030-03-17T17:46:40Z","weekday":"sunday","hour":17}}`

const groupsText = `apiVersion: chancery/v1
kind: Policy
metadata: {name: groups}
spec:
  role: grant
  template: group-scopes
  data: {grants: [{groups: [notes-editors], resource: notes, scopes: ["notes:write"]}]}
`

const guardText = `apiVersion: chancery/v1
kind: Policy
metadata: {name: no-guests}
spec:
  role: guard
  binds: all
  modules:
    guard.rego: |
      package chancery.authz

      decision := {"allow": true, "step_up": {"acr_values": ["phr"], "max_age": 300}} if input.client.name == "claude"
`

func TestPolicyEval(t *testing.T) {
	s := alone(t)
	objects := s.file("objects.yaml", resourceText+"---\n"+groupsText+"---\n"+guardText)
	input := s.file("input.json", evalInput)

	got := s.run(exitDone, "policy", "eval", "-f", objects, "--input", input)
	has(t, got.stdout, "allow\n", "scopes: notes:read", "step-up: acr phr, at most 300 s ago", "group_grants_scope", "true: no-guests guard.rego:3 decision")
	var e evaluated
	got = s.pipe(exitDone, evalInput, "policy", "eval", "-f", objects, "--input", "-", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || !e.Allow || !slices.Equal(e.Scopes, []string{"notes:read"}) || len(e.Rules) == 0 {
		t.Errorf("%v: %s", err, got.stdout)
	}

	// The lines that were evaluated, in the text; the other client's policy does not get far.
	has(t, s.run(exitDone, "policy", "eval", "-f", objects, "--input", input, "--explain").stdout, "no-guests guard.rego", "        3 + decision :=", "groups policy.rego")
	said := s.pipe(exitDiffers, strings.Replace(evalInput, `"name":"claude"`, `"name":"other"`, 1), "policy", "eval", "-f", objects, "--input", "-", "--explain", "-o", "json")
	var unreached evaluated
	if err := json.Unmarshal([]byte(said.stdout), &unreached); err != nil || len(unreached.Reached) != 2 || unreached.Reached[1].Policy != "no-guests" && unreached.Reached[0].Policy != "no-guests" {
		t.Errorf("%v: %s", err, said.stdout)
	}

	// A guard of tenant default that binds all binds another tenant too.
	other := s.file("other.yaml", strings.ReplaceAll(resourceText+"---\n"+groupsText, "{name: ", "{tenant: acme, name: "))
	has(t, s.run(exitDone, "policy", "eval", "-f", objects, "-f", other, "--tenant", "acme", "--input", input).stdout, "step-up")

	denied := map[string][]string{
		"another client": {strings.Replace(evalInput, `"name":"claude"`, `"name":"other"`, 1), "deny  policy_undefined"},
		"no group":       {strings.ReplaceAll(evalInput, "notes-editors", "others"), "deny  policy_"},
	}
	for name, test := range denied {
		t.Run(name, func(t *testing.T) {
			s := s
			s.t = t
			has(t, s.pipe(exitDiffers, test[0], "policy", "eval", "-f", objects, "--input", "-").stdout, test[1])
		})
	}
	has(t, s.run(exitDiffers, "policy", "eval", "-f", objects, "--tenant", "acme", "--input", input).stdout, "deny  policy_none")
	for _, args := range [][]string{
		{"-f", objects},
		{"--input", input},
		{"-f", objects, "--input", "/absent"},
		{"-f", objects, "--input", objects},
		{"-f", objects, "--input", input, "--decision", "dec_1"},
		{"-f", "-", "--input", "-"},
		{"-f", objects, "--input", s.file("v2.json", strings.Replace(evalInput, `"version":1`, `"version":2`, 1))},
	} {
		s.run(exitFailed, append([]string{"policy", "eval"}, args...)...)
	}
}

// A recorded decision, masked as it is, comes out as it was.
func TestPolicyEvalOfARecordedDecision(t *testing.T) {
	s, fresh, redeem := working(t)
	if status, body := redeem(fresh()); status != 200 {
		t.Fatal(status, body)
	}
	var line struct{ ID string }
	first, _, _ := strings.Cut(s.run(exitDone, "decisions", "list", "-o", "json").stdout, "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.ID == "" {
		t.Fatal(first, err)
	}
	objects := s.file("live.yaml", s.run(exitDone, "export").stdout)
	has(t, s.run(exitDone, "policy", "eval", "-f", objects, "--decision", line.ID).stdout, "allow\n")
	refusing := s.file("refusing.yaml", strings.Replace(policyText, `"claude"`, `"somebody else"`, 1))
	s.run(exitDiffers, "policy", "eval", "-f", refusing, "--decision", line.ID)
	s.run(exitFailed, "policy", "eval", "-f", objects, "--decision", "dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G")
}
