package grant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/policy"
)

// decide asks policy and keeps its input and result for the record, whatever the answer; then it does what the answer demands.
func (g *Grants) decide(ctx context.Context, c *call, s scopes) (policy.Decision, error) {
	decision, err := g.consult(ctx, c, s)
	if err != nil {
		return policy.Decision{}, err
	}
	if decision.StepUp != nil {
		if err := g.stepUp(ctx, c, *decision.StepUp); err != nil {
			return policy.Decision{}, err
		}
	}
	if len(decision.Scopes) == 0 {
		return policy.Decision{}, c.refuse(oauth.CodeScopeEmpty, "policy scopes", why(decision), strings.Join(s.requested, " "))
	}
	if decision.Approval != nil {
		if err := g.approve(ctx, c, &decision); err != nil {
			return policy.Decision{}, err
		}
	}
	c.passed("policy", strings.Join(decision.Scopes, " "), "")
	return decision, nil
}

// consult is what policy says: a decision that allows, whatever it demands beside, or the refusal.
func (g *Grants) consult(ctx context.Context, c *call, s scopes) (policy.Decision, error) {
	in, err := c.input(s)
	if err != nil {
		return policy.Decision{}, err
	}
	start := g.Now()
	within, step := trace.Begin(ctx, trace.StepPolicy)
	decision := g.Policy.Decide(within, c.Tenant.Policies, in)
	step.End(decision.Code)
	g.Observer.Decided(g.Now().Sub(start), decision.Code)
	if err := g.keep(c, in, decision); err != nil {
		return policy.Decision{}, err
	}
	if !decision.Allow {
		code := oauth.Code(decision.Code)
		if code == "" {
			code = oauth.CodePolicyDenied
		}
		return policy.Decision{}, c.refuse(code, "policy", why(decision), "a decision that allows")
	}
	return decision, nil
}

// keep puts the decision into the record, as it is written down: the hash is that of what is stored.
func (g *Grants) keep(c *call, in *policy.Input, d policy.Decision) error {
	input, result, err := g.Records.Record(c.Tenant.UID, c.Tenant.Policies, in, d)
	if err != nil {
		return err
	}
	refs := make([]audit.PolicyRef, 0, len(d.Policies))
	for _, p := range d.Policies {
		refs = append(refs, audit.PolicyRef{Name: p.Name, Revision: p.Revision, Role: string(p.Role), UID: p.UID, Hash: p.Hash})
	}
	c.decision = &ledger.Decision{
		ID: id.New(id.Decision, c.now), At: c.now, Tenant: c.Tenant.UID, Trace: c.Trace, Action: string(in.Action), Allow: d.Allow, Code: d.Code,
		Policies: refs, InputHash: sha256.Sum256(input), Input: input, Result: result,
	}
	c.inputHash = hex.EncodeToString(c.decision.InputHash[:])
	if g.Shadow != nil {
		g.Shadow.See(c.Tenant, in, d, c.Trace)
	}
	return nil
}

// why joins what policy said into a line for the story.
func why(d policy.Decision) string {
	parts := slices.Clone(d.Deny)
	for _, r := range d.Reasons {
		parts = append(parts, strings.TrimSuffix(r.Code+": "+r.Detail, ": "))
	}
	return strings.Join(parts, "; ")
}
