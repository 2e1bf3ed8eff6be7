package rego

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/templates")

const pages = "../docs/templates"

// Every template has its page in docs, which is its README, and every page its template.
func TestPages(t *testing.T) {
	want := map[string]string{"README.md": contents()}
	for _, template := range Templates() {
		want[template.Name+".md"] = page(template)
	}
	if *update {
		if err := os.MkdirAll(pages, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(pages, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	entries, err := os.ReadDir(pages)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(pages, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		wanted, ok := want[e.Name()]
		switch {
		case !ok:
			t.Errorf("%s is the page of no template", e.Name())
		case wanted != string(text):
			t.Errorf("%s is not what the template says: go generate ./rego/", e.Name())
		}
		delete(want, e.Name())
	}
	for name := range want {
		t.Errorf("%s is not there: go generate ./rego/", name)
	}
}

// Every page says when to use it, and what to mind.
func TestPagesSayWhatToMind(t *testing.T) {
	for _, template := range Templates() {
		for _, says := range []string{"\nUse it ", "**What it grants**", "**Data**", "**Beside other policies**", "**Pitfalls**"} {
			if !strings.Contains(template.README, says) {
				t.Errorf("%s does not say %q", template.Name, says)
			}
		}
		if strings.Contains(template.README, "](") {
			t.Errorf("%s has a link, which leads elsewhere in docs/", template.Name)
		}
	}
}

func contents() string {
	var b strings.Builder
	b.WriteString("# Templates\n\nMade from `rego/templates` by `go generate ./rego/`.\n\n" +
		"A Policy names one (`spec.template`) and brings the data; Chancery keeps its rules. Or begin with a copy of one, with its tests:\n" +
		"`chancery policy init --template NAME`.\n\n| template | role | what |\n| --- | --- | --- |\n")
	for _, t := range Templates() {
		b.WriteString("| [" + t.Name + "](" + t.Name + ".md) | " + strings.Join(t.Roles(), ", or ") + " | " + t.Summary + " |\n")
	}
	b.WriteString("\nA *grant* policy grants, and there is one for a resource and action; *guards* take away, and there may be any number.\n" +
		"[Policy](../policy.md) says how they come together.\n")
	return b.String()
}

func page(t Template) string {
	return strings.TrimRight(t.README, "\n") + "\n\nIts rules, tests and the schema of its data: [`rego/templates/" + t.Name + "`](../../rego/templates/" + t.Name + "/).\n"
}
