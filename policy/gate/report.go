package gate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/lint"
)

// Request is one examination. All but Source is optional.
type Request struct {
	Source policy.Source
	// Author is whose policy it is, by any name: Rooms check one of an author at a time.
	Author string
	// Floor is the least coverage of the modules by the tests, in percent. A template's own tests are not asked for.
	Floor int
	// Budget is how long an evaluation may take; 0 is policy.DefaultBudget.
	Budget time.Duration
	// Inputs are recorded inputs (policy.Input.JSON) to evaluate, the newest first; at most MaxInputs of them are read. One on
	// which evaluation runs out of time refuses the policy.
	Inputs iter.Seq[[]byte]
	// Scopes are those that the policy's resources know; nil is unknown.
	Scopes []string
	// Advise makes what a reader found advice, but where the policy reads what no input has: such a rule never holds.
	Advise bool
	// Replay counts the recorded decisions that the policy would have turned, and MaxFlips is how many it may. It is asked
	// in this process, last; nil is not asked.
	Replay   func(context.Context) (flips int, err error)
	MaxFlips int
}

// Limits on recorded inputs.
const (
	// MaxInputs bounds the recorded inputs that are evaluated.
	MaxInputs     = 1000
	maxInputBytes = 8 << 20
	// inputsTime is what their evaluation adds to the child's life; it stops at half of it.
	inputsTime = 2 * time.Second
)

// Report is what was found out about a policy.
type Report struct {
	Done     bool                 `json:"done"` // the checks ran to their end
	Refused  policy.CompileErrors `json:"refused,omitempty"`
	Findings []lint.Finding       `json:"findings,omitempty"`
	Tests    int                  `json:"tests"`
	Failed   []policy.TestResult  `json:"failed,omitempty"`
	Coverage *policy.Coverage     `json:"coverage,omitempty"` // nil: a template
	Cost     Cost                 `json:"cost"`
	Slow     string               `json:"slow,omitempty"` // what ran out of time
	Flips    *int                 `json:"flips,omitempty"`
}

// Cost is what evaluating recorded inputs took.
type Cost struct {
	Inputs  int           `json:"inputs"` // that were evaluated
	Longest time.Duration `json:"longest,omitempty"`
	Mean    time.Duration `json:"mean,omitempty"`
}

// Findings are mistakes that a reader found: those that are errors.
type Findings struct{ Errors []lint.Finding }

func (e *Findings) Error() string {
	lines := make([]string, len(e.Errors))
	for i, f := range e.Errors {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// CoverageLow is a policy whose tests evaluate too little of it. File and Row are the first line that none does.
type CoverageLow struct {
	Percent float64
	Floor   int
	File    string
	Row     int
}

func (e *CoverageLow) Error() string {
	return fmt.Sprintf("the tests evaluate %.0f %% of the modules' lines; at least %d %% is expected", e.Percent, e.Floor)
}

// TooManyFlips is a policy that would have turned more recorded decisions than it may.
type TooManyFlips struct{ Flips, Most int }

func (e *TooManyFlips) Error() string {
	return fmt.Sprintf("of the recorded decisions %d would have been others; at most %d may", e.Flips, e.Most)
}

// Warnings are the findings that refuse nothing.
func (r Report) Warnings(asked Request) []lint.Finding {
	var all []lint.Finding
	for _, f := range r.Findings {
		if !asked.refusedBy(f) {
			all = append(all, f)
		}
	}
	return all
}

// refusedBy tells whether a finding refuses the policy.
func (r Request) refusedBy(f lint.Finding) bool {
	return f.Severity == lint.Error && (!r.Advise || f.Rule == lint.UnknownInput)
}

// err is why the policy may not be published: what does not compile first, then what is written wrong, then what it does.
func (r Report) err(asked Request) error {
	wrong := slices.DeleteFunc(slices.Clone(r.Findings), func(f lint.Finding) bool { return !asked.refusedBy(f) })
	switch {
	case len(r.Refused) > 0:
		return r.Refused
	case len(wrong) > 0:
		return &Findings{Errors: wrong}
	case len(r.Failed) > 0:
		return &TestsFailed{Results: r.Failed}
	case r.Slow != "":
		return fmt.Errorf("%w: %s", ErrTime, r.Slow)
	case r.Coverage == nil:
		if asked.Source.Template == "" {
			return errors.New("policy check: no coverage was reported")
		}
	case r.Coverage.Percent() < float64(asked.Floor):
		low := &CoverageLow{Percent: r.Coverage.Percent(), Floor: asked.Floor}
		for _, f := range r.Coverage.Files {
			if len(f.NotReached) > 0 {
				low.File, low.Row = f.File, f.NotReached[0].From
				break
			}
		}
		return low
	}
	return nil
}

// inputs are the recorded inputs as lines.
func (r Request) inputs() (lines []byte, count int) {
	if r.Inputs == nil {
		return nil, 0
	}
	for text := range r.Inputs {
		if count >= MaxInputs || len(lines)+len(text) > maxInputBytes {
			break
		}
		lines = append(append(lines, text...), '\n')
		count++
	}
	return lines, count
}

func (r Request) replay(ctx context.Context, report *Report) error {
	if r.Replay == nil {
		return nil
	}
	flips, err := r.Replay(ctx)
	if err != nil {
		return fmt.Errorf("policy check: replay: %w", err)
	}
	report.Flips = &flips
	if flips > r.MaxFlips {
		return &TooManyFlips{Flips: flips, Most: r.MaxFlips}
	}
	return nil
}
