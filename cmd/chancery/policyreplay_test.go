package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy/replay"
)

// decisionLine is evalInput, on one line, as it was decided under groupsText.
func decisionLine(t *testing.T, id, input, result string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"id": id, "at": "2026-08-31T12:00:00Z", "policies": []any{map[string]any{"uid": "pol_1", "name": "groups", "revision": 4, "role": "grant"}},
		"input": json.RawMessage(input), "result": json.RawMessage(result),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func TestPolicyReplay(t *testing.T) {
	const allowed = `{"allow":true,"scopes":["notes:read"]}`
	s := alone(t)
	draft := s.file("draft/objects.yaml", resourceText+"---\n"+groupsText)
	line := decisionLine(t, "dec_1", evalInput, allowed)
	decisions := s.file("decisions.jsonl", line+decisionLine(t, "dec_2", evalInput, allowed)+decisionLine(t, "dec_3", "null", allowed))

	// 1. Under what they were decided by, nothing differs: notes:read is implied.
	got := s.run(exitDone, "policy", "replay", "--decisions", decisions, "--draft", s.folder+"/draft", "--max-flips", "0")
	has(t, got.stdout, "2 decisions compared, 0 flips", "1 not compared: their input is no longer kept")

	// 2. With a guard more, both would be challenged.
	guarded := s.file("guarded.yaml", resourceText+"---\n"+groupsText+"---\n"+guardText)
	got = s.run(exitDiffers, "policy", "replay", "--decisions", decisions, "--draft", guarded, "--max-flips", "1")
	has(t, got.stdout, "2 decisions compared, 2 flips", "step_up 2, challenged 2", "claude", "usr_1", "dec_1", "no-guests guard.rego:3")
	has(t, got.stderr, "2 flips; at most 1 are tolerated")
	s.run(exitDone, "policy", "replay", "--decisions", decisions, "--draft", guarded, "--max-flips", "2")
	s.run(exitDone, "policy", "replay", "--decisions", decisions, "--draft", guarded)

	// 3. As JSON, and from standard input.
	var report replay.Report
	got = s.pipe(exitDone, line+"nonsense\n", "policy", "replay", "--decisions", "-", "--draft", guarded, "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || report.Flips != 1 || report.Unreadable != 1 || !report.Complete || report.Policies[0].Revision != 4 {
		t.Errorf("%v: %s", err, got.stdout)
	}
	has(t, s.pipe(exitDiffers, line+"nonsense\n", "policy", "replay", "--decisions", "-", "--draft", guarded, "--max-flips", "1").stderr, "1 flip and 1 unreadable records")

	// 4. What implies what is not known without the resource, and it says so.
	policies := s.file("policies.yaml", groupsText)
	has(t, s.run(exitDone, "policy", "replay", "--decisions", decisions, "--draft", policies).stdout, "2 are about resources", "allow_to_deny")

	// 5. A threshold over nothing does not hold.
	empty := s.file("empty.jsonl", "")
	has(t, s.run(exitFailed, "policy", "replay", "--decisions", empty, "--draft", draft, "--max-flips", "5").stderr, "no decision could be compared")
	s.run(exitDone, "policy", "replay", "--decisions", empty, "--draft", draft)
	for _, args := range [][]string{
		{"--draft", draft},
		{"--decisions", decisions},
		{"--decisions", "/absent", "--draft", draft},
		{"--decisions", decisions, "--draft", "/absent"},
		{"--decisions", "-", "--draft", "-"},
		{"--decisions", decisions, "--draft", draft, "--tenant", "other"},
		{"--decisions", decisions, "--draft", s.file("broken.yaml", strings.Replace(policyText, "input.client.name ==", "input.client.name = =", 1))},
		{"--decisions", decisions, "--draft", draft, "-o", "csv"},
	} {
		s.run(exitFailed, append([]string{"policy", "replay"}, args...)...)
	}
}
