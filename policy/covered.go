package policy

import (
	"context"
	"slices"

	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/topdown"
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

// Reached is which lines of the modules the evaluation of one input reaches, as Cover says it of tests. Modules of an index
// are evaluated beforehand, and are not in it. It has testBudget; what evaluation itself comes to is not its concern.
func (c *Compiled) Reached(ctx context.Context, in *Input) (Coverage, error) {
	input, err := in.Value()
	if err != nil {
		return Coverage{}, err
	}
	q, err := c.prepared(ctx)
	if err != nil {
		return Coverage{}, err
	}
	ctx, stop := context.WithTimeout(ctx, testBudget)
	defer stop()
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	t := &reachTracer{brake: brake{cancel.Cancelled}, cover: cover.New()}
	if _, err := q.run(ctx, input, cancel, t); err != nil && cancel.Cancelled() {
		return Coverage{}, errTimeout
	}
	all := c.coverage(t.cover)
	all.Files = slices.DeleteFunc(all.Files, func(f FileCoverage) bool {
		if _, evaluated := q.compiler.Modules[f.File]; evaluated {
			return false
		}
		all.Lines -= f.Lines
		all.Covered -= f.Covered
		return true
	})
	return all, nil
}

// reachTracer notes lines, and heeds the end of the time.
type reachTracer struct {
	brake

	cover *cover.Cover
}

// TraceEvent implements topdown.QueryTracer.
func (t *reachTracer) TraceEvent(e topdown.Event) {
	t.brake.TraceEvent(e)
	t.cover.TraceEvent(e)
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
