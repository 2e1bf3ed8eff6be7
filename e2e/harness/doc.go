// Package harness runs Chancery as its users run it, for the tests below e2e: the
// real binary as one process or several, a fresh database on SQLite or PostgreSQL,
// a keyring that the processes share, a fake IdP, and clients for the token
// endpoint and the admin API. Processes end by SIGTERM or by kill -9. It reaches
// into no room of the server: what it knows comes over the wire, from the log and
// from the tables. It is for tests.
package harness

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait of the harness.
const patience = 20 * time.Second

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// root is the folder of the module.
func root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("where is this file?")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// builds are the binaries of this test run, at most one.
type builds struct {
	once   sync.Once
	path   string
	output []byte
	err    error
}

var built builds

// Binary builds chancery, once in a test run, static as it is shipped.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		built.path = filepath.Join(folderOfRun(t), "chancery")
		command := exec.Command("go", "build", "-o", built.path, "./cmd/chancery") //nolint:noctx // it outlives the test that asks first
		command.Dir = root(t)
		command.Env = append(command.Environ(), "CGO_ENABLED=0")
		built.output, built.err = command.CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build chancery: %v\n%s", built.err, built.output)
	}
	return built.path
}
