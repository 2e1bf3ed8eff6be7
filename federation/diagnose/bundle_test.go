package diagnose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/diagnose"
)

// TestBundleTellsNothingOfFiles: whoever may test an IdP cannot find out which files there are on the server.
func TestBundleTellsNothingOfFiles(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(folder, "closed")
	if err := os.WriteFile(closed, []byte("no certificate"), 0o000); err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{}
	for name, path := range map[string]string{
		"not there": filepath.Join(folder, "nothing"), "no certificate": text, "a folder": folder, "closed": closed, "below a file": filepath.Join(text, "x"), "a device": "/dev/null",
	} {
		s := newSite(t, nil)
		s.entry.Keys.Network.CABundle = path
		got := row(t, s.test(), diagnose.CheckConfiguration, diagnose.Fail, diagnose.CodeConfigInvalid)
		answer := strings.Join(append([]string{got.Seen, got.Expected, got.Change}, got.Notes...), "|")
		if strings.Contains(answer, path) {
			t.Errorf("%s: %s", name, answer)
		}
		said[answer] = append(said[answer], name)
	}
	if len(said) != 1 {
		t.Errorf("answers differ: %v", said)
	}
	// What came with the entry may be spoken of.
	s := newSite(t, nil)
	s.entry.Keys.Network.CABundle = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
	if got := row(t, s.test(), diagnose.CheckConfiguration, diagnose.Fail, diagnose.CodeConfigInvalid); !strings.Contains(got.Seen, "holds no certificate") {
		t.Errorf("PEM text: %s", got.Seen)
	}
}
