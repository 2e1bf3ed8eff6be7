package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/rego"
)

func TestPolicyInitLists(t *testing.T) {
	s := alone(t)
	got := s.run(exitDone, "policy", "init").stdout
	for _, template := range rego.Templates() {
		has(t, got, template.Name, template.Summary)
	}
	var all []templateListed
	if text := s.run(exitDone, "policy", "init", "-o", "json").stdout; json.Unmarshal([]byte(text), &all) != nil || len(all) != 12 || all[0].Roles == nil {
		t.Errorf("%s", text)
	}
}

// Each template becomes a policy of one's own that passes at once, and whose data is the template's example.
func TestPolicyInit(t *testing.T) {
	for _, template := range rego.Templates() {
		t.Run(template.Name, func(t *testing.T) {
			s := alone(t)
			dir := filepath.Join(t.TempDir(), "new", "policies")
			got := s.run(exitDone, "policy", "init", "--template", template.Name, "--name", "mine", "--dir", dir).stdout
			has(t, got, filepath.Join(dir, "mine.yaml"), filepath.Join(dir, "mine.md"))
			if got := s.run(exitDone, "policy", "check", "-f", dir).stdout; strings.TrimSpace(got) != "ok    Policy mine" {
				t.Errorf("%s", got)
			}
			has(t, s.run(exitDone, "policy", "test", dir).stdout, " passed, 0 failed")

			file, err := os.Open(filepath.Join(dir, "mine.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			found, err := object.Decode(file, object.Options{})
			if err != nil {
				t.Fatal(err)
			}
			spec, ok := found[0].Spec.(*object.PolicySpec)
			if !ok || spec.Template != "" || !reflect.DeepEqual(spec.Modules, template.Modules) || !reflect.DeepEqual(spec.Tests, template.Tests) {
				t.Errorf("%+v", found[0])
			}
			if as, want := canonical(t, spec.Data), canonical(t, template.Example); as != want {
				t.Errorf("its page shows\n%s\nand data.json says\n%s", as, want)
			}
			if spec.Role != template.Roles()[0] {
				t.Errorf("role %s, of %v", spec.Role, template.Roles())
			}
		})
	}
}

func TestPolicyInitRefuses(t *testing.T) {
	s := alone(t)
	for name, test := range map[string]struct {
		args  []string
		wants string
	}{
		"an unknown template": {[]string{"--template", "group-scope"}, "group-scopes"},
		"a path for a name":   {[]string{"--template", "group-scopes", "--name", "../notes"}, "no name of an object"},
		"a folder in the way": {[]string{"--template", "group-scopes", "--dir", s.file("file", "x")}, "file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			s.t = t
			has(t, s.run(exitFailed, append([]string{"policy", "init"}, test.args...)...).stderr, test.wants)
		})
	}
}

// Nothing is overwritten, and what is not written whole is not there.
func TestPolicyInitKeepsWhatIsThere(t *testing.T) {
	for _, there := range []string{"notes.yaml", "notes.md"} {
		t.Run(there, func(t *testing.T) {
			s := alone(t)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, there), []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			has(t, s.run(exitFailed, "policy", "init", "--template", "group-scopes", "--name", "notes", "--dir", dir).stderr, there+" is there already")
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 {
				t.Errorf("%v %v", entries, err)
			}
			if text, err := os.ReadFile(filepath.Join(dir, there)); err != nil || string(text) != "mine" {
				t.Errorf("%q %v", text, err)
			}
		})
	}
}

func canonical(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
