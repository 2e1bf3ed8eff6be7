//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestNoCore: a crash writes no keys to the disk, however the server was started (T70).
func TestNoCore(t *testing.T) {
	if os.Getenv("CHANCERY_TEST_CORE") != "" {
		keepNoCore()
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
			t.Errorf("%+v %v", limit, err)
		}
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoCore$", "-test.v") //nolint:gosec // the test itself
	child.Env = append(os.Environ(), "CHANCERY_TEST_CORE=1")
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestNoCore") {
		t.Errorf("%v: %s", err, out)
	}
}
