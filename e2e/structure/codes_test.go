package structure

import (
	"regexp"
	"strings"
	"testing"
)

const cataloguePage = "broker/oauth/catalogue.yaml"

var (
	catalogueCode = regexp.MustCompile(`(?m)^- code: ([a-z0-9_]+)$`)
	codeConstant  = regexp.MustCompile(`(?m)^\s*(Code[A-Za-z0-9]+)\s+(?:[A-Za-z.]+\s+)?= "([a-z0-9_]+)"`)
	word          = regexp.MustCompile(`[A-Za-z0-9_]+`)
)

// Every code of the catalogue is expected by a test, by its name or by a constant's: one that nothing reaches would be a
// promise on a page.
func TestCodesAreReached(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string][]string{}
	words := map[string]bool{}
	for _, name := range committed(t) {
		switch {
		case !strings.HasSuffix(name, ".go"):
		case expects(name):
			for _, w := range word.FindAllString(read(t, dir, name), -1) {
				words[w] = true
			}
		default:
			for _, m := range codeConstant.FindAllStringSubmatch(read(t, dir, name), -1) {
				constants[m[2]] = append(constants[m[2]], m[1])
			}
		}
	}
	codes := catalogueCode.FindAllStringSubmatch(read(t, dir, cataloguePage), -1)
	if len(codes) < 100 {
		t.Fatalf("%s has %d codes: is it read at all?", cataloguePage, len(codes))
	}
	for _, m := range codes {
		reached := words[m[1]]
		for _, constant := range constants[m[1]] {
			reached = reached || words[constant]
		}
		if !reached {
			t.Errorf("no test expects %s", m[1])
		}
		if read(t, dir, "docs/errors/"+m[1]+".md") == "" {
			t.Errorf("%s has no page", m[1])
		}
	}
}

// expects tells whether a file says what must come: tests, and the tables of mutations that they run.
func expects(name string) bool {
	return strings.HasSuffix(name, "_test.go") || in(name, "federation/idptest") && strings.Contains(name, "mutation")
}
