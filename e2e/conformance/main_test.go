// Package conformance runs the negative assertion suite as its users do: the
// command of the real binary, against our own server on both engines, which must
// pass everything, and against a real Keycloak, of which the suite must find
// something to say. It is tests only.
package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const resource = "https://mcp.acme.example/conformance"

// fewest is how many cases a run must execute.
const fewest = 60

// write puts a file into the test's folder and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read reads the JSON form of a report.
func read(t *testing.T, text string) conformance.Report {
	t.Helper()
	var report conformance.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v: %.2000s", err, text)
	}
	return report
}
