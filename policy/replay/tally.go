package replay

import (
	"cmp"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/policy"
)

// fate is what became of a record.
type fate int

const (
	fateUnreadable fate = iota // the zero value: what was not settled is not a success
	fatePurged
	fateUnanswered
	fateCompared
)

// outcome is one record evaluated, without its input.
type outcome struct {
	fate   fate
	err    error // of one that is unreadable
	tenant string
	// policies are those who were asked, by the record or else by its result.
	policies []policy.Ref
	labels   [len(dimensions)]string
	diff     difference
	before   string
	after    string
	// impliesKnown: what the resource's scopes imply was told.
	impliesKnown bool
	// masked is what the draft reads of the input and the record does not tell.
	masked []string
}

// tally adds outcomes to a report, in the order of the records.
type tally struct {
	report Report
	tenant string
	rules  bool // group by rule
	// groups by dimension and value.
	groups   [len(dimensions)]map[string]*Group
	policies map[policy.Ref]int
}

func newTally(tenant string, rules bool) *tally {
	t := &tally{tenant: tenant, rules: rules, policies: map[policy.Ref]int{}, report: Report{Changes: Counts{}, Policies: []Revision{}, Groups: map[Dimension][]Group{}, Ungrouped: map[Dimension]int{}, MaskedMembers: map[string]int{}}}
	for i := range t.groups {
		t.groups[i] = map[string]*Group{}
	}
	return t
}

func (t *tally) add(r Recorded, o *outcome) {
	t.report.Read++
	switch o.fate {
	case fateUnreadable:
		t.unreadable(r.ID, o.err)
		return
	case fatePurged:
		t.report.Purged++
		return
	case fateUnanswered, fateCompared:
	}
	// A set is one tenant's: what it says of another's request means nothing.
	if t.tenant == "" {
		t.tenant = o.tenant
	}
	if o.tenant != t.tenant {
		t.report.Foreign++
		return
	}
	if o.fate == fateUnanswered {
		t.report.Unanswered++
		return
	}
	t.report.Compared++
	t.when(r)
	t.recordedUnder(o.policies)
	if !o.impliesKnown {
		t.report.ImpliesUnknown++
	}
	t.masked(o)
	if len(o.diff.kinds) == 0 {
		t.report.Same++
		return
	}
	t.changed(r, o)
}

func (t *tally) unreadable(id string, err error) {
	t.report.Unreadable++
	if len(t.report.Problems) < maxExamples {
		t.report.Problems = append(t.report.Problems, Problem{ID: clip(id), Error: clip(err.Error())})
	}
}

func (t *tally) masked(o *outcome) {
	if len(o.masked) == 0 {
		return
	}
	t.report.Masked++
	if !o.diff.flips() {
		t.report.uncertain++
	}
	for _, member := range o.masked {
		member = clip(member)
		if _, seen := t.report.MaskedMembers[member]; seen || len(t.report.MaskedMembers) < maxMembers {
			t.report.MaskedMembers[member]++
		}
	}
}

func (t *tally) when(r Recorded) {
	if r.At.IsZero() {
		return
	}
	if t.report.First.IsZero() || r.At.Before(t.report.First) {
		t.report.First = r.At
	}
	if r.At.After(t.report.Last) {
		t.report.Last = r.At
	}
}

func (t *tally) recordedUnder(refs []policy.Ref) {
	for _, ref := range refs {
		ref.Name, ref.UID = clip(ref.Name), clip(ref.UID)
		i, seen := t.policies[ref]
		if !seen {
			if len(t.report.Policies) >= maxPolicies {
				continue
			}
			i = len(t.report.Policies)
			t.policies[ref] = i
			t.report.Policies = append(t.report.Policies, Revision{Ref: ref})
		}
		t.report.Policies[i].Decisions++
	}
}

func (t *tally) changed(r Recorded, o *outcome) {
	t.report.Changed++
	if o.diff.flips() {
		t.report.Flips++
	}
	t.report.Changes.add(o.diff.kinds)
	example := Example{
		ID: clip(r.ID), At: r.At, Changes: o.diff.kinds, Before: o.before, After: o.after, ScopesWon: clipAll(o.diff.won), ScopesLost: clipAll(o.diff.lost),
	}
	for i, label := range o.labels {
		if dimensions[i] == ByRule && !t.rules {
			continue
		}
		g, ok := t.groups[i][label]
		if !ok {
			if len(t.groups[i]) >= maxGroups {
				t.report.Ungrouped[dimensions[i]]++
				continue
			}
			g = &Group{Value: label, Changes: Counts{}}
			t.groups[i][label] = g
		}
		g.add(example, o.diff.flips())
	}
}

func (c Counts) add(kinds []Kind) {
	for _, k := range kinds {
		c[k]++
	}
}

// add keeps the first examples, those that flip before those that do not.
func (g *Group) add(e Example, flips bool) {
	g.Changed++
	if flips {
		g.Flips++
	}
	g.Changes.add(e.Changes)
	switch {
	case len(g.Examples) < maxExamples:
		g.Examples = append(g.Examples, e)
	case flips && g.Flips <= maxExamples: // among those kept is one that does not flip
		last := len(g.Examples) - 1
		for slices.ContainsFunc(g.Examples[last].Changes, Kind.Flips) {
			last--
		}
		g.Examples[last] = e
	}
}

// finish puts the groups in order.
func (t *tally) finish() Report {
	for i, dimension := range dimensions {
		list := make([]Group, 0, len(t.groups[i]))
		for _, g := range t.groups[i] {
			list = append(list, *g)
		}
		slices.SortFunc(list, func(a, b Group) int {
			return cmp.Or(cmp.Compare(b.Flips, a.Flips), cmp.Compare(b.Changed, a.Changed), cmp.Compare(a.Value, b.Value))
		})
		t.report.Groups[dimension] = list
	}
	return t.report
}

func unreadable(err error) *outcome {
	if err == nil {
		err = errors.New("it was not settled")
	}
	return &outcome{fate: fateUnreadable, err: err}
}
