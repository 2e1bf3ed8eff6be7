package policy

import (
	"fmt"
	"runtime"
	"slices"
)

// Set is every policy that one tenant is bound by, ready to be asked. It never
// changes; a new snapshot makes a new Set.
type Set struct {
	byResource map[string]*[len(actions)]plan
	rest       [len(actions)]plan // for a resource that no policy names
	turns      chan struct{}      // how many evaluations run at a time, of all policies
	farTurns   chan struct{}      // and how many elsewhere
}

// plan is who is asked about one resource and action.
type plan struct {
	grant  *Compiled
	guards []*Compiled
	wants  wanted // what any of them reads of input
	// near and far: somebody who is asked is evaluated here, and elsewhere.
	near, far bool
}

// NewSet makes the Set of a tenant's own policies and of those that it inherits:
// the guards of the tenant default that bind all. Two grant policies that could be
// asked about the same request are a *Conflict.
func NewSet(own, inherited []*Compiled) (*Set, error) {
	for _, c := range inherited {
		if c.src.Role != RoleGuard || c.src.Binds != BindsAll {
			return nil, fmt.Errorf("policy %q cannot be inherited: only a guard with binds: all is", c.src.Name)
		}
	}
	all := make([]*Compiled, 0, len(inherited)+len(own))
	for _, c := range inherited {
		// What one tenant's requests do to a guard that binds all, the next does not notice.
		apart := *c
		apart.flight = newFlight()
		all = append(all, &apart)
	}
	all = append(all, own...)
	s := &Set{
		byResource: map[string]*[len(actions)]plan{}, turns: make(chan struct{}, slotsPerCore*runtime.GOMAXPROCS(0)),
		farTurns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/farShare)),
	}
	for _, c := range all {
		for _, r := range c.src.Resources {
			s.byResource[r] = &[len(actions)]plan{}
		}
	}
	for _, c := range all {
		if err := fill("", &s.rest, c); err != nil {
			return nil, err
		}
		for _, r := range sortedKeys(s.byResource) {
			if err := fill(r, s.byResource[r], c); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func fill(resource string, plans *[len(actions)]plan, c *Compiled) error {
	if c.src.Resources != nil && !slices.Contains(c.src.Resources, resource) {
		return nil
	}
	for i, action := range actions {
		if c.src.Actions != nil && !slices.Contains(c.src.Actions, string(action)) {
			continue
		}
		p := &plans[i]
		if p.grant == nil && p.guards == nil {
			p.wants = wanted{}
		}
		if c.Isolated() {
			p.far = true
		} else {
			p.near = true
		}
		p.wants = p.wants.and(c.wants)
		switch {
		case c.src.Role == RoleGuard:
			p.guards = append(p.guards, c)
		case p.grant != nil:
			return &Conflict{Resource: resource, Action: action, A: p.grant.Ref(), B: c.Ref()}
		default:
			p.grant = c
		}
	}
	return nil
}

// lookup finds who is asked; an unknown action finds nobody.
func (s *Set) lookup(resource string, action Action) plan {
	i := actionIndex(action)
	if s == nil || i < 0 {
		return plan{}
	}
	if plans, ok := s.byResource[resource]; ok {
		return plans[i]
	}
	return s.rest[i]
}

// Policies lists who would be asked about a resource and action: the grant first,
// if there is one, then the guards.
func (s *Set) Policies(resource string, action Action) []Ref {
	p := s.lookup(resource, action)
	var refs []Ref
	if p.grant != nil {
		refs = append(refs, p.grant.Ref())
	}
	for _, g := range p.guards {
		refs = append(refs, g.Ref())
	}
	return refs
}
