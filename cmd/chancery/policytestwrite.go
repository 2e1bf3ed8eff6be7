package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

func (c *command) printTested(all tested, verbose bool) error {
	if c.output == asJUnit {
		return all.junit(c.stdout)
	}
	return c.print(all, func(w io.Writer) error { return all.write(w, verbose) })
}

func (all tested) write(w io.Writer, verbose bool) error {
	for _, t := range all.Tests {
		mark := "ok  "
		if !t.Passed {
			mark = "FAIL"
		}
		_, _ = fmt.Fprintln(w, visible(strings.TrimRight(fmt.Sprintf("%s  %s  %s:%d  %s  %s", mark, t.Policy, t.File, t.Row, t.Name, t.Message), " ")))
		if at := t.Stopped; at != nil {
			_, _ = fmt.Fprintln(w, "      "+visible(fmt.Sprintf("not true: %s:%d:%d: %s", at.File, at.Row, at.Col, at.Text)))
			if verbose {
				t.writeText(w)
			}
		}
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed\n", all.Passed, all.Failed)
	for _, p := range all.Coverage {
		p.write(w, verbose)
	}
	return err
}

// writeText shows a test as far as it came.
func (t policyTest) writeText(w io.Writer) {
	for i, line := range strings.Split(t.text, "\n") {
		row, mark := i+1, " "
		if row < t.Row || row > max(t.Row, t.Stopped.Row) {
			continue
		}
		if row == t.Stopped.Row {
			mark = ">"
		}
		_, _ = fmt.Fprintf(w, "    %5d %s %s\n", row, mark, visibleColumns(line))
	}
}

// write shows a policy's modules: + was evaluated by a test, - by none. Of what is covered whole, the text is shown only when it is asked for.
func (p policyCovered) write(w io.Writer, verbose bool) {
	_, _ = fmt.Fprintf(w, "\n%s: %.1f %% of the lines are covered (%d of %d)\n", visible(p.Policy), p.Percent, p.Covered, p.Lines)
	for _, f := range p.Files {
		_, _ = fmt.Fprintf(w, "  %s: %d of %d\n", visible(f.File), f.Covered, f.Lines)
		if f.Covered < f.Lines || verbose {
			writeCovered(w, p.text(f.File), f)
		}
	}
}

// writeCovered numbers the lines of a module and marks them.
func writeCovered(w io.Writer, text string, f policy.FileCoverage) {
	marks := map[int]string{}
	for _, rows := range f.Evaluated {
		for row := rows.From; row <= rows.To; row++ {
			marks[row] = "+"
		}
	}
	for _, rows := range f.NotReached { // a line of which a part was not is not
		for row := rows.From; row <= rows.To; row++ {
			marks[row] = "-"
		}
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		mark := marks[i+1]
		if mark == "" {
			mark = " "
		}
		_, _ = fmt.Fprintf(w, "    %5d %s %s\n", i+1, mark, visibleColumns(line))
	}
}

// The form that CI servers read: a suite for each policy.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Properties []junitProperty `xml:"properties>property,omitempty"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func (all tested) junit(w io.Writer) error {
	suites := junitSuites{Tests: len(all.Tests), Failures: all.Failed, Time: fmt.Sprintf("%.3f", all.took.Round(time.Millisecond).Seconds())}
	for _, t := range all.Tests {
		name := strings.TrimPrefix(t.Tenant+"/"+t.Policy, "/")
		if n := len(suites.Suites); n == 0 || suites.Suites[n-1].Name != name {
			suites.Suites = append(suites.Suites, junitSuite{Name: name, Properties: all.junitCoverage(t)})
		}
		suite := &suites.Suites[len(suites.Suites)-1]
		one := junitCase{Class: t.Package, Name: t.Name, File: t.File, Line: t.Row}
		suite.Tests++
		if !t.Passed {
			suite.Failures++
			one.Failure = &junitFailure{Message: t.Message, Type: "failed", Text: fmt.Sprintf("%s:%d: %s: %s", t.File, t.Row, t.Name, t.Message)}
			if at := t.Stopped; at != nil {
				one.Failure.Text += fmt.Sprintf("\nnot true: %s:%d:%d: %s", at.File, at.Row, at.Col, at.Text)
			}
		}
		suite.Cases = append(suite.Cases, one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suites); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (all tested) junitCoverage(t policyTest) []junitProperty {
	for _, p := range all.Coverage {
		if p.Tenant == t.Tenant && p.Policy == t.Policy {
			return []junitProperty{{Name: "coverage", Value: fmt.Sprintf("%.1f", p.Percent)}}
		}
	}
	return nil
}
