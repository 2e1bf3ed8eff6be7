package diagnose

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Difference shows where two strings that should be the same differ: both in
// quotes, one below the other, with a caret under the first character that is not
// the same. What cannot be seen is shown: a space or a control character as its
// escape, the end as the quote.
func Difference(configured, published string) []string {
	return words{"configured", "published"}.difference(configured, published)
}

// words name the two sides.
type words struct{ first, second string }

func (w words) difference(configured, published string) []string {
	at := 0
	for at < len(configured) && at < len(published) && configured[at] == published[at] {
		at++
	}
	for at > 0 && at < len(configured) && !utf8.RuneStart(configured[at]) {
		at--
	}
	before := utf8.RuneCountInString(shown(configured[:at]))
	width := max(len(w.first), len(w.second))
	return []string{
		fmt.Sprintf(`%-*s "%s"`, width, w.first, shown(configured)),
		fmt.Sprintf(`%-*s "%s"`, width, w.second, shown(published)),
		strings.Repeat(" ", width+2+before) + "^ " + w.where(configured, published, at),
	}
}

func (w words) where(configured, published string, at int) string {
	switch {
	case published == configured+"/":
		return "the " + w.second + " one ends in a slash, the " + w.first + " one does not"
	case configured == published+"/":
		return "the " + w.first + " one ends in a slash, the " + w.second + " one does not"
	case at == len(configured):
		return fmt.Sprintf("the %s one ends here, the %s one goes on with %q", w.first, w.second, clip(published[at:]))
	case at == len(published):
		return fmt.Sprintf("the %s one ends here, the %s one goes on with %q", w.second, w.first, clip(configured[at:]))
	case strings.EqualFold(configured, published):
		return fmt.Sprintf("character %d: only upper and lower case differ", at+1)
	}
	return fmt.Sprintf("character %d: %s", at+1, differingPart(configured, published))
}

// differingPart names the part of the two URLs that differs first.
func differingPart(configured, published string) string {
	a, err := url.Parse(configured)
	if err != nil {
		return "the two differ from here on"
	}
	b, err := url.Parse(published)
	if err != nil {
		return "the second is no URL"
	}
	switch {
	case a.Scheme != b.Scheme:
		return "the schemes differ"
	case a.Hostname() != b.Hostname():
		return "the hosts differ"
	case a.Port() != b.Port():
		return "the ports differ"
	default:
		return "the paths differ"
	}
}

// shown makes what is not seen visible, and long text short.
func shown(s string) string {
	var b strings.Builder
	for _, r := range clip(s) {
		if r == ' ' {
			r = '␠'
		}
		b.WriteRune(r)
	}
	return b.String()
}
