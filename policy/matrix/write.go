package matrix

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/chancery-dev/chancery/policy"
)

var (
	columns     = []string{"client", "resource", "who", "answer", "scopes", "step-up", "approval", "lifetime", "reason"}
	diffColumns = []string{"client", "resource", "who", "before", "scopes before", "after", "scopes after"}
)

// WriteTable writes the matrix for people; what names hold cannot move the cursor of a terminal.
func (m Matrix) WriteTable(w io.Writer) error {
	if err := table(w, columns, m.records(printable)); err != nil {
		return err
	}
	return assumptions(w, m.Assumes, m.ReadsAll)
}

// WriteCSV writes the matrix for spreadsheets (RFC 4180). A cell that a spreadsheet would take for a formula begins with
// an apostrophe.
func (m Matrix) WriteCSV(w io.Writer) error {
	return writeCSV(w, columns, m.records(inert))
}

// WriteTable writes the difference for people.
func (d Difference) WriteTable(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%d of %d cells differ\n", len(d.Changes), d.Cells); err != nil {
		return err
	}
	if len(d.Changes) > 0 {
		if err := table(w, diffColumns, d.records(printable)); err != nil {
			return err
		}
	}
	return assumptions(w, d.Assumes, d.ReadsAll)
}

// WriteCSV writes the difference for spreadsheets.
func (d Difference) WriteCSV(w io.Writer) error {
	return writeCSV(w, diffColumns, d.records(inert))
}

func (m Matrix) records(safe func(string) string) [][]string {
	records := make([][]string, 0, len(m.Cells))
	for _, c := range m.Cells {
		records = append(records, each(safe, c.Client, c.Resource, c.who(), c.answer(), strings.Join(c.Scopes, " "), stepUp(c.StepUp), approval(c.Approval), lifetime(c), c.Reason))
	}
	return records
}

func (d Difference) records(safe func(string) string) [][]string {
	records := make([][]string, 0, len(d.Changes))
	for _, ch := range d.Changes {
		at := ch.cell()
		before, beforeScopes := ch.Before.side()
		after, afterScopes := ch.After.side()
		records = append(records, each(safe, at.Client, at.Resource, at.who(), before, beforeScopes, after, afterScopes))
	}
	return records
}

// side is one side of a change; a cell that is not there has none.
func (c *Cell) side() (answer, scopes string) {
	if c == nil {
		return "not there", ""
	}
	answer = c.answer()
	if more := stepUp(c.StepUp); more != "" {
		answer += ", step-up " + more
	}
	if more := approval(c.Approval); more != "" {
		answer += ", approval " + more
	}
	if more := lifetime(*c); more != "" {
		answer += ", lifetime " + more
	}
	return answer, strings.Join(c.Scopes, " ")
}

func (c Cell) who() string {
	switch c.Who {
	case Member:
		return c.Group
	case Person:
		return "(no group)"
	case Nobody:
	}
	return "(nobody)"
}

func (c Cell) answer() string {
	if c.Allow {
		return "allow"
	}
	return "deny " + c.Code
}

func stepUp(s *policy.StepUp) string {
	if s == nil {
		return ""
	}
	text := "any acr"
	if s.ACRValues != nil {
		text = strings.Join(s.ACRValues, "|")
	}
	if s.MaxAge != nil {
		text += fmt.Sprintf(" within %d s", *s.MaxAge)
	}
	return text
}

func approval(a *policy.Approval) string {
	if a == nil {
		return ""
	}
	var groups []string
	for _, n := range a.Needs {
		groups = append(groups, n.Group)
	}
	return strings.Join(groups, " and ")
}

func lifetime(c Cell) string {
	if c.Lifetime == 0 {
		return ""
	}
	return c.Lifetime.String()
}

func each(f func(string) string, cells ...string) []string {
	for i := range cells {
		cells[i] = f(cells[i])
	}
	return cells
}

func table(w io.Writer, head []string, records [][]string) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(columns, strings.ToUpper(strings.Join(head, "\t")))
	for _, r := range records {
		shown := slices.Clone(r)
		for i := range shown {
			if shown[i] == "" {
				shown[i] = "-"
			}
		}
		_, _ = fmt.Fprintln(columns, strings.Join(shown, "\t"))
	}
	return columns.Flush()
}

func writeCSV(w io.Writer, head []string, records [][]string) error {
	out := csv.NewWriter(w)
	if err := out.Write(head); err != nil {
		return err
	}
	return out.WriteAll(records)
}

// assumptions says what the cells hold for.
func assumptions(w io.Writer, list []Assumption, all bool) error {
	lines := []string{"", "Each row is one person in that group alone, who asks for every scope that client and resource leave; what the identity provider's entry takes away is not looked at."}
	if all {
		lines = append(lines, "A policy may read anything of a request, so that a cell may not hold for another one.")
	}
	if len(list) > 0 {
		lines = append(lines, "The policies also read the following, of which each cell has one value:")
	}
	for _, a := range list {
		lines = append(lines, "  "+a.Member+": "+a.Value)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, printable(l)); err != nil {
			return err
		}
	}
	return nil
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
