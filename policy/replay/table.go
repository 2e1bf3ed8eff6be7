package replay

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// shownGroups is how many groups of a dimension people are shown; the JSON form has them all.
const shownGroups = 10

// WriteTable writes the report for people. What was recorded cannot move the cursor of a terminal.
func (r Report) WriteTable(w io.Writer) error {
	lines := r.head()
	for _, text := range lines {
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	for _, dimension := range dimensions {
		if err := r.writeGroups(w, dimension); err != nil {
			return err
		}
	}
	return nil
}

func (r Report) head() []string {
	text := fmt.Sprintf("%d decisions compared, %s", r.Compared, Flipped(r.Flips))
	if r.Changed > r.Flips {
		text += fmt.Sprintf(", %d more with another lifetime or other claims", r.Changed-r.Flips)
	}
	if !r.First.IsZero() {
		text += fmt.Sprintf(" (%s to %s)", r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339))
	}
	lines := []string{text}
	if !r.Complete {
		lines[0] = "INCOMPLETE: " + text
	}
	count := func(n int, what string) {
		if n > 0 {
			lines = append(lines, fmt.Sprintf("  %d %s", n, what))
		}
	}
	count(r.Purged, "not compared: their input is no longer kept")
	count(r.Unanswered, "not compared: they were cut off for time or memory when they were recorded")
	count(r.Foreign, "not compared: of another tenant")
	count(r.Unreadable, "not compared: unreadable")
	for _, p := range r.Problems {
		lines = append(lines, printable(strings.TrimRight("    "+strings.TrimSpace(p.ID+" "+p.Error), " ")))
	}
	count(r.ImpliesUnknown, "are about resources of which it is not known what their scopes imply: scopes may show as lost that are not")
	count(r.Masked, "are not certain: the draft reads what their records mask ("+strings.Join(slices.Sorted(maps.Keys(r.MaskedMembers)), ", ")+")")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	for _, k := range kinds {
		count(r.Changes[k], string(k))
	}
	return lines
}

func (r Report) writeGroups(w io.Writer, d Dimension) error {
	groups := r.Groups[d]
	if len(groups) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = printable(cell)
		}
		_, _ = fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	row(strings.ToUpper(string(d)), "FLIPS", "CHANGES", "EXAMPLE", "BEFORE", "AFTER")
	for _, g := range groups[:min(len(groups), shownGroups)] {
		e := g.Examples[0]
		for _, other := range g.Examples {
			if (difference{kinds: other.Changes}).flips() {
				e = other
				break
			}
		}
		row(cmp.Or(g.Value, "-"), strconv.Itoa(g.Flips), g.Changes.String(), cmp.Or(e.ID, "-"), e.Before, e.After)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	if n := len(groups) - shownGroups; n > 0 {
		if _, err := fmt.Fprintf(w, "and %d more\n", n); err != nil {
			return err
		}
	}
	if n := r.Ungrouped[d]; n > 0 {
		_, err := fmt.Fprintf(w, "%d changed decisions are of none of these\n", n)
		return err
	}
	return nil
}

// String lists the counts in the order of kinds.
func (c Counts) String() string {
	var parts []string
	for _, k := range kinds {
		if c[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, c[k]))
		}
	}
	return strings.Join(parts, ", ")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
