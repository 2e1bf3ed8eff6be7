package remedy

import (
	"context"
	"slices"

	"github.com/chancery-dev/chancery/policy"
)

// search tries changed requests, in order, until it may not any more.
type search struct {
	ctx      context.Context
	e        policy.Evaluator
	set      *policy.Set
	o        Options
	tried    int
	ended    bool // for time, number, or a policy that gives no answer
	complete bool
	demanded []string // acr values that a policy asked for on the way
	ways     []Way
}

// try evaluates one request. ok is false when the search is over.
func (s *search) try(in *policy.Input) (d policy.Decision, ok bool) {
	if s.ended = s.ended || s.tried >= s.o.MaxTries || s.ctx.Err() != nil; s.ended {
		return d, false
	}
	s.tried++
	d = s.e.Decide(s.ctx, s.set, in)
	if s.ctx.Err() != nil || d.Code == policy.CodeTimeout || d.Code == policy.CodeMemory {
		s.ended = true // what cannot be evaluated once is not evaluated a thousand times
		return d, false
	}
	if d.Allow && d.StepUp != nil {
		for _, acr := range d.StepUp.ACRValues {
			if !slices.Contains(s.demanded, acr) && len(s.demanded) < maxACRs {
				s.demanded = append(s.demanded, acr)
			}
		}
	}
	return d, true
}

// reached reports whether a request gets all that it asks for, at once.
func reached(in *policy.Input, d policy.Decision) bool {
	if !d.Allow || d.Approval != nil || !in.Meets(d.StepUp) {
		return false
	}
	return in.Requested == nil || !slices.ContainsFunc(in.Requested.Scopes, func(s string) bool { return !slices.Contains(d.Scopes, s) })
}

// change tries candidates together.
func (s *search) change(in *policy.Input, together ...candidate) (found bool) {
	changed := *in
	for _, c := range together {
		c.apply(&changed)
	}
	settle(&changed, together)
	d, ok := s.try(&changed)
	if !ok || !reached(&changed, d) {
		return false
	}
	way := Way{Scopes: slices.Clone(d.Scopes)}
	for _, c := range together {
		way.Changes = append(way.Changes, c.Change)
	}
	s.ways = append(s.ways, way)
	return true
}

func (s *search) full() bool { return s.ended || len(s.ways) >= s.o.MaxWays }

func (s *search) singles(in *policy.Input, list []candidate) {
	nearest := map[family]bool{}
	for _, c := range list {
		if s.full() {
			return
		}
		if !nearest[c.family] && s.change(in, c) && c.family.nearestOnly() {
			nearest[c.family] = true
		}
	}
}

// pairs of candidates that do not exclude each other.
func (s *search) pairs(in *policy.Input, list []candidate) {
	nearest := map[[2]family]bool{}
	for i, a := range list {
		for _, b := range list[i+1:] {
			if s.full() {
				return
			}
			both := [2]family{a.family, b.family}
			if a.excludes(b) || nearest[both] {
				continue
			}
			if s.change(in, a, b) && (a.family.nearestOnly() || b.family.nearestOnly()) {
				nearest[both] = true
			}
		}
	}
}

func (s *search) remedies() Remedies {
	ways := s.ways
	if ways == nil {
		ways = []Way{}
	}
	return Remedies{Ways: ways, Complete: s.complete && !s.ended && len(ways) < s.o.MaxWays, Tried: s.tried}
}
