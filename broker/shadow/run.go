package shadow

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// Counts is what a draft would have decided. Every decision seen is one of Dropped, Unanswered, Same and Changed, or waits.
type Counts struct {
	Seen       int64                 `json:"seen"`
	Dropped    int64                 `json:"dropped"` // came faster than drafts may be asked
	Unanswered int64                 `json:"unanswered"`
	Same       int64                 `json:"same"`
	Changed    int64                 `json:"changed"`
	Flips      int64                 `json:"flips"` // of those changed, whose answer turns
	Kinds      map[replay.Kind]int64 `json:"kinds"`
	Examples   []Example             `json:"examples"` // the newest
	Since      time.Time             `json:"since"`
	// Problem is why the draft could not be asked; "" it is.
	Problem string `json:"problem,omitempty"`
}

// Example is one decision that the draft would have made otherwise.
type Example struct {
	At         time.Time     `json:"at"`
	Trace      string        `json:"trace"`
	Client     string        `json:"client,omitempty"`
	User       string        `json:"user,omitempty"` // uid
	Resource   string        `json:"resource,omitempty"`
	Changes    []replay.Kind `json:"changes"`
	Before     string        `json:"before"`
	After      string        `json:"after"`
	ScopesWon  []string      `json:"scopes_won,omitempty"`
	ScopesLost []string      `json:"scopes_lost,omitempty"`
}

// run is one draft on this replica. All but what is atomic is the worker's alone.
type run struct {
	Run
	sources []policy.Source
	gone    []string
	drafts  []*policy.Compiled // sources, once they are asked
	failed  bool               // and cannot be

	seen, dropped atomic.Int64
	until         atomic.Int64 // microseconds; a run may be given more time

	picture *snapshot.Tenant // on which set was made
	set     *policy.Set
	counts  Counts
	dirty   bool
	saved   [2]int64 // seen and dropped
}

// fail: the draft cannot be asked.
func (r *run) fail(err error) { r.counts.Problem, r.failed, r.dirty = err.Error(), true, true }

// beside makes the set of policies with the draft among them.
func (r *run) beside(ctx context.Context, policies Compiler, picture *snapshot.Tenant) error {
	if r.picture == picture {
		return nil
	}
	for _, src := range r.sources[len(r.drafts):] {
		c, err := policies.Compile(ctx, picture.Name, src)
		if err != nil {
			if ctx.Err() == nil {
				r.fail(err)
			}
			return err
		}
		r.drafts = append(r.drafts, c)
	}
	set, err := picture.Beside(r.drafts, r.gone)
	if err != nil { // two policies would grant for the same
		r.counts.Problem = err.Error()
		return err
	}
	r.picture, r.set, r.counts.Problem = picture, set, ""
	return nil
}

// ask puts one decision to the draft.
func (r *run) ask(ctx context.Context, w *Watch, j job) {
	r.dirty = true
	if r.failed || r.beside(ctx, w.Policies, j.picture) != nil {
		r.counts.Unanswered++
		return
	}
	after := w.Policy.Decide(ctx, r.set, j.input)
	if ctx.Err() != nil {
		r.counts.Unanswered++
		return
	}
	d := replay.Compare(j.input, j.decision, after)
	switch {
	case d.Unanswered && len(d.Kinds) == 0:
		r.counts.Unanswered++
		return
	case len(d.Kinds) == 0:
		r.counts.Same++
		return
	}
	r.counts.Changed++
	if d.Flips() {
		r.counts.Flips++
	}
	if r.counts.Kinds == nil {
		r.counts.Kinds = map[replay.Kind]int64{}
	}
	for _, k := range d.Kinds {
		r.counts.Kinds[k]++
	}
	r.counts.Examples = append(r.counts.Examples, example(j, after, d))
	if over := len(r.counts.Examples) - maxExamples; over > 0 {
		r.counts.Examples = slices.Delete(r.counts.Examples, 0, over)
	}
}

func example(j job, after policy.Decision, d replay.Difference) Example {
	e := Example{
		At: j.at.UTC(), Trace: j.trace, Changes: d.Kinds, Before: answer(j.decision), After: answer(after),
		ScopesWon: d.ScopesWon, ScopesLost: d.ScopesLost,
	}
	if c := j.input.Client; c != nil {
		e.Client = c.Name
	}
	if u := j.input.User; u != nil {
		e.User = u.ID
	}
	if res := j.input.Resource; res != nil {
		e.Resource = res.Name
	}
	return e
}

func answer(d policy.Decision) string {
	if d.Allow {
		return "allowed"
	}
	return d.Code
}

// tally is what was counted so far, and whether it is more than was saved.
func (r *run) tally() (Counts, bool) {
	c := r.counts
	c.Seen, c.Dropped = r.seen.Load(), r.dropped.Load()
	changed := r.dirty || r.saved != [2]int64{c.Seen, c.Dropped}
	r.dirty, r.saved = false, [2]int64{c.Seen, c.Dropped}
	c.Kinds, c.Examples = maps.Clone(c.Kinds), slices.Clone(c.Examples)
	return c, changed
}

// Sum adds what several replicas counted.
func Sum(all []Counts) Counts {
	sum := Counts{Kinds: map[replay.Kind]int64{}, Examples: []Example{}}
	for _, c := range all {
		sum.Seen += c.Seen
		sum.Dropped += c.Dropped
		sum.Unanswered += c.Unanswered
		sum.Same += c.Same
		sum.Changed += c.Changed
		sum.Flips += c.Flips
		for k, n := range c.Kinds {
			sum.Kinds[k] += n
		}
		sum.Examples = append(sum.Examples, c.Examples...)
		if sum.Since.IsZero() || c.Since.Before(sum.Since) {
			sum.Since = c.Since
		}
		if c.Problem != "" {
			sum.Problem = c.Problem
		}
	}
	slices.SortStableFunc(sum.Examples, func(a, b Example) int { return b.At.Compare(a.At) })
	sum.Examples = sum.Examples[:min(len(sum.Examples), maxExamples)]
	return sum
}
