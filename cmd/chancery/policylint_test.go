package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPolicyCheckReadsForMistakes(t *testing.T) {
	s := alone(t)
	// What apply takes, with a word too little: a warning.
	good := s.file("good.yaml", policyText)
	has(t, s.run(exitDone, "policy", "check", "-f", good).stdout, "ok    Policy notes", "warning", "missing-reasons", "good.yaml:")

	misspelt := s.file("misspelt.yaml", strings.Replace(policyText, "input.client.name ==", "input.client.nane ==", 1))
	has(t, s.run(exitDiffers, "policy", "check", "-f", misspelt).stdout, "FAIL  Policy notes", "unknown-input", "did you mean input.client.name?")

	var all []policyChecked
	got := s.run(exitDiffers, "policy", "check", "-f", misspelt, "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || len(all) != 1 || all[0].Good || all[0].Policy != "notes" {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	found := false
	for _, f := range all[0].Findings {
		found = found || f.Rule == "unknown-input" && f.File == "notes.rego" && f.Row == 3 && f.Column > 0 && f.Page == "policy-lint/unknown-input.md"
	}
	if !found {
		t.Errorf("%s", got.stdout)
	}

	silenced := s.file("silenced.yaml", strings.Replace(strings.Replace(policyText, "input.client.name ==", "input.client.nane ==", 1),
		"      decision :=", "      # lint:ignore unknown-input it comes with the next version\n      decision :=", 1))
	hasNot(t, s.run(exitDiffers, "policy", "check", "-f", silenced).stdout, "unknown-input") // its tests still fail

	scoped := strings.Replace(policyText, "role: grant", "role: grant\n  applies_to: {resources: [notes]}", 1)
	scoped = strings.Replace(scoped, `"scopes": input.requested.scopes`, `"scopes": ["notes:raed"]`, 1)
	unknown := s.file("unknown.yaml", resourceText+"---\n"+scoped)
	has(t, s.run(exitDiffers, "policy", "check", "-f", unknown).stdout, "scope-source", "notes:raed")
	unlisted := s.file("unlisted.yaml", scoped) // without the Resource, nobody knows
	hasNot(t, s.run(exitDone, "policy", "check", "-f", unlisted).stdout, "scope-source")

	fixture := s.file("fixture.yaml", strings.Replace(policyText, `with input as {"client": {"name": "other"}`, `with input as {"cleint": {"name": "other"}`, 1))
	has(t, s.run(exitDiffers, "policy", "check", "-f", fixture).stdout, "spec.tests.notes_test.rego:5:", "input.client?")

	template := s.file("template.yaml", strings.Replace(groupsText, "notes:write", "notes:*", 1))
	has(t, s.run(exitDiffers, "policy", "check", "-f", template).stdout, "wildcard-scope", "spec.data")
	s.run(exitFailed, "policy", "check", "-f", good, "-o", "xml")
}
