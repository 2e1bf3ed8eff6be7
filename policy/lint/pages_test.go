package lint_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy/lint"
)

var update = flag.Bool("update", false, "write docs/policy-lint")

const folder = "../../docs/policy-lint"

// Every rule has its page, and every page its rule.
func TestPages(t *testing.T) {
	want := map[string]string{"README.md": index()}
	for _, r := range lint.Rules() {
		name := r.Name + ".md"
		if _, twice := want[name]; twice || r.Page() != "policy-lint/"+name {
			t.Errorf("%s: %s", r.Name, r.Page())
		}
		want[name] = page(r)
	}
	if *update {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		wanted, ok := want[e.Name()]
		switch {
		case !ok:
			t.Errorf("%s is the page of no rule", e.Name())
		case wanted != string(text):
			t.Errorf("%s is not what the rule says: go generate ./policy/lint/", e.Name())
		}
		delete(want, e.Name())
	}
	for name := range want {
		t.Errorf("%s is not there: go generate ./policy/lint/", name)
	}
}

func index() string {
	var b strings.Builder
	b.WriteString("# What `chancery policy check` says of a policy\n\nMade from `policy/lint` by `go generate ./policy/lint/`.\n\n" +
		"An error is a mistake that grants, denies or fails by accident; a warning is what a reader should look at. A finding is silenced with\n" +
		"`# lint:ignore RULE reason`, in its line, in the line above, or above the rule that it is in; [a reason is required](ignore.md).\n\n| rule | | what |\n| --- | --- | --- |\n")
	for _, r := range lint.Rules() {
		b.WriteString("| [" + r.Name + "](" + r.Name + ".md) | " + string(r.Severity) + " | " + r.Title + " |\n")
	}
	return b.String()
}

func page(r lint.Rule) string {
	var b strings.Builder
	b.WriteString("# " + r.Name + "\n\n" + r.Title + ".\n\n- Severity: " + string(r.Severity) + "\n\n" + r.Why + "\n")
	example(&b, "Found", r.Bad)
	example(&b, "Not found", r.Good)
	return b.String()
}

func example(b *strings.Builder, title string, e lint.Example) {
	if e.Module == "" {
		return
	}
	b.WriteString("\n" + title + ":\n\n```rego\n" + head + e.Module + "```\n")
	if e.Tests != "" {
		b.WriteString("\nwith the tests\n\n```rego\n" + head + e.Tests + "```\n")
	}
	if e.Schema != "" {
		b.WriteString("\nwhere `data_schema` is\n\n```json\n" + e.Schema + "\n```\n")
	}
}
