package store_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/store"
)

const crashURL = "CHANCERY_TEST_CRASH_URL"

// TestCrashingProcess is not a test of its own: it is the process that TestKilledUnderLoad kills. It
// prints the id of each token that a client would have received.
func TestCrashingProcess(t *testing.T) {
	url := os.Getenv(crashURL)
	if url == "" {
		return
	}
	s, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	l := signedLedger(t, s, newSigner(t), 20*time.Millisecond)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for {
				e := issue(id.New(id.Token, time.Now()))
				if err := l.Commit(t.Context(), e); err != nil {
					fmt.Fprintln(os.Stderr, err)
					continue
				}
				mu.Lock()
				fmt.Fprintln(os.Stdout, "received", e.Token.ID)
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// Every token that was received has its rows, and the chain verifies, however
// often the process dies in the middle.
func TestKilledUnderLoad(t *testing.T) {
	for engine, database := range map[string]func() string{
		"sqlite":   func() string { return "sqlite://" + filepath.Join(t.TempDir(), "chancery.db") },
		"postgres": func() string { return postgresDatabase(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			url := database()
			t.Run("schema", func(t *testing.T) { openStore(t, url) }) // and lets go of the file
			received := map[string]bool{}
			for i := range 5 {
				crash(t, url, 100+20*i, received)
			}
			s := openStore(t, url)
			for token := range received {
				if n := count(t, s, "select count(*) from issued_tokens where jti = $1", token); n != 1 {
					t.Fatalf("%s was received and %d rows tell of it", token, n)
				}
			}
			tokens := count(t, s, "select count(*) from issued_tokens")
			if events := count(t, s, "select count(*) from audit_events"); events != tokens || tokens < len(received) {
				t.Errorf("%d tokens, %d events, %d received", tokens, events, len(received))
			}
			// The writers that died are sealed, and one more checkpoint proves all.
			if _, err := s.SQL().Exec("update audit_writers set seen_at = 0 where sealed_at is null"); err != nil {
				t.Fatal(err)
			}
			closeLedger(t, signedLedger(t, s, newSigner(t), time.Hour))
			report, err := audit.Verify(bytes.NewReader(exportAll(t, s)), audit.Expect{})
			if err != nil || report.Unproven != 0 || report.Events != int64(tokens) {
				t.Errorf("%+v %v", report, err)
			}
		})
	}
}

// crash lets a process work until so many tokens were received, and kills it.
func crash(t *testing.T, url string, tokens int, received map[string]bool) {
	t.Helper()
	process := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashingProcess$") //nolint:gosec // the test itself
	process.Env = append(os.Environ(), crashURL+"="+url)
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	process.Stderr = &complaints
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); {
		token, ok := strings.CutPrefix(lines.Text(), "received ")
		if !ok {
			continue
		}
		received[token] = true
		if n++; n == tokens {
			if err := process.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = process.Wait() // it was killed
	if complaints.Len() > 0 {
		t.Error(complaints.String())
	}
}
