// Package remedy finds the smallest change of a request that would have turned a refusal into what was asked: a group that
// a grant names, a fresher sign-in, a scope less, another hour.
//
// It guesses nothing about Rego. Candidates come from the request and from the words of the policies (policy/vocabulary);
// each is evaluated, alone and then in pairs, and only what turned the answer is told. What is found is for those who may
// read the policy: it names groups that a policy trusts.
//
// Not found does not mean that nothing would help: a name that no policy spells out, a claim, an attribute or an address
// are never tried. That a person may be given what is missing is not said either.
//
// It imports policy and policy/vocabulary, and nothing else of Chancery.
package remedy

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// Change is one change of the request.
type Change struct {
	Member string `json:"member"` // of input, such as user.group_names
	Do     string `json:"do"`     // add, remove or set
	Value  any    `json:"value"`
	Text   string `json:"text"` // for people, as in: be in group notes-editors
}

// Way is a set of changes that together turn the answer.
type Way struct {
	Changes []Change `json:"changes"`
	// Scopes are granted then; they are all that would be requested then.
	Scopes []string `json:"scopes"`
}

// Remedies are the smallest changes that were found: all of one, or all of two.
type Remedies struct {
	// Granted: the request as it is gets what it asks for, and there is nothing to change.
	Granted bool  `json:"granted"`
	Ways    []Way `json:"ways"`
	// Complete is false when not every candidate was tried, for their number or for time.
	Complete bool `json:"complete"`
	Tried    int  `json:"tried"`
}

// Options bound a search.
type Options struct {
	// Within bounds the time; by default a second.
	Within time.Duration
	// MaxTries bounds the evaluations; by default 4000.
	MaxTries int
	// MaxWays bounds what is told; by default 5.
	MaxWays int
}

const (
	defaultWithin = time.Second
	defaultTries  = 4000
	defaultWays   = 5
)

// Find searches. Sources are those of the policies in set that have their data and text still: a policy that is Lean has
// no words. The answer depends on time only where Complete is false.
func Find(ctx context.Context, e policy.Evaluator, set *policy.Set, sources []policy.Source, in *policy.Input, o Options) (Remedies, error) {
	if set == nil || in == nil {
		return Remedies{}, errors.New("remedy without policies or without a request")
	}
	o = o.filled()
	within, stop := context.WithTimeout(ctx, o.Within)
	defer stop()
	s := &search{ctx: within, e: e, set: set, o: o, complete: true}

	// 1. As it is.
	d, ok := s.try(in)
	if !ok {
		return s.remedies(), ctx.Err()
	}
	if reached(in, d) {
		r := s.remedies()
		r.Granted = true
		return r, nil
	}
	if len(set.Policies(resourceOf(in), in.Action)) == 0 {
		return s.remedies(), nil // nobody is asked, whatever the request holds
	}

	// 2. One change.
	list, all := candidates(in, d, sources)
	s.complete = all
	s.singles(in, list)
	// 3. Two, where one is not enough. What was demanded on the way is a candidate too.
	if len(s.ways) == 0 {
		s.pairs(in, append(list, signIns(in, s.demanded, list)...))
	}
	return s.remedies(), ctx.Err()
}

func (o Options) filled() Options {
	if o.Within <= 0 {
		o.Within = defaultWithin
	}
	if o.MaxTries <= 0 {
		o.MaxTries = defaultTries
	}
	if o.MaxWays <= 0 {
		o.MaxWays = defaultWays
	}
	return o
}

func resourceOf(in *policy.Input) string {
	if in.Resource == nil {
		return ""
	}
	return in.Resource.Name
}
