package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestWriteDiff(t *testing.T) {
	for name, test := range map[string]struct{ before, after, want string }{
		"a line":      {"a\nb\nc\n", "a\nx\nc\n", "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		"the same":    {"a\n", "a\n", "--- f\n+++ f\n"},
		"from empty":  {"", "a\n", "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n"},
		"to empty":    {"a\n", "", "--- f\n+++ f\n@@ -1,1 +0,0 @@\n-a\n"},
		"two of them": {"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n", "--- f\n+++ f\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n"},
		"control":     {"a\n", "\x1b[2J\n", "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n+\\u001b[2J\n"},
	} {
		var b strings.Builder
		if err := writeDiff(&b, "f", test.before, test.after); err != nil || b.String() != test.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, b.String(), test.want)
		}
	}
}

// Whatever the texts, patch makes one of the other.
func TestPatchReadsWhatDiffers(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range r.IntN(30) + 1 {
			b.WriteString(string(rune('a'+r.IntN(4))) + "\n")
		}
		return b.String()
	}
	s := alone(t)
	for range 40 {
		before, after := text(), text()
		if before == after {
			continue
		}
		var b strings.Builder
		if err := writeDiff(&b, "f", before, after); err != nil {
			t.Fatal(err)
		}
		path := s.file("f", before)
		command := exec.CommandContext(t.Context(), "git", "apply", "-p0", "--unidiff-zero", "-")
		command.Dir = s.folder
		command.Env = []string{"GIT_CEILING_DIRECTORIES=" + s.folder, "PATH=/usr/bin:/bin", "HOME=" + s.folder}
		command.Stdin = strings.NewReader(b.String())
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v %s\n%s", err, out, b.String())
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != after {
			t.Fatalf("%v: %q, want %q\n%s", err, got, after, b.String())
		}
	}
}
