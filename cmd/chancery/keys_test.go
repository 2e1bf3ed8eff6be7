package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/admin/client"
)

func TestKeys(t *testing.T) {
	s := serving(t)
	list := func() []client.Key {
		t.Helper()
		var keys []client.Key
		got := s.run(exitDone, "keys", "list", "-o", "json")
		if err := json.Unmarshal([]byte(got.stdout), &keys); err != nil {
			t.Fatalf("%v: %s", err, got.stdout)
		}
		hasNot(t, got.stdout, "sealed", "private", `"d"`)
		return keys
	}
	before := list()
	if len(before) != 1 {
		t.Fatalf("%d keys", len(before))
	}
	has(t, s.run(exitDone, "keys", "list").stdout, "KID", "STATE", before[0].KeyID)
	s.run(exitDone, "keys", "rotate") // its successor is published beside it
	after := list()
	if len(after) != 2 {
		t.Fatalf("%d keys after a rotation", len(after))
	}
	has(t, s.run(exitFailed, "keys", "rotate", "--algorithm", "HS256").stderr, "parameter_invalid (400)")

	// What is not there.
	has(t, s.run(exitFailed, "keys", "retire", "nothing").stderr, "key_unknown (404)")
	has(t, s.run(exitFailed, "keys", "revoke", "nothing", "--yes").stderr, "key_unknown (404)")

	// Revoking wants a word.
	kid := before[0].KeyID
	has(t, s.run(exitFailed, "keys", "revoke", kid).stderr, "--yes")
	if got := list(); len(got) != len(after) {
		t.Error("a key was revoked without --yes")
	}
	has(t, s.run(exitDone, "keys", "revoke", kid, "--yes", "--reason", "a test").stdout, kid, "revoked")
	for _, k := range list() {
		if k.KeyID == kid && k.State != "revoked" {
			t.Errorf("%s is %s", kid, k.State)
		}
	}
}

// TestKeyIDsThatLookLikeFlags: base64url may begin with a dash, or two.
func TestKeyIDsThatLookLikeFlags(t *testing.T) {
	const one, two = "-oR3_b7L6gJ8cA1dE2fG3hI4jK5lM6nO7pQ8rS9tU0w", "--R3_b7L6gJ8cA1dE2fG3hI4jK5lM6nO7pQ8rS9tU0w"
	for _, kid := range []string{one, two} {
		got := keyIDsLast([]string{"keys", "revoke", kid, "--yes", "--tenant", "acme"})
		if want := []string{"keys", "revoke", "--yes", "--tenant", "acme", "--", kid}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		s := serving(t)
		has(t, s.run(exitFailed, "keys", "revoke", kid, "--yes").stderr, "key_unknown (404)")
	}
	for _, args := range [][]string{{"keys", "retire", "abc", "--yes"}, {"audit", "verify", one}, {"keys"}, nil} {
		if got := keyIDsLast(args); !slices.Equal(got, args) {
			t.Errorf("%q became %q", args, got)
		}
	}
}
