package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestDecisions takes a decision from its record to a test, through a replay and the access matrix.
func TestDecisions(t *testing.T) {
	s, fresh, redeem := working(t)
	if status, body := redeem(fresh()); status != 200 {
		t.Fatal(status, body)
	}
	var line struct {
		ID    string `json:"id"`
		Input struct {
			User struct{ Email string } `json:"user"`
		} `json:"input"`
	}
	first, _, _ := strings.Cut(s.run(exitDone, "decisions", "list", "-o", "json").stdout, "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.ID == "" {
		t.Fatal(first, err)
	}
	if email := line.Input.User.Email; strings.Contains(email, "alice") {
		t.Errorf("the address is recorded in the clear: %s", email)
	}
	if table := s.run(exitDone, "decisions", "list", "--client", "claude").stdout; !strings.Contains(table, line.ID) || !strings.Contains(table, "allow") {
		t.Error(table)
	}
	if none := s.run(exitDone, "decisions", "list", "--client", "nobody", "-o", "json").stdout; none != "" {
		t.Error(none)
	}
	s.run(exitDone, "decisions", "get", line.ID)
	s.run(exitFailed, "decisions", "get", "dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G")

	told := s.run(exitDone, "explain", line.ID).stdout
	if !strings.Contains(told, "decided ") || strings.Contains(told, "SOMETHING ELSE") || strings.Contains(told, "not decided again") {
		t.Error(told)
	}
	if text := s.run(exitDone, "policy", "test-from", line.ID).stdout; !strings.Contains(text, "test_decision_") || !strings.Contains(text, "person@example.com") && strings.Contains(text, "email") {
		t.Error(text)
	}

	file := filepath.Join(t.TempDir(), "decisions.jsonl")
	s.run(exitDone, "decisions", "export", "--out", file)
	if report := s.run(exitDone, "policy", "replay", "--since", "1h", "--max-flips", "0").stdout; !strings.Contains(report, "1 decisions compared, 0 flips") {
		t.Error(report)
	}
	if table := s.run(exitDone, "policy", "matrix").stdout; !strings.Contains(table, "claude") {
		t.Error(table)
	}
	s.run(exitFailed, "policy", "replay")
	s.run(exitFailed, "decisions", "purge", "--before", "1h")
	if gone := s.run(exitDone, "decisions", "purge", "--before", "48h").stdout; !strings.HasPrefix(gone, "0 ") {
		t.Error(gone)
	}
}
