package structure

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|src="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Every relative link in a committed page leads to a committed file or folder, and
// to a heading of it where it names one.
func TestLinksLeadSomewhere(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	names := committed(t)
	for _, name := range names {
		if path.Ext(name) != ".md" {
			continue
		}
		page := read(t, dir, name)
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, fragment, _ := strings.Cut(target, "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if !slices.ContainsFunc(names, func(n string) bool { return n == to || strings.HasPrefix(n, to+"/") }) {
				t.Errorf("%s: %s leads nowhere", name, target)
				continue
			}
			if fragment != "" && !slices.Contains(slugs(read(t, dir, to)), fragment) {
				t.Errorf("%s: %s has no such heading", name, target)
			}
		}
	}
}

func slugs(page string) []string {
	var found []string
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		text := notSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		found = append(found, strings.ReplaceAll(text, " ", "-"))
	}
	return found
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(content)
}

// The image is built from what .dockerignore lets through, which must be every room
// that the command is made of.
func TestImageContextHasEveryRoom(t *testing.T) {
	imports := map[string][]string{}
	var todo []string
	for _, p := range packages(t) {
		imports[p.ImportPath] = p.Imports
		if in(p.room(), "cmd") {
			todo = append(todo, p.ImportPath)
		}
	}
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	let := strings.Fields(read(t, dir, ".dockerignore"))
	seen := map[string]bool{}
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		r := room(next)
		if !slices.ContainsFunc(let, func(rule string) bool { return strings.HasPrefix(rule, "!") && in(r, rule[1:]) }) {
			t.Errorf("%s is part of the command, and .dockerignore keeps it out of the image", r)
		}
		for _, imported := range imports[next] {
			if own(imported) {
				todo = append(todo, imported)
			}
		}
	}
}

// What make and CI start must be executable.
func TestScriptsAreExecutable(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range committed(t) {
		if name != ".ci/run" && (path.Ext(name) != ".sh" || path.Base(name) == "lib.sh") {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", name)
		}
	}
}
