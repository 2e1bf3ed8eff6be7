package policy

import (
	"context"

	"github.com/open-policy-agent/opa/v1/cover"
)

// Coverage is how much of a policy's modules its tests evaluate, by lines.
type Coverage struct {
	Lines   int            `json:"lines"`   // that can be evaluated
	Covered int            `json:"covered"` // of those
	Files   []FileCoverage `json:"files"`   // by name
}

// FileCoverage is that of one module.
type FileCoverage struct {
	File       string `json:"file"`
	Lines      int    `json:"lines"`
	Covered    int    `json:"covered"`
	Evaluated  []Rows `json:"evaluated,omitempty"`
	NotReached []Rows `json:"not_reached,omitempty"`
}

// Rows are the first and the last of some lines of a file, from 1.
type Rows struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Percent is what is covered, and everything where there is nothing to cover.
func (c Coverage) Percent() float64 {
	if c.Lines == 0 {
		return 100
	}
	return 100 * float64(c.Covered) / float64(c.Lines)
}

// Cover is RunTests that tells which lines of the modules, not of the tests, were evaluated.
func (c *Compiled) Cover(ctx context.Context) ([]TestResult, Coverage, error) {
	return c.Test(ctx, TestOptions{Cover: true})
}

func (c *Compiled) coverage(tracer *cover.Cover) Coverage {
	report := tracer.Report(c.plain)
	var all Coverage
	for _, name := range sortedKeys(c.plain) {
		f, ok := report.Files[name]
		if !ok {
			continue
		}
		one := FileCoverage{
			File: name, Lines: f.CoveredLines + f.NotCoveredLines, Covered: f.CoveredLines,
			Evaluated: rows(f.Covered), NotReached: rows(f.NotCovered),
		}
		all.Files = append(all.Files, one)
		all.Lines += one.Lines
		all.Covered += one.Covered
	}
	return all
}

// Text is that of a module or a test, which coverage and results speak of; "" of neither.
func (c *Compiled) Text(file string) string {
	if text, ok := c.src.Modules[file]; ok {
		return text
	}
	return c.src.Tests[file]
}

func rows(ranges []cover.Range) []Rows {
	var list []Rows
	for _, r := range ranges {
		list = append(list, Rows{From: r.Start.Row, To: r.End.Row})
	}
	return list
}
