package structure

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const threatsPage = "docs/threats.md"

var (
	threatID    = regexp.MustCompile(`\b([TMFI])([1-9][0-9]{0,2})\b`)
	threatRange = regexp.MustCompile(`\b([TMFI])([0-9]+)–[TMFI]([0-9]+)\b`)
	threatRow   = regexp.MustCompile(`(?m)^\| ([TMFI][0-9][^|]*) \|`)
	namedTest   = regexp.MustCompile("`([a-z0-9]+(?:/[a-z0-9]+)*)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")
	commentLine = regexp.MustCompile(`(?m)(?://|#|--).*$`)
)

// Every number that code, tests and pages cite has a row in the threat model, once.
func TestThreatsHaveRows(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	rows := threatRows(t, read(t, dir, threatsPage))
	for _, name := range committed(t) {
		if name == threatsPage || in(name, "docs/diagrams") {
			continue
		}
		for _, id := range cited(name, read(t, dir, name)) {
			if !slices.Contains(rows, id) {
				t.Errorf("%s cites %s, which has no row in %s", name, id, threatsPage)
			}
		}
	}
}

// threatRows lists the numbers that begin a row; T21–T23 counts as three.
func threatRows(t *testing.T, page string) []string {
	t.Helper()
	var rows []string
	for _, m := range threatRow.FindAllStringSubmatch(page, -1) {
		for part := range strings.SplitSeq(m[1], ", ") {
			first := threatID.FindStringSubmatch(part)
			if first == nil {
				t.Errorf("%s: %q is no number", threatsPage, part)
				continue
			}
			ids := []string{first[0]}
			if span := threatRange.FindStringSubmatch(part); span != nil {
				ids = between(span[1], span[2], span[3])
			}
			for _, id := range ids {
				if slices.Contains(rows, id) {
					t.Errorf("%s: %s has two rows", threatsPage, id)
				}
				rows = append(rows, id)
			}
		}
	}
	if len(rows) < 50 {
		t.Fatalf("%s has %d rows", threatsPage, len(rows))
	}
	return rows
}

func between(letter, from, to string) (ids []string) {
	first, _ := strconv.Atoi(from)
	last, _ := strconv.Atoi(to)
	for n := first; n <= last; n++ {
		ids = append(ids, fmt.Sprint(letter, n))
	}
	return ids
}

// cited finds the numbers in the comments of a source file, in the sections of the
// table of mutations, and anywhere in a page.
func cited(name, content string) []string {
	switch path.Ext(name) {
	case ".md":
	case ".go", ".rego", ".sql", ".sh", ".yml", ".yaml":
		comments := strings.Join(commentLine.FindAllString(content, -1), "\n")
		if strings.HasPrefix(name, "federation/idptest/mutation") {
			comments = content
		}
		content = comments
	default:
		return nil
	}
	return threatID.FindAllString(content, -1)
}

// Every test that the threat model names exists where it says.
func TestThreatsNameRealTests(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	names := committed(t)
	named := namedTest.FindAllStringSubmatch(read(t, dir, threatsPage), -1)
	if len(named) == 0 {
		t.Fatalf("%s names no test", threatsPage)
	}
	for _, m := range named {
		if !slices.ContainsFunc(names, func(name string) bool {
			return path.Dir(name) == m[1] && strings.HasSuffix(name, "_test.go") && strings.Contains(read(t, dir, name), "func "+m[2]+"(")
		}) {
			t.Errorf("%s names %s.%s, which does not exist", threatsPage, m[1], m[2])
		}
	}
}
