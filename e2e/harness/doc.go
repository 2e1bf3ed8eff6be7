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

// builds is a binary of this test run, built when the first test asks for it.
type builds struct {
	name   string
	tags   string
	once   sync.Once
	path   string
	output []byte
	err    error
}

var (
	built  = builds{name: "chancery"}
	mortal = builds{name: "chancery-failpoints", tags: "failpoints"}
)

// Binary builds chancery, once in a test run, static as it is shipped.
func Binary(t testing.TB) string {
	t.Helper()
	return built.binary(t)
}

// Mortal builds a chancery that dies where it is told to (Options.Failpoints).
func Mortal(t testing.TB) string {
	t.Helper()
	return mortal.binary(t)
}

func (b *builds) binary(t testing.TB) string {
	t.Helper()
	b.once.Do(func() {
		b.path = filepath.Join(folderOfRun(t), b.name)
		command := exec.Command("go", "build", "-tags", b.tags, "-o", b.path, "./cmd/chancery") //nolint:noctx // it outlives the test that asks first
		command.Dir = root(t)
		command.Env = append(command.Environ(), "CGO_ENABLED=0")
		b.output, b.err = command.CombinedOutput()
	})
	if b.err != nil {
		t.Fatalf("build chancery: %v\n%s", b.err, b.output)
	}
	return b.path
}
