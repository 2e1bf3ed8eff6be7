package harness

import (
	"log"
	"os"
	"sync"
	"testing"
)

// run is what lives as long as a test binary: a folder, and the ports that were given out.
var run struct {
	mu     sync.Mutex
	folder string
	ports  map[int]bool
}

// taken tells whether a port was given out before, and gives it out.
func taken(port int) bool {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.ports == nil {
		run.ports = map[int]bool{}
	}
	before := run.ports[port]
	run.ports[port] = true
	return before
}

// Main runs a package's tests and removes what they shared: func TestMain(m *testing.M) { harness.Main(m) }.
func Main(m *testing.M) {
	folder, err := os.MkdirTemp("", "chancery-e2e-")
	if err != nil {
		log.Fatal(err)
	}
	run.mu.Lock()
	run.folder = folder
	run.mu.Unlock()
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

func folderOfRun(t testing.TB) string {
	t.Helper()
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.folder == "" {
		t.Fatal("the package has no TestMain with harness.Main")
	}
	return run.folder
}
