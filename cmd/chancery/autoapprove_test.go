package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// TestServeNeverApproves: that consent gives itself is an option of `chancery dev`, and nothing leads to it from a service:
// no key of the configuration, no variable, no flag, no line of code.
func TestServeNeverApproves(t *testing.T) {
	for _, leaf := range config.Leaves() {
		if name := strings.ReplaceAll(strings.ToLower(leaf.Key), "_", ""); strings.Contains(name, "autoapprove") || strings.Contains(name, "consent") {
			t.Errorf("the configuration has %s", leaf.Key)
		}
	}
	for _, args := range [][]string{
		{"serve", "--auto-approve", "alice"}, {"serve", "--set", "auto_approve=alice"}, {"serve", "--set", "server.auto_approve=alice"},
	} {
		if o := alone(t).run(exitFailed, args...); !strings.Contains(o.stderr, "approve") {
			t.Errorf("%v: %s", args, o.stderr)
		}
	}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "build"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		case name == "../../cmd/chancery/devcmd.go" || strings.HasPrefix(name, "../../cmd/chancery/dev/") || strings.HasPrefix(name, "../../cmd/chancery/assembly/"):
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // of this checkout
		if err == nil && strings.Contains(string(text), "AutoApprove") {
			t.Errorf("%s sets it", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDevSaysThatItApproves, at the start and loudly.
func TestDevSaysThatItApproves(t *testing.T) {
	s := devShell(t)
	o := s.keep("--port", "0", "--auto-approve", "alice")()
	has(t, o.stdout, "*** AUTO-APPROVE: whoever asks from this machine is alice")
	has(t, o.stderr, "AUTO-APPROVE")
	has(t, s.run(exitFailed, "dev", "--auto-approve", "mallory").stderr, "knows nobody")
	has(t, s.run(exitFailed, "dev", "--ephemeral", "--auto-approve", "alice", "--host", "0.0.0.0").stderr, "not loopback")
}
