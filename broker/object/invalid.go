package object

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, or likely a mistake, and where.
type Problem struct {
	Object string `json:"object,omitempty"` // "Client claude", "" where there is only one
	Path   string `json:"path,omitempty"`   // "spec.auth.method"
	Line   int    `json:"line,omitempty"`   // in the text, from 1; 0 where there is none
	Code   string `json:"code,omitempty"`   // a stable name, where there is one
	// File, Row and Col are where it is in a policy's modules or tests, from 1; Path says the same in one word.
	File string `json:"file,omitempty"`
	Row  int    `json:"row,omitempty"`
	Col  int    `json:"col,omitempty"`

	Text string `json:"text"`
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Object != "" {
		b.WriteString(p.Object + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	if p.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", p.Line)
	}
	return b.String()
}

// Invalid is every problem of an object, or of several; never empty.
type Invalid struct{ Problems []Problem }

// Error lists the problems.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}

// findings gathers what a check says.
type findings struct{ problems []Problem }

func (f *findings) add(path, format string, args ...any) {
	f.problems = append(f.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (f *findings) addCode(code, path, format string, args ...any) {
	f.problems = append(f.problems, Problem{Code: code, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (f *findings) err() error {
	if len(f.problems) == 0 {
		return nil
	}
	return &Invalid{Problems: f.problems}
}

// oneOf accepts the listed values, and "" where absence has a meaning.
func (f *findings) oneOf(path, value string, allowed ...string) {
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	f.add(path, "unknown value %s: expected %s", quote(value), alternatives(allowed))
}

// each checks every value of a list, and that none is there twice.
func (f *findings) each(path string, list []string, check func(string) string) {
	seen := map[string]bool{}
	for i, value := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if wrong := check(value); wrong != "" {
			f.add(at, "%s %s", quote(value), wrong)
			continue
		}
		if seen[value] {
			f.add(at, "%s is listed twice", quote(value))
		}
		seen[value] = true
	}
}

func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

func alternatives(values []string) string {
	switch len(values) {
	case 0:
		return "nothing"
	case 1:
		return values[0]
	default:
		return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
	}
}
