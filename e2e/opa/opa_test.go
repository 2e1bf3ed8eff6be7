// Package opa holds the real opa, built from the module that the service links, against
// "chancery policy": the same tests with the same outcomes, the same lines covered, and
// bundles that each accepts and refuses as the other does. It is tests only.
package opa

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// opaBinary is where deploy/ci/install-tools.sh builds it, at the version of go.mod.
func opaBinary(t *testing.T) (path, version string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", "github.com/open-policy-agent/opa").Output()
	if err != nil {
		t.Fatal(err)
	}
	version = strings.TrimSpace(string(out))
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	path = filepath.Join(cache, "chancery", "tools", "opa-"+version, "opa")
	if _, err := os.Stat(path); err == nil {
		return path, version
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(root(t), "deploy/ci/install-tools.sh"), "opa").CombinedOutput(); err != nil {
		t.Fatalf("build opa: %v\n%s", err, out)
	}
	return path, version
}

func root(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// tool runs one of the two programs.
type tool struct {
	binary string
	folder string
}

func (p tool) run(t *testing.T, args ...string) (stdout string, status int) {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), p.binary, args...)
	command.Dir = p.folder
	command.Env = []string{"HOME=" + p.folder, "PATH=/usr/bin:/bin"}
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if exited, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Logf("%s %s: exit status %d: %.300s", filepath.Base(p.binary), strings.Join(args, " "), exited.ExitCode(), errs.String())
		return out.String(), exited.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), 0
}

// both are the two programs in one folder.
func both(t *testing.T) (ours, theirs tool) {
	t.Helper()
	folder := t.TempDir()
	path, _ := opaBinary(t)
	return tool{harness.Binary(t), folder}, tool{path, folder}
}

// outcomes are those of tests by package and name, without "data.".
type outcomes map[string]bool

func (p tool) ours(t *testing.T, path string) outcomes {
	t.Helper()
	out, _ := p.run(t, "policy", "test", path, "--output", "json")
	var all struct {
		Tests []struct {
			Package string `json:"package"`
			Name    string `json:"name"`
			Passed  bool   `json:"passed"`
		} `json:"tests"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %.300s", err, out)
	}
	found := outcomes{}
	for _, r := range all.Tests {
		found[r.Package+"."+r.Name] = r.Passed
	}
	return found
}

func (p tool) theirs(t *testing.T, args ...string) outcomes {
	t.Helper()
	out, _ := p.run(t, append([]string{"test", "--format", "json"}, args...)...)
	var all []struct {
		Package string `json:"package"`
		Name    string `json:"name"`
		Fail    bool   `json:"fail"`
		Error   any    `json:"error"`
		Skip    bool   `json:"skip"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %.300s", err, out)
	}
	found := outcomes{}
	for _, r := range all {
		found[strings.TrimPrefix(r.Package, "data.")+"."+r.Name] = !r.Fail && r.Error == nil && !r.Skip
	}
	return found
}

// same compares them one by one.
func same(t *testing.T, ours, theirs outcomes) {
	t.Helper()
	if len(ours) == 0 {
		t.Error("no test was run")
	}
	for name, passed := range ours {
		if other, ok := theirs[name]; !ok || other != passed {
			t.Errorf("%s: chancery passes it: %v; opa: %v, and runs it: %v", name, passed, other, ok)
		}
	}
	for name := range theirs {
		if _, ok := ours[name]; !ok {
			t.Errorf("%s: chancery does not run it", name)
		}
	}
}

func (o outcomes) failed() (n int) {
	for _, passed := range o {
		if !passed {
			n++
		}
	}
	return n
}

func TestTheVersionIsOurs(t *testing.T) {
	path, version := opaBinary(t)
	out, status := tool{path, t.TempDir()}.run(t, "version")
	if want := "Version: " + strings.TrimPrefix(version, "v"); status != 0 || !strings.HasPrefix(out, want+"\n") {
		t.Errorf("%q, want %s", out, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, format string, args ...any) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
