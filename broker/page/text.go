package page

import (
	"strings"
	"unicode"
)

// How much of a text is shown, in characters. Hosts are never cut: their end is what counts.
const (
	maxName  = 80
	maxLine  = 240
	maxMarks = 2 // combining marks on one letter
)

// visible gives what may be shown of a text that somebody else chose: nothing invisible or that turns the direction of
// what follows (UTR #36 §2.5), no lines of its own, no towers of accents, at most so many characters.
func visible(s string, limit int) string {
	var b strings.Builder
	shown, marks, gap := 0, 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			gap = shown > 0
			continue
		case hidden(r):
			continue
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks > maxMarks || shown == 0 {
				continue
			}
			b.WriteRune(r)
			continue
		}
		marks = 0
		if gap {
			b.WriteByte(' ')
			shown++
			gap = false
		}
		if shown >= limit {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		b.WriteRune(r)
		shown++
	}
	return b.String()
}

// hidden tells characters without a picture of their own: controls, formats (bidi controls, zero widths, tags), private
// use, unassigned, and the letters and symbols that are drawn as nothing.
func hidden(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return true
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) || unicode.Is(unicode.Variation_Selector, r)
}

// initial is the letter of a tile.
func initial(s string) string {
	for _, r := range visible(s, maxName) {
		if unicode.In(r, unicode.L, unicode.N) {
			return string(unicode.ToUpper(r))
		}
	}
	return "•"
}
