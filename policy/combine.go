package policy

import (
	"fmt"
	"maps"
	"slices"
)

// combination puts the results of one decision together: the grant's, which comes
// first, then those of the guards, each of which can only take away.
type combination struct {
	in     *Input
	d      Decision
	code   string   // why it denies, the first reason found
	named  []string // scopes that the policies left
	demand *StepUp
}

func (m *combination) deny(code string) {
	if m.code == "" {
		m.code = code
	}
}

func (m *combination) reason(c *Compiled, code, detail string) {
	m.d.Reasons = append(m.d.Reasons, Reason{Code: code, Detail: detail, Policy: c.src.Name})
}

// fail records a policy that gave no answer.
func (m *combination) fail(c *Compiled, code, detail string) {
	m.deny(code)
	m.reason(c, code, detail)
}

// known refuses scopes that the resource does not have.
func (m *combination) known(r *result) error {
	for _, s := range r.scopes {
		if m.in.Resource == nil || !slices.Contains(m.in.Resource.Scopes, s) {
			return fmt.Errorf("scopes names %q, which the resource does not have", clip(s, maxCode))
		}
	}
	return nil
}

// add combines one more result.
func (m *combination) add(c *Compiled, r *result) {
	for _, reason := range r.reasons {
		m.reason(c, reason.Code, reason.Detail)
	}
	m.d.Deny = append(m.d.Deny, r.deny...)
	if !r.allow || len(r.deny) > 0 {
		m.deny(CodeDenied)
	}
	m.scopes(c, r)
	m.stepUp(c, r.stepUp)
	if r.approval != nil {
		if m.d.Approval == nil {
			m.d.Approval = &Approval{}
		}
		need := *r.approval
		need.Policy = c.src.Name
		m.d.Approval.Needs = append(m.d.Approval.Needs, need)
	}
	if r.lifetime > 0 && (m.d.Lifetime == 0 || r.lifetime < m.d.Lifetime) {
		m.d.Lifetime = r.lifetime
	}
	if c.src.Role == RoleGrant {
		m.d.Claims = maps.Clone(r.claims)
	}
}

// scopes intersects: a grant that names none grants none, a guard that names none
// takes none away. What a policy names above the ceilings is cut, and said so.
func (m *combination) scopes(c *Compiled, r *result) {
	if c.src.Role == RoleGuard && !r.hasScopes {
		return
	}
	for _, s := range r.scopes {
		if c.src.Role == RoleGrant && !slices.Contains(m.in.Available, s) && !slices.Contains(m.d.Narrowed, s) {
			m.d.Narrowed = append(m.d.Narrowed, s)
		}
	}
	allowed := m.expand(r.scopes)
	if c.src.Role == RoleGrant {
		m.named = allowed
		return
	}
	m.named = intersect(m.named, allowed)
}

// expand adds what the scopes imply.
func (m *combination) expand(scopes []string) []string {
	all := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
		for _, implied := range m.in.Implies[s] {
			if !slices.Contains(all, implied) {
				all = append(all, implied)
			}
		}
	}
	return all
}

func (m *combination) stepUp(c *Compiled, s *StepUp) {
	switch {
	case s == nil:
	case m.demand == nil:
		m.demand = s
	default:
		both, ok := m.demand.stricter(*s)
		if !ok {
			m.deny(CodeDenied)
			m.reason(c, ReasonStepUpImpossible, "no acr value satisfies every policy that demands one")
		}
		m.demand = &both
	}
}

// decision is the outcome. A denial carries nothing that could be mistaken for a grant.
func (m *combination) decision(approvals bool) Decision {
	d := m.d
	if d.Approval != nil && !approvals {
		m.deny(CodeDenied)
		d.Reasons = append(d.Reasons, Reason{Code: ReasonApprovalUnavailable, Detail: "a policy demands an approval, and no approval workflow is served"})
	}
	if m.code != "" {
		return Decision{Code: m.code, Deny: d.Deny, Reasons: d.Reasons, Policies: d.Policies}
	}
	d.Allow = true
	d.StepUp = m.demand
	if m.in.Requested != nil {
		for _, s := range m.in.Requested.Scopes {
			if slices.Contains(m.named, s) && slices.Contains(m.in.Available, s) && !slices.Contains(d.Scopes, s) {
				d.Scopes = append(d.Scopes, s)
			}
		}
	}
	for _, s := range d.Narrowed {
		d.Reasons = append(d.Reasons, Reason{Code: ReasonScopeNarrowed, Detail: clip(s, maxCode) + " is above what client, resource, identity provider or assertion allow"})
	}
	return d
}
