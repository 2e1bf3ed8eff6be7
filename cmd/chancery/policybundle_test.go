package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bundleKeys writes a key and its public half.
func (s shell) bundleKeys(name string) (private, public string) {
	s.t.Helper()
	var key any
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, half := curve, any(&curve.PublicKey)
	if strings.HasPrefix(name, "ed") {
		var p ed25519.PublicKey
		var k ed25519.PrivateKey
		p, k, err = ed25519.GenerateKey(rand.Reader)
		key, half = any(k), p
	}
	if err != nil {
		s.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(half)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.file(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))),
		s.file(name+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})))
}

func TestPolicyBundleWithoutAServer(t *testing.T) {
	s := alone(t)
	private, public := s.bundleKeys("a")
	_, stranger := s.bundleKeys("ed")
	objects := s.file("objects.yaml", policyText+"---\n"+groupsText)
	out := filepath.Join(s.folder, "notes.tar.gz")

	has(t, s.run(exitDone, "policy", "bundle", "export", "notes", "-f", objects, "--key", private, "--out", out).stdout,
		"policy     notes", "role       grant", "(ES256)", "modules/notes.rego", "tests/notes_test.rego", ".signatures.json")
	var found bundled
	got := s.run(exitDone, "policy", "bundle", "verify", out, "--key", public, "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || found.Policy != "notes" || len(found.KeyID) != 43 || len(found.Hash) != 64 {
		t.Errorf("%v: %s", err, got.stdout)
	}

	// What is imported is what was exported.
	got = s.run(exitDone, "policy", "bundle", "import", out, "--key", public, "--out", "-")
	imported := s.file("imported.yaml", got.stdout)
	has(t, s.run(exitDone, "policy", "test", imported).stdout, "2 passed, 0 failed")
	again := filepath.Join(s.folder, "again.tar.gz")
	got = s.run(exitDone, "policy", "bundle", "export", "-f", imported, "--key", private, "--key-id", "release-1", "--out", again)
	has(t, got.stdout, "hash       "+found.Hash, "signed by  release-1")
	has(t, s.run(exitFailed, "policy", "bundle", "verify", again, "--key", public).stderr, "no trusted key has its key id", "release-1")
	s.run(exitDone, "policy", "bundle", "verify", again, "--key", stranger, "--key", "release-1="+public)

	for name, args := range map[string][]string{
		"no key":             {"verify", out},
		"an empty key id":    {"verify", out, "--key", "=" + public},
		"one key twice":      {"verify", out, "--key", public, "--key", public},
		"a private key":      {"verify", out, "--key", private},
		"another key":        {"verify", out, "--key", stranger},
		"no bundle":          {"verify", objects, "--key", public},
		"import, no key":     {"import", out, "--out", "-"},
		"import, other key":  {"import", out, "--out", "-", "--key", stranger},
		"another role":       {"import", out, "--out", "-", "--key", public, "--role", "guard"},
		"no name":            {"import", out, "--out", "-", "--key", public, "--name", "a/b"},
		"a file is there":    {"import", out, "--out", imported, "--key", public},
		"two policies":       {"export", "-f", objects, "--key", private, "--out", out + "2"},
		"no such policy":     {"export", "gone", "-f", objects, "--key", private, "--out", out + "2"},
		"no signature":       {"export", "notes", "-f", objects, "--out", out + "2"},
		"nowhere":            {"export", "notes", "-f", objects, "--key", private},
		"a public key":       {"export", "notes", "-f", objects, "--key", public, "--out", out + "2"},
		"an export is there": {"export", "notes", "-f", objects, "--key", private, "--out", out},
		"a revision of -f":   {"export", "notes", "-f", objects, "--key", private, "--out", out + "2", "--revision", "1"},
		"broken": {
			"export", "-f", s.file("broken.yaml", strings.Replace(policyText, "input.client.name ==", "input.client.name = =", 1)),
			"--key", private, "--out", out + "2",
		},
	} {
		if got := s.runIn(t.Context(), "", append([]string{"policy", "bundle"}, args...)...); got.status != exitFailed {
			t.Errorf("%s: exit status %d\n%s%s", name, got.status, got.stdout, got.stderr)
		}
	}
	if _, err := os.Stat(out + "2"); err == nil {
		t.Error("a bundle that was refused is there")
	}

	folder := filepath.Join(s.folder, "unpacked")
	has(t, s.run(exitDone, "policy", "bundle", "export", "groups", "-f", objects, "--folder", folder).stdout, "unpacked/tests/policy_test.rego")
	has(t, s.run(exitFailed, "policy", "bundle", "export", "groups", "-f", objects, "--folder", folder).stderr, "is not empty")
}

func TestPolicyBundleOfAServer(t *testing.T) {
	s := serving(t)
	private, public := s.bundleKeys("a")
	s.run(exitDone, "apply", "-f", s.file("objects.yaml", resourceText+"---\n"+policyText))
	out := filepath.Join(s.folder, "notes.tar.gz")
	s.run(exitDone, "policy", "bundle", "export", "notes", "--key", private, "--out", out)
	has(t, s.run(exitDone, "policy", "bundle", "import", out, "--key", public, "--dry-run").stdout, "1 unchanged")

	changed := strings.Replace(policyText, `"claude" `, `"claude" # everybody's`, 1)
	if changed == policyText {
		changed = strings.Replace(policyText, `== "claude"`, `in {"claude"}`, 1)
	}
	s.run(exitDone, "apply", "-f", s.file("changed.yaml", changed))
	has(t, s.run(exitDiffers, "policy", "bundle", "import", out, "--key", public, "--dry-run").stdout, "~ Policy notes")
	s.run(exitDone, "policy", "bundle", "import", out, "--key", public)
	history := s.run(exitDone, "policy", "history", "notes", "-o", "json").stdout
	has(t, history, "bundle sha256:", "signed by ")

	// The first revision is the one that the bundle holds.
	first := filepath.Join(s.folder, "first.tar.gz")
	var a, b bundled
	if err := json.Unmarshal([]byte(s.run(exitDone, "policy", "bundle", "export", "notes", "--revision", "1", "--key", private, "--out", first, "-o", "json").stdout), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(s.run(exitDone, "policy", "bundle", "verify", out, "--key", public, "-o", "json").stdout), &b); err != nil {
		t.Fatal(err)
	}
	if a.Hash != b.Hash || a.Revision != 1 || b.Revision != 1 {
		t.Errorf("%+v\n%+v", a, b)
	}
	has(t, history, a.Hash)

	// A bundle takes no other way than apply: what apply refuses it refuses.
	bad := s.file("bad.yaml", strings.Replace(policyText, "test_others if not decision", "test_others if decision", 1))
	failing := filepath.Join(s.folder, "failing.tar.gz")
	s.run(exitDone, "policy", "bundle", "export", "-f", bad, "--key", private, "--out", failing)
	has(t, s.run(exitFailed, "policy", "bundle", "import", failing, "--key", public).stderr, "test test_others does not pass")
}
