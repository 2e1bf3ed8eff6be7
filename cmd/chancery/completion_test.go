package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// offered is what a shell would show after a tab.
func (s shell) offered(args ...string) []string {
	s.t.Helper()
	var all []string
	for line := range strings.Lines(s.run(exitDone, append([]string{"__completeNoDesc"}, args...)...).stdout) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, ":") && line != "" {
			all = append(all, line)
		}
	}
	return all
}

func TestCompletion(t *testing.T) {
	s := serving(t)
	s.pipe(exitDone, clientText+"---\n"+resourceText, "apply", "-f", "-")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"get", "cli"}, "clients"},
		{[]string{"get", "to"}, "tokens"},
		{[]string{"get", "client", ""}, "claude"},
		{[]string{"get", "clients", "c"}, "claude"},
		{[]string{"get", "clients", "x"}, ""},
		{[]string{"get", "nonsense", ""}, ""},
		{[]string{"get", "clients", "claude", ""}, ""},
		{[]string{"delete", "resource", ""}, "notes"},
		{[]string{"export", "clients", "resourc"}, "resources"},
		{[]string{"secret", "create", ""}, "claude"},
		{[]string{"revoke", "cl"}, "client"},
		{[]string{"revoke", "client", ""}, "claude"},
		{[]string{"revoke", "token", ""}, ""},
		{[]string{"config", "explain", "egress."}, "egress.mode egress.allow"},
		{[]string{"get", "clients", "--output", ""}, "table json yaml"},
		{[]string{"init", "--profile", ""}, "dev production regulated"},
		{[]string{"doctor", "eg"}, "egress"},
	} {
		if got := strings.Join(s.offered(test.args...), " "); got != test.want {
			t.Errorf("%v: %q, want %q", test.args, got, test.want)
		}
	}
}

// TestCompletionWithoutServer: no answer is no name, no error, and soon.
func TestCompletionWithoutServer(t *testing.T) {
	s := alone(t)
	for _, environ := range [][]string{
		nil, {"CHANCERY_ADMIN_URL=http://127.0.0.1:1", "CHANCERY_ADMIN_TOKEN=" + testToken}, {"CHANCERY_CONFIG=/nowhere"},
	} {
		s.environ = environ
		began := time.Now()
		if got := s.offered("get", "client", ""); len(got) != 0 {
			t.Errorf("%v", got)
		}
		if took := time.Since(began); took > 3*completionPatience {
			t.Errorf("it took %s", took)
		}
	}
}

// TestCompletionTrustsNoFolder: a tab in somebody else's folder must not send what its chancery.yaml names to where that says.
func TestCompletionTrustsNoFolder(t *testing.T) {
	var asked atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer stranger.Close()
	s := alone(t)
	s.file("chancery.yaml", "admin:\n  public_url: "+stranger.URL+"\n  token: {file: "+s.file("theirs", testToken)+"}\n")
	t.Chdir(s.folder)
	for _, environ := range [][]string{nil, {"CHANCERY_ADMIN_TOKEN=" + testToken}} {
		s.environ = environ
		if got := s.offered("get", "client", ""); len(got) != 0 || asked.Load() != 0 {
			t.Errorf("%v, asked %d times", got, asked.Load())
		}
	}
	s.environ = []string{"CHANCERY_CONFIG=" + s.folder + "/chancery.yaml"} // somebody said so
	if got := s.offered("get", "client", ""); len(got) != 0 || asked.Load() == 0 {
		t.Errorf("%q, asked %d times", got, asked.Load())
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, kind := range []string{"bash", "zsh", "fish", "powershell"} {
		script := alone(t).run(exitDone, "completion", kind).stdout
		has(t, script, "chancery", "__complete")
		if shellPath, err := exec.LookPath(kind); err == nil && kind == "bash" {
			check := exec.CommandContext(t.Context(), shellPath, "-n")
			check.Stdin = strings.NewReader(script)
			if said, err := check.CombinedOutput(); err != nil {
				t.Errorf("bash: %v %s", err, said)
			}
		}
	}
}

func TestManPages(t *testing.T) {
	s := alone(t)
	folder := filepath.Join(s.folder, "man")
	has(t, s.run(exitDone, "man", "--dir", folder).stdout, "pages in "+folder)
	page := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	has(t, page("chancery-doctor.1"), ".TH CHANCERY\\-DOCTOR 1", ".SH NAME\nchancery\\-doctor \\- ", ".SH EXIT STATUS", ".BR chancery\\-doctor\\-egress (1)", "\\-\\-output")
	has(t, page("chancery.1"), ".BR chancery\\-serve (1)", "\\-\\-config")
	if _, err := os.Stat(filepath.Join(folder, "chancery-policy-gate.1")); err == nil {
		t.Error("a hidden command has a page")
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < 30 {
		t.Errorf("%d pages, %v", len(entries), err)
	}
	for _, e := range entries {
		for line := range strings.Lines(page(e.Name())) {
			request, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.HasPrefix(line, ".") && !strings.Contains(" .TH .SH .PP .TP .B .BR .nf .fi ", " "+request+" ") || strings.HasPrefix(line, "'") {
				t.Errorf("%s: %q is taken for a request", e.Name(), line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
				t.Errorf("%s: %q is not ASCII", e.Name(), line)
			}
		}
	}
	first := page("chancery.1")
	s.run(exitDone, "man", "--dir", folder)
	if page("chancery.1") != first {
		t.Error("the pages differ from one time to the next")
	}
	has(t, s.run(exitFailed, "man").stderr, "--dir")
}
