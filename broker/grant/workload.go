package grant

import (
	"context"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
)

// settleWorkload finds the one rule that the token fits and the client that it leads to (SEP-1933: trust in the issuer
// and what its workloads may do are apart). Until then nobody is known: anybody can have a token of a public platform.
func (g *Grants) settleWorkload(ctx context.Context, c *call) error {
	rule, err := c.matchWorkload()
	if err != nil {
		return err
	}

	// The client of the rule. Who authenticated beside it is that client, or the token is somebody else's.
	if named := c.client(); named != nil && named.Name != rule.ClientName {
		return c.refuse(oauth.CodeClientIDMismatch, "client", named.Name, rule.ClientName)
	}
	if !c.authentication.Proved() {
		if err := g.unused(ctx, c, rule); err != nil {
			return err
		}
		byRule, err := g.Clients.ByRule(ctx, c.Tenant.UID, rule.ClientName, c.spent)
		if err != nil {
			refusal := oauth.AsError(err)
			c.failed("client", refusal.Received, refusal.Expected)
			return err
		}
		c.authentication = byRule
		c.introduce()
	}
	c.workload = rule

	// Its rights: the grant, its key, and that it may come with this issuer's tokens at all.
	if err := c.clientMayRedeem(); err != nil {
		return err
	}
	if _, names := namesOf(c.client()); !c.idp.ListsClient(names) {
		return c.refuse(oauth.CodeIssuerClientNotAllowed, "client", c.client().Name, "a client of the entry "+c.idp.Name)
	}
	return nil
}

// unused looks whether the token was redeemed before, which settles nothing: the commit does. But who holds a used one has
// proved nothing, since it was seen by others, and must neither spend the client's budget nor fill its record: the refusal
// comes while nobody is known.
func (g *Grants) unused(ctx context.Context, c *call, rule *federation.Workload) error {
	redemption, once := c.redemptionOf(rule)
	if g.Uses == nil || !once {
		return nil
	}
	used, err := g.Uses.Redeemed(ctx, redemption)
	if err != nil {
		return &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	if used {
		return c.refuse(oauth.CodeJTIReplayed, "once", "used before", "used once")
	}
	return nil
}

// matchWorkload refuses a token that fits no rule, and one that fits several: which of them was meant must not depend on
// their order.
func (c *call) matchWorkload() (*federation.Workload, error) {
	v := c.assertion
	matching := federation.MatchWorkloads(c.Tenant.Workloads[v.Provider().UID], v.Provider().UID, v.Claim)
	if len(matching) == 1 {
		c.passed("workload", v.Subject(), matching[0].Name)
		return &matching[0], nil
	}
	if len(matching) == 0 {
		return nil, c.refuse(oauth.CodeWorkloadUnmatched, "workload", v.Subject(), "the claims of a Workload of "+v.Provider().Name)
	}
	names := make([]string, len(matching))
	for i, rule := range matching {
		names[i] = rule.Name
	}
	return nil, c.refuse(oauth.CodeWorkloadAmbiguous, "workload", strings.Join(names, " "), "one Workload")
}
