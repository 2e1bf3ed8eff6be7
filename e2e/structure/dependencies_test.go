package structure

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	moduleRow  = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|")
	moduleName = regexp.MustCompile("`([^`]+)`")
)

// docs/dependencies.md lists what this module imports itself, tests included, and
// nothing else: each dependency with its reason.
func TestDependenciesAreListed(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range moduleRow.FindAllStringSubmatch(read(t, dir, "docs/dependencies.md"), -1) {
		for _, name := range moduleName.FindAllStringSubmatch(row[1], -1) {
			listed = append(listed, name[1])
		}
	}
	imported := directModules(t, dir)
	for name, by := range imported {
		if !slices.Contains(listed, name) {
			t.Errorf("%s imports %s, for which docs/dependencies.md gives no reason", by, name)
		}
	}
	for _, name := range listed {
		if imported[name] == "" {
			t.Errorf("docs/dependencies.md lists %s, which nothing imports", name)
		}
	}
}

// directModules gives each module that a package of ours imports, and one that does.
func directModules(t *testing.T, dir string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-mod=readonly", "-m", "-f", "{{.Path}}", "all")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -m all: %v", err)
	}
	modules := strings.Fields(string(out))
	direct := map[string]string{}
	for _, p := range packages(t) {
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			first, _, _ := strings.Cut(imported, "/")
			if own(imported) || !strings.Contains(first, ".") {
				continue
			}
			name := moduleOf(modules, imported)
			if name == "" {
				t.Errorf("%s imports %s, which is of no module in go.mod", p.room(), imported)
				continue
			}
			direct[name] = p.room()
		}
	}
	if len(direct) == 0 {
		t.Fatal("nothing is imported")
	}
	return direct
}

// moduleOf is the module with the longest path that an import lies in.
func moduleOf(modules []string, imported string) string {
	longest := ""
	for _, m := range modules {
		if len(m) > len(longest) && in(imported, m) {
			longest = m
		}
	}
	return longest
}

func TestModuleOf(t *testing.T) {
	modules := []string{"a.example/x", "a.example/x/y/v2", "a.example/xy"}
	for imported, want := range map[string]string{
		"a.example/x": "a.example/x", "a.example/x/z": "a.example/x", "a.example/x/y/v2/z": "a.example/x/y/v2", "a.example/xyz": "",
	} {
		if got := moduleOf(modules, imported); got != want {
			t.Errorf("%s: %q, want %q", imported, got, want)
		}
	}
}
