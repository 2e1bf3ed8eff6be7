package strict

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold maps a name to one representative of all names that Unicode simple case
// folding holds equal to it: `sub` for `SUB`, `ſub` and `sub`. A lower-case
// ASCII name is its own representative and costs nothing.
func Fold(name string) string {
	if isFolded(name) {
		return name
	}
	var b strings.Builder
	b.Grow(len(name))
	for _, r := range name {
		b.WriteRune(foldRune(r))
	}
	return b.String()
}

func isFolded(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// foldRune returns the smallest rune of r's folding orbit, lowered when ASCII:
// K, k and U+212A (kelvin sign) are all k.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// Names is a set of registered member names. The zero value holds none.
type Names struct{ byFold map[string]string }

// Reserve makes a set of names that nothing else in an object may resemble.
func Reserve(names ...string) Names {
	byFold := make(map[string]string, len(names))
	for _, name := range names {
		byFold[Fold(name)] = name
	}
	return Names{byFold}
}

// Resembles returns the registered name that name folds to without being it.
func (n Names) Resembles(name string) (registered string, resembles bool) {
	if len(n.byFold) == 0 {
		return "", false
	}
	registered, found := n.byFold[Fold(name)]
	return registered, found && registered != name
}

// Has tells whether name is registered, exactly.
func (n Names) Has(name string) bool {
	return n.byFold[Fold(name)] == name && name != ""
}
