package grant

import (
	"context"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/policy"
)

// ConnectQuestion is a person who would connect an account at a provider.
type ConnectQuestion struct {
	Tenant   *snapshot.Tenant
	Trace    string
	Remote   string
	Session  session.Session
	Provider *snapshot.Provider
	Client   *client.Client // who asked for it; nil: the person came by himself
}

// MayConnect asks policy whether a person may connect an account (action connect), and records what it says. It is asked at
// the resources at which the provider is lent, one after the other, and one yes is enough: with the account connected,
// what may be lent at which of them is decided each time. A provider that is lent at no resource is connected by nobody.
//
// Where no policy at all speaks of connecting at one of them, the person may: a connection gives nobody anything by itself.
// Where a guard does and no grant, nobody may, for guards are asked together with a grant.
func (g *Grants) MayConnect(ctx context.Context, q ConnectQuestion) error {
	if g.People == nil {
		return errors.New("grant: nobody signs in here")
	}
	for range maxDecisions {
		err := g.mayConnect(ctx, q)
		if !errors.Is(err, ledger.ErrStale) {
			return err
		}
		if q.Tenant, err = g.Pictures.Refresh(ctx, q.Tenant); err != nil {
			return notKnown(err)
		}
		provider, ok := q.Tenant.ProviderByUID(q.Provider.UID)
		if !ok || provider.Disabled {
			return oauth.Refuse(oauth.CodeConnectProviderUnknown, q.Provider.Name, "a provider of the tenant, not disabled")
		}
		q.Provider = provider
	}
	return notKnown(ledger.ErrStale)
}

func (g *Grants) mayConnect(ctx context.Context, q ConnectQuestion) error {
	refused := error(oauth.Refuse(oauth.CodePolicyDenied, "a provider that is lent nowhere", "allow.resources of the Provider"))
	if q.Client != nil && !slices.Contains(q.Provider.Clients, q.Client.Name) {
		return oauth.Refuse(oauth.CodePolicyDenied, q.Client.Name, "a client of allow.clients of the Provider")
	}
	for _, name := range q.Provider.Resources {
		at := slices.IndexFunc(q.Tenant.ActiveResources(), func(r *snapshot.Resource) bool { return r.Name == name })
		if at < 0 {
			continue
		}
		c := newCall(Request{Tenant: q.Tenant, Trace: q.Trace, Remote: q.Remote}, g.Now())
		c.action, c.applicant = policy.ActionConnect, q.Client
		if c.applicant == nil {
			c.applicant = &client.Client{}
		}
		err := g.mayConnectAt(ctx, c, q, q.Tenant.ActiveResources()[at])
		if c.decision == nil && err != nil { // policy was not even asked: who he is would be the same elsewhere
			return g.recordConnect(ctx, c, q, err)
		}
		if stored := g.recordConnect(ctx, c, q, err); stored == nil || errors.Is(stored, ledger.ErrStale) {
			return stored
		} else if row := oauth.AsError(stored); oauth.Public(row.Code).Status >= 500 {
			return stored
		}
		refused = err
	}
	return refused
}

func (g *Grants) mayConnectAt(ctx context.Context, c *call, q ConnectQuestion, r *snapshot.Resource) error {
	if q.Session.Tenant != c.Tenant.UID {
		return c.refuse(oauth.CodeSessionEnded, "session", "another tenant's session", "a session")
	}
	if err := g.settleSignedIn(ctx, c, lasting{userUID: q.Session.UserUID, idpUID: q.Session.IdPUID, session: q.Session.Handle, proof: q.Session.Proof}, true); err != nil {
		return err
	}
	seen := *r // a decision names the provider's keys where it names scopes: they are known here
	seen.ScopeNames = slices.Concat(r.ScopeNames, q.Provider.Keys())
	c.resource = &seen
	in, err := c.input(scopes{requested: []string{}, available: q.Provider.Keys()})
	if err != nil {
		return err
	}
	in.Connection = &policy.Connection{Provider: q.Provider.Name}
	if q.Client == nil {
		in.Client = nil
	}
	decision := g.Policy.Decide(ctx, c.Tenant.Policies, in)
	if err := g.keep(c, in, decision); err != nil {
		return err
	}
	switch {
	case !decision.Allow && decision.Code == policy.CodeNone && len(c.Tenant.Policies.Policies(r.Name, policy.ActionConnect)) == 0: // nobody speaks of it
	case !decision.Allow:
		code := oauth.Code(decision.Code)
		if code == "" {
			code = oauth.CodePolicyDenied
		}
		return c.refuse(code, "policy", why(decision), "a decision that allows")
	case decision.StepUp != nil && !decision.StepUp.Met(q.Session.Proof.ACR, q.Session.Proof.AuthTime, c.now):
		return c.refuse(oauth.CodeStepUpRequired, "step_up", q.Session.Proof.ACR, "what the policy's step_up names")
	case decision.Approval != nil:
		return c.refuse(oauth.CodeApprovalUnavailable, "approval", "an approval is needed", "no approval")
	}
	c.passed("policy", r.Name, "")
	return nil
}

// recordConnect writes down what policy said. The answer is the refusal, or why it could not be written.
func (g *Grants) recordConnect(ctx context.Context, c *call, q ConnectQuestion, refused error) error {
	kind, outcome := audit.TypeConsidered, audit.Allowed
	var refusal *oauth.Error
	if refused != nil {
		refusal = oauth.AsError(refused)
		kind, outcome = audit.TypeConnectRefused, audit.Refused
	}
	event := c.event(kind, outcome)
	if refusal != nil {
		event.Code = string(refusal.Code)
	}
	event.Detail = map[string]string{"action": string(policy.ActionConnect), "provider": q.Provider.Name}
	return g.commitDecision(ctx, c, event, refusal)
}
