// Package faults breaks what a server stands on while it works: two replicas and
// one assertion, kill -9 under load, an export that somebody edited, a client that
// is disabled in the middle of a flood, a database that goes away. It is tests only.
package faults

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// event is what an exported audit record says of a token.
type event struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Code        string `json:"code"`
	TokenID     string `json:"token_jti"`
	AssertionID string `json:"assertion_jti"`
}

// events reads the bodies of a type of event from the table.
func events(t *testing.T, db *sql.DB, kind string) []event {
	t.Helper()
	bodies := harness.Strings(t, db, "select body from audit_events where type = '"+kind+"' and body is not null")
	all := make([]event, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// export takes the log through the command line, once a checkpoint covers everything in it, and its lines.
func export(t *testing.T, w *harness.World) (file string, lines []string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "audit.jsonl")
	var text []byte
	harness.Eventually(t, 15*time.Second, "a checkpoint covers every event", func() bool {
		_ = os.Remove(file)
		if o := w.Run("audit", "export", "--out", file); o.Status != 0 {
			t.Fatalf("audit export: %v", o)
		}
		var err error
		if text, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		o := w.Run("audit", "verify", file, "--output", "json")
		var proof struct {
			Verified bool  `json:"verified"`
			Unproven int64 `json:"unproven"`
		}
		if o.Status == 0 {
			if err := json.Unmarshal([]byte(o.Stdout), &proof); err != nil {
				t.Fatalf("%v: %v", err, o)
			}
		}
		if o.Status != 0 && !strings.Contains(o.String(), "no checkpoint") { // what is wrong stays wrong
			t.Fatalf("audit verify: %v", o)
		}
		return proof.Verified && proof.Unproven == 0
	})
	return file, strings.Split(strings.TrimRight(string(text), "\n"), "\n")
}
