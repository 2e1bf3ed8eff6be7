package main

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy/matrix"
)

const matrixText = resourceText + `---
apiVersion: chancery/v1
kind: Client
metadata: {name: agent}
spec: {type: confidential, auth: {method: client_secret_basic}, scopes: ["notes:write"], resources: [notes], grant_types: [client_credentials]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: gone}
spec: {disabled: true, type: confidential, auth: {method: client_secret_basic}, scopes: ["notes:write"], resources: [notes], grant_types: [client_credentials]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.example, groups: [staff]}
---
` + groupsText

func TestPolicyMatrix(t *testing.T) {
	s := alone(t)
	objects := s.file("objects.yaml", matrixText)

	got := s.run(exitDone, "policy", "matrix", "-f", objects, "--group", "auditors")
	has(t, got.stdout, "CLIENT", "agent", "notes-editors", "notes:read notes:write", "staff", "auditors", "(no group)", "(nobody)", "deny policy_denied", "user.groups_state")
	hasNot(t, got.stdout, "gone")

	rows, err := csv.NewReader(strings.NewReader(s.run(exitDone, "policy", "matrix", "-f", objects, "-o", "csv").stdout)).ReadAll()
	if err != nil || len(rows) != 5 || !slices.Equal(rows[1][:5], []string{"agent", "notes", "notes-editors", "allow", "notes:read notes:write"}) {
		t.Errorf("%v: %q", err, rows)
	}
	var m matrix.Matrix
	if got := s.run(exitDone, "policy", "matrix", "-f", objects, "-o", "json"); json.Unmarshal([]byte(got.stdout), &m) != nil || len(m.Cells) != 4 {
		t.Errorf("%s", got.stdout)
	}

	// What a guard more changes, and at what time it was asked.
	draft := s.file("draft.yaml", matrixText+"---\n"+strings.Replace(guardText, `input.client.name == "claude"`, `input.time.hour == 14`, 1)+"---\n"+
		"apiVersion: chancery/v1\nkind: Tenant\nmetadata: {name: default}\nspec: {timezone: Europe/Berlin}\n")
	got = s.run(exitDiffers, "policy", "matrix", "-f", draft, "--against", objects, "--at", "2026-08-31T12:00:00Z")
	has(t, got.stdout, "1 of 4 cells differ", "allow, step-up phr within 300 s", "time.hour: 14")
	has(t, s.run(exitDone, "policy", "matrix", "-f", objects, "--against", objects).stdout, "0 of 4 cells differ")
	has(t, s.run(exitDiffers, "policy", "matrix", "-f", draft, "--against", objects, "--at", "2026-08-31T10:00:00Z", "-o", "csv").stdout, "deny policy_undefined")

	for _, args := range [][]string{
		{},
		{"-f", s.file("policies.yaml", groupsText)},
		{"-f", objects, "--against", s.file("resource.yaml", resourceText)},
		{"-f", objects, "--at", "noon"},
		{"-f", objects, "-o", "xml"},
		{"-f", objects, "--tenant", "other"},
		{"-f", "/absent"},
	} {
		s.run(exitFailed, append([]string{"policy", "matrix"}, args...)...)
	}
}
