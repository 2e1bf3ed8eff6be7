package structure

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every package says what it is for and what it must not depend on, which takes more
// than one line.
func TestEveryPackageHasADocComment(t *testing.T) {
	for _, p := range packages(t) {
		files := p.GoFiles
		if len(files) == 0 {
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		doc := docComment(t, p.Dir, files)
		switch {
		case doc == "":
			t.Errorf("%s has no package comment", p.room())
		case strings.Count(strings.TrimSpace(doc), "\n") < 1:
			t.Errorf("%s says one line only: %q", p.room(), doc)
		}
	}
}

func docComment(t *testing.T, dir string, files []string) string {
	t.Helper()
	var doc strings.Builder
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		doc.WriteString(f.Doc.Text())
	}
	return doc.String()
}

// vague names say nothing of what is inside.
var vague = []string{"util", "utils", "helper", "helpers", "common", "base", "impl", "manager", "service", "services", "data", "info", "internal", "pkg", "lib", "misc", "shared", "core"}

func TestNoVagueFolder(t *testing.T) {
	for _, p := range packages(t) {
		for folder := range strings.SplitSeq(p.room(), "/") {
			if slices.Contains(vague, folder) {
				t.Errorf("%s: %q says nothing", p.room(), folder)
			}
		}
	}
}

// The table in docs/architecture.md names every room, so that a reader finds what is
// there; generators and commands under a room are named by it.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, dir, "docs/architecture.md")
	for _, p := range packages(t) {
		if in(p.room(), "docs", "deploy", "e2e", "sdk", "examples", "broker/oauth/cataloguegen") || p.room() == "" {
			continue
		}
		if !strings.Contains(page, "`"+p.room()+"`") {
			t.Errorf("docs/architecture.md does not name %s", p.room())
		}
	}
}
