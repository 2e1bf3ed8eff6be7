package browser

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/page/pagetest"
)

// finding is something that is wrong with a page.
type finding struct{ Where, Kind, What string }

type visit struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

// TestPages: every page in every state, at the width of a phone and of a desk, light and dark: axe finds nothing, the
// policy is not violated, nothing is requested besides the page, the keyboard reaches everything and shows where it is,
// nothing is wider than the window, and all of it is there without scripts.
func TestPages(t *testing.T) {
	server := httptest.NewServer(samples(t))
	defer server.Close()
	var visits []visit
	for _, s := range pagetest.Samples() {
		visits = append(visits, visit{s.Name, "/pages/" + s.Name})
	}
	for _, f := range look(t, server.URL, []int{360, 1280}, visits) {
		t.Errorf("%s: %s: %s", f.Where, f.Kind, f.What)
	}
}

// TestFindings: what TestPages looks for is found where it is.
func TestFindings(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = w.Write([]byte(`<!doctype html><title>x</title><h1 style="color:red">x</h1><img src="/x.png"><pre>` + strings.Repeat("x", 900) +
			`</pre><button></button><script>alert(1)</script>`))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	var kinds []string
	for _, f := range look(t, server.URL, []int{360}, []visit{{"bad", "/bad"}}) {
		kinds = append(kinds, f.Kind)
	}
	for _, want := range []string{"axe", "policy", "console", "reflow", "size"} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no finding of kind %s: %v", want, kinds)
		}
	}
}

// samples serves every sample as it would go out.
func samples(t *testing.T) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	for _, s := range pagetest.Samples() {
		shown, err := s.Model.Render(s.Frame)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		mux.HandleFunc("GET /pages/"+s.Name, func(w http.ResponseWriter, _ *http.Request) { _ = shown.Write(w, http.StatusOK) })
	}
	return mux
}

func look(t *testing.T, base string, widths []int, visits []visit) []finding {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("..", "..", "build", "pages"))
	if err != nil {
		t.Fatal(err)
	}
	if visits[0].Name == "bad" {
		folder = t.TempDir()
	}
	var findings []finding
	run(t, "look.mjs", map[string]any{"chromium": chromium(t), "base": base, "folder": folder, "widths": widths, "pages": visits}, &findings)
	return findings
}

// chromium is CHROMIUM, or where Debian has it. One that is not there fails the test.
func chromium(t *testing.T) string {
	t.Helper()
	program := os.Getenv("CHROMIUM")
	if program == "" {
		program = "chromium"
	}
	found, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%v: deploy/ci/install-tools.sh installs what this needs", err)
	}
	return found
}

// run gives a program its task, and reads what it says.
func run(t *testing.T, program string, task, answer any) {
	t.Helper()
	input, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "node", program)
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%v: deploy/ci/install-tools.sh installs what this needs\n%s", err, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), answer); err != nil {
		t.Fatalf("%v\n%s", err, &stdout)
	}
}
