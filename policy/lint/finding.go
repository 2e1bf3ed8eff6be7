package lint

import (
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// Severity says what a finding means for publishing.
type Severity string

// The severities.
const (
	// Error is a mistake that grants, denies or fails by accident.
	Error Severity = "error"
	// Warning is what a reader should look at.
	Warning Severity = "warning"
)

// Finding is one thing that a rule says of a policy. Row and Column count from 1, and
// are 0 where there is no place to point at.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"` // a module, a test, or data
	Row      int      `json:"row,omitempty"`
	Column   int      `json:"column,omitempty"`
	Text     string   `json:"text"`          // what is wrong
	Fix      string   `json:"fix,omitempty"` // what to write instead
	Page     string   `json:"page"`          // in docs/
}

func (f Finding) String() string {
	place := ""
	switch {
	case f.Row > 0:
		place = fmt.Sprintf("%s:%d:%d: ", f.File, f.Row, f.Column)
	case f.File != "":
		place = f.File + ": "
	}
	text := fmt.Sprintf("%s%s: %s: %s", place, f.Severity, f.Rule, f.Text)
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	return text
}

// Options is what is known of a policy besides its text. What is absent is not checked.
type Options struct {
	Role       policy.Role    // absent: only what holds for both
	DataSchema map[string]any // JSON Schema of data.policy
	// Scopes are those that the policy's resources know; nil is unknown, empty is none.
	Scopes []string
	// Budget bounds the time of a check; 0 is DefaultBudget.
	Budget time.Duration
}

// Limits on one check.
const (
	// DefaultBudget bounds the time of a check where Options names none.
	DefaultBudget = 2 * time.Second
	// MaxFindings bounds what is said of one policy.
	MaxFindings = 200
	// maxSteps bounds the nodes that one rule looks at.
	maxSteps = 4 << 20
)

// Failed reports whether a finding is an error.
func Failed(all []Finding) bool {
	for _, f := range all {
		if f.Severity == Error {
			return true
		}
	}
	return false
}
