package replay

import (
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// Dimension is what changes are grouped by.
type Dimension string

// The dimensions of a report. Rule is what decides under the draft, where Options.Rules tells it; Reason is the reason that the draft gives and the record did not, or the reverse.
const (
	ByClient   Dimension = "client"
	ByUser     Dimension = "user"
	ByResource Dimension = "resource"
	ByRule     Dimension = "rule"
	ByReason   Dimension = "reason"
)

var dimensions = [...]Dimension{ByClient, ByUser, ByResource, ByRule, ByReason}

// Bounds on what a report keeps; everything is counted.
const (
	maxGroups   = 1000 // of one dimension; further ones are counted in Ungrouped
	maxExamples = 3    // of one group
	maxPolicies = 256
	maxMembers  = 64
	maxLabel    = 256 // bytes of what a record brought
)

// Counts is how many decisions show a change of each kind; what no decision shows is left out.
type Counts map[Kind]int

// Report is what a draft would have done. Every record that was read is exactly one of Compared, Purged, Unanswered,
// Unreadable and Foreign; every one compared is one of Same and Changed.
type Report struct {
	// Complete is false when the replay was stopped before the records ended: what is here is true of those before.
	Complete bool `json:"complete"`
	Read     int  `json:"read"`
	Compared int  `json:"compared"`
	Same     int  `json:"same"`
	Changed  int  `json:"changed"`
	// Flips are the changed decisions whose answer turns: all but those whose lifetime or claims alone differ.
	Flips int `json:"flips"`
	// Purged have no recorded input any more.
	Purged int `json:"purged"`
	// Unanswered were cut off for time or memory when they were recorded, so that no rule was decisive.
	Unanswered int `json:"unanswered"`
	// Unreadable are not what a server records.
	Unreadable int `json:"unreadable"`
	// Foreign are of another tenant, whose policies the draft does not replace.
	Foreign int `json:"foreign"`
	// ImpliesUnknown of those compared are about a resource of which it is not known what its scopes imply: one that was
	// granted by implication shows as lost.
	ImpliesUnknown int `json:"implies_unknown"`

	// Masked of those compared hold a pseudonym where the draft reads: what it said of them is not certain.
	Masked int `json:"masked"`
	// MaskedMembers are what it reads there, and in how many.
	MaskedMembers map[string]int `json:"masked_members,omitempty"`
	uncertain     int            // masked, and not a flip

	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`

	Changes Counts `json:"changes"`
	// Policies are the revisions under which the compared decisions were made, in the order in which they came.
	Policies []Revision `json:"policies"`
	// Groups of each dimension, the most flips first.
	Groups map[Dimension][]Group `json:"groups"`
	// Ungrouped counts changed decisions, by dimension, whose group is beyond the bound.
	Ungrouped map[Dimension]int `json:"ungrouped,omitempty"`
	// Problems are examples of records that could not be read.
	Problems []Problem `json:"problems,omitempty"`
}

// Revision is a policy under which decisions were made.
type Revision struct {
	policy.Ref
	Decisions int `json:"decisions"`
}

// Group is the changed decisions of one client, user, resource, rule or reason.
type Group struct {
	Value    string    `json:"value"`
	Changed  int       `json:"changed"`
	Flips    int       `json:"flips"`
	Changes  Counts    `json:"changes"`
	Examples []Example `json:"examples"`
}

// Example is one changed decision. The first ones of a group are kept, flips before others.
type Example struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at,omitzero"`
	Changes    []Kind    `json:"changes"`
	Before     string    `json:"before"`
	After      string    `json:"after"`
	ScopesWon  []string  `json:"scopes_won,omitempty"`
	ScopesLost []string  `json:"scopes_lost,omitempty"`
}

// Problem is a record that could not be read.
type Problem struct {
	ID    string `json:"id,omitempty"`
	Error string `json:"error"`
}

// Flipped counts flips in words.
func Flipped(n int) string {
	if n == 1 {
		return "1 flip"
	}
	return fmt.Sprintf("%d flips", n)
}

// ExceededError is a replay with more flips than are tolerated. What could not be compared counts too, but for what was
// purged or had no answer: nobody knows what the draft would have done to it. So does what is masked where the draft reads.
type ExceededError struct{ Flips, Unreadable, Foreign, Masked, Max int }

func (e *ExceededError) Error() string {
	text := Flipped(e.Flips)
	if e.Unreadable > 0 {
		text += fmt.Sprintf(" and %d unreadable records", e.Unreadable)
	}
	if e.Foreign > 0 {
		text += fmt.Sprintf(" and %d records of another tenant", e.Foreign)
	}
	if e.Masked > 0 {
		text += fmt.Sprintf(" and %d records that mask what the draft reads", e.Masked)
	}
	return fmt.Sprintf("%s; at most %d are tolerated", text, e.Max)
}

var (
	// ErrNothingCompared is a replay with a threshold that compared no decision: it would hold for any draft.
	ErrNothingCompared = errors.New("no decision could be compared, so the threshold says nothing")
	// ErrTooSlow is a draft that ran out of time again and again; the replay was given up.
	ErrTooSlow = fmt.Errorf("the draft ran out of time for %d decisions; the replay was given up", maxLate)
)

// judge holds a complete report to its threshold.
func (r Report) judge(most int) error {
	switch {
	case most < 0:
		return nil
	case r.Compared == 0:
		return ErrNothingCompared
	case r.Flips+r.Unreadable+r.Foreign+r.uncertain > most:
		return &ExceededError{Flips: r.Flips, Unreadable: r.Unreadable, Foreign: r.Foreign, Masked: r.uncertain, Max: most}
	}
	return nil
}
