package structure

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// below says which rooms each room may import. The arrows are
//
//	cmd → admin → broker → { federation, policy → rego, vault }      cmd → migrations
//
// and a room may reach past its neighbour downwards, except that rego belongs to
// policy and migrations to cmd.
var below = map[string][]string{
	"cmd":        {"cmd", "admin", "broker", "federation", "policy", "rego", "vault", "migrations", "docs", "sdk"},
	"admin":      {"admin", "broker", "federation", "policy", "vault"},
	"broker":     {"broker", "federation", "policy", "vault", "docs"},
	"federation": {"federation"},
	"policy":     {"policy", "rego"},
	"vault":      {"vault"},
	"rego":       {"rego"},
	"migrations": {"migrations"},
	"sdk":        {"sdk"},
	"examples":   {"sdk", "examples"},
	"docs":       {"docs", "broker"},
	"deploy":     {"deploy"},
	"e2e":        {"e2e", "cmd", "admin", "broker", "federation", "policy", "rego", "vault", "migrations", "sdk"},
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		allowed := slices.Clone(below[top(p.room())])
		if testOnly(p.room()) {
			// Kits prepare a store, so they migrate one.
			allowed = append(allowed, "migrations")
		}
		for _, imported := range p.Imports {
			if own(imported) && !in(room(imported), allowed...) {
				t.Errorf("%s imports %s: the arrow points the other way", p.room(), room(imported))
			}
		}
	}
}

// The test files of federation, policy and vault keep to the same walls: a room that
// needs another to be tested is not a room.
func TestArrowsOfTests(t *testing.T) {
	for _, p := range packages(t) {
		if !in(p.room(), "federation", "policy", "vault", "rego") {
			continue
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if own(imported) && !in(room(imported), below[top(p.room())]...) {
				t.Errorf("a test in %s imports %s", p.room(), room(imported))
			}
		}
	}
}

func TestOnlyCommandsAndTestsImport(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if in(p.room(), "cmd") || testOnly(p.room()) {
				continue
			}
			for _, kept := range []string{"broker/store", "broker/storetest", "broker/keys/keystest", "federation/idptest", "vault/provider/providertest", "migrations"} {
				if own(imported) && in(room(imported), kept) && !in(p.room(), kept) {
					t.Errorf("%s imports %s, which is for cmd and tests", p.room(), kept)
				}
			}
		}
	}
}

// The packages of a folder, seen as its children and the folder itself, have no cycle
// at any level. The compiler sees to packages; this sees to folders.
func TestFoldersAreAcyclic(t *testing.T) {
	levels := map[string]map[string]map[string]string{} // parent → child → child → an import that says so
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if !own(imported) {
				continue
			}
			parent, from, to := part(p.room(), room(imported))
			if from == to {
				continue
			}
			if levels[parent] == nil {
				levels[parent] = map[string]map[string]string{}
			}
			if levels[parent][from] == nil {
				levels[parent][from] = map[string]string{}
			}
			levels[parent][from][to] = p.room() + " → " + room(imported)
		}
	}
	for _, parent := range slices.Sorted(maps.Keys(levels)) {
		if cycle := findCycle(levels[parent]); cycle != nil {
			t.Errorf("in %q: %s", parent, strings.Join(cycle, ", "))
		}
	}
}

// part splits two rooms at their deepest common folder. A room that is that folder
// itself is its child ".".
func part(a, b string) (parent, from, to string) {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < len(as) && n < len(bs) && as[n] == bs[n] {
		n++
	}
	child := func(s []string) string {
		if n < len(s) {
			return s[n]
		}
		return "."
	}
	return strings.Join(as[:n], "/"), child(as), child(bs)
}

// findCycle returns the imports along a cycle, or nil.
func findCycle(edges map[string]map[string]string) []string {
	done := map[string]bool{}
	var path []string
	var why []string
	var visit func(string) []string
	visit = func(n string) []string {
		if i := slices.Index(path, n); i >= 0 {
			return why[i:]
		}
		if done[n] {
			return nil
		}
		path = append(path, n)
		for _, to := range slices.Sorted(maps.Keys(edges[n])) {
			why = append(why, edges[n][to])
			if cycle := visit(to); cycle != nil {
				return cycle
			}
			why = why[:len(why)-1]
		}
		path = path[:len(path)-1]
		done[n] = true
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(edges)) {
		if cycle := visit(n); cycle != nil {
			return cycle
		}
	}
	return nil
}

func TestFindCycle(t *testing.T) {
	edge := func(pairs ...string) map[string]map[string]string {
		edges := map[string]map[string]string{}
		for _, pair := range pairs {
			from, to, _ := strings.Cut(pair, ">")
			if edges[from] == nil {
				edges[from] = map[string]string{}
			}
			edges[from][to] = pair
		}
		return edges
	}
	if got := findCycle(edge("a>b", "b>c", "a>c")); got != nil {
		t.Errorf("found %v where there is none", got)
	}
	if got := findCycle(edge("a>b", "b>c", "c>b")); !slices.Equal(got, []string{"b>c", "c>b"}) {
		t.Errorf("found %v", got)
	}
}

func top(room string) string {
	first, _, _ := strings.Cut(room, "/")
	return first
}
