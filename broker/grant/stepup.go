package grant

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// Interactions are what people do in a browser for agents that have none; *interaction.Desk keeps them.
type Interactions interface {
	// Begin gives the id of a link at which the person can prove what is demanded; the same one for the same demand, soon.
	Begin(ctx context.Context, o interaction.Order) (id string, err error)
	// Proofs are what the person proved at such links, for this client and resource, and counts now.
	Proofs(ctx context.Context, t interaction.Triple) ([]session.Proof, error)
}

// stepUp holds a demand against what is known of the person's authentication (RFC 9470): what the client brought, else
// what the person proved in a browser for this very client and resource. The product compares, never a policy.
func (g *Grants) stepUp(ctx context.Context, c *call, demand policy.StepUp) error {
	if c.person == nil { // there is nobody who could sign in, so a challenge would lead nowhere
		return c.refuse(oauth.CodePolicyDenied, "step_up", "no person", "a person who signed in as policy asks")
	}
	if demand.Met(c.acr(), c.provedAt(), c.now) {
		return nil
	}
	if !g.interacts(c) {
		return c.challenge(demand, "")
	}
	triple := interaction.Triple{Tenant: c.Tenant.UID, UserUID: c.person.UID, ClientUID: c.judged().UID, ResourceUID: c.resource.UID}
	proofs, err := g.Interactions.Proofs(ctx, triple)
	if err != nil { // not known is not none: a challenge would send the person for what may be done already
		return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	for _, p := range proofs {
		if demand.Met(p.ACR, p.AuthTime, c.now) {
			c.stepped = &p
			c.passed("step_up", fmt.Sprintf("acr %q, proved by the person for this client and resource", p.ACR), "")
			return nil
		}
	}
	link, err := g.Interactions.Begin(ctx, interaction.Order{
		Triple: triple, Demand: demand, Resource: c.resource.Name, Trace: c.Trace, Remote: c.Remote,
		Client: audit.Principal{Kind: "client", ID: c.judged().UID, Name: c.judged().Name}, ClientID: c.judged().ClientID,
	})
	if err != nil {
		return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	return c.challenge(demand, c.Tenant.Issuer+"/interact/"+link)
}

// provedAt is when the person authenticated, by our clock. Who signed in here did so before now, if his IdP's clock, which was
// believed then, is ahead of ours.
func (c *call) provedAt() time.Time {
	at := c.authTime()
	if ahead := at.Sub(c.now); c.signedIn != nil && ahead > 0 && ahead <= federation.MaxClockSkew {
		return c.now
	}
	return at
}

// interacts tells whether a link can be given. At the authorization endpoint the person is there already; a caller who is
// not known gets none, so that strangers fill nothing; and where nobody can sign in, nobody could open it.
func (g *Grants) interacts(c *call) bool {
	return g.Interactions != nil && c.action != policy.ActionAuthorize && c.identified() &&
		c.client() != nil && c.resource != nil && len(c.Tenant.SignIn.IdPs) > 0
}

// challenge is RFC 9470's answer at the token endpoint: acr_values is a string of space-separated values, max_age a number.
// interaction_uri is where the person can meet the demand in a browser.
func (c *call) challenge(s policy.StepUp, link string) error {
	members := map[string]any{}
	if len(s.ACRValues) > 0 {
		members["acr_values"] = strings.Join(s.ACRValues, " ")
	}
	if s.MaxAge != nil {
		members["max_age"] = *s.MaxAge
	}
	received := fmt.Sprintf("acr %q, no auth_time", c.acr())
	if at := c.authTime(); !at.IsZero() {
		received = fmt.Sprintf("acr %q, authenticated %s ago", c.acr(), c.now.Sub(at))
	}
	expected, err := json.Marshal(members)
	if err != nil {
		return err
	}
	if link != "" { // for the client alone: whoever reads the record is not the person either
		members["interaction_uri"] = link
	}
	c.failed("step_up", received, string(expected))
	return &oauth.Error{Code: oauth.CodeStepUpRequired, Received: received, Expected: string(expected), Members: members}
}
