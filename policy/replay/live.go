package replay

import "github.com/chancery-dev/chancery/policy"

// Difference is how one answer differs from another to the same input.
type Difference struct {
	Kinds      []Kind   // in the order of reports; none: the same
	ScopesWon  []string // of both that grant
	ScopesLost []string
	// Unanswered: one of the two was cut off for time or memory, which says nothing of the rules.
	Unanswered bool
}

// Flips tells whether the answer turns.
func (d Difference) Flips() bool { return difference{kinds: d.Kinds}.flips() }

// Compare compares two answers to one input, as a replay does a recorded one and a draft's.
func Compare(in *policy.Input, before, after policy.Decision) Difference {
	if unanswered(before.Code) {
		return Difference{Unanswered: true}
	}
	d := compare(in, before, after)
	return Difference{Kinds: d.kinds, ScopesWon: d.won, ScopesLost: d.lost, Unanswered: unanswered(after.Code)}
}
