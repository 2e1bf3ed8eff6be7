package grant

import (
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// Kinds of actors that are known here; an IdP may know others of its agents.
const (
	actorWorkload = "workload"
	actorClient   = "client"
)

// input is what policy sees: never a token, a secret or the assertion itself. What is absent is absent.
func (c *call) input(s scopes) (*policy.Input, error) {
	groups, err := c.groups()
	if err != nil {
		return nil, err
	}
	c.groupsOfUser = groups
	caller := c.client()
	in := &policy.Input{
		Action:    c.action,
		Tenant:    policy.Tenant{ID: c.Tenant.UID.String(), Plan: c.Tenant.Plan},
		GrantType: c.Form.Get("grant_type"),
		User:      c.inputUser(groups),
		Actor:     c.inputActor(),
		Client: &policy.Client{
			ID: caller.ClientID, Name: caller.Name, Type: string(caller.Type), AuthMethod: string(c.authentication.Method()), DPoP: !c.proof.IsZero(),
			Plan: caller.Plan, Environment: caller.Environment, Scopes: caller.Scopes,
		},
		Resource:  &policy.Resource{Name: c.resource.Name, URI: c.resource.URI, Scopes: c.resource.ScopeNames, Risk: c.resource.Risk},
		Requested: &policy.Requested{Scopes: s.requested},
		Available: s.available,
		Network:   &policy.Network{IP: c.Remote},
		Time:      policy.At(c.now, c.Tenant.TimeZone),
		Implies:   c.resource.Implies,
	}
	if c.workload != nil {
		in.Workload = &policy.Workload{Name: c.workload.Name, Sub: c.assertion.Subject()}
	}
	if c.said != nil {
		c.inputStatement(in, s)
	}
	if c.lending != nil {
		c.inputLending(in)
	}
	if c.question != nil {
		c.inputQuestion(in)
	}
	return in, nil
}

// inputStatement adds what the IdP said, and who it is. A person who signed in here brings no assertion: of him there is
// how he authenticated, and nothing asserts scopes.
func (c *call) inputStatement(in *policy.Input, s scopes) {
	v := c.said
	in.Issuer = &policy.Issuer{ID: v.issuer, Name: v.provider.Name, Preset: v.provider.Preset}
	in.Assertion = &policy.Assertion{
		Profile: v.profile, Type: v.typ, IssuedAt: seconds(v.issuedAt), ExpiresAt: seconds(v.expiresAt), AuthTime: seconds(c.authTime()),
		ACR: c.acr(), AMR: c.amr(), Claims: v.claims,
	}
	if c.signedIn == nil {
		in.Asserted = &policy.Asserted{Scopes: s.asserted}
	}
	if v.agent != nil && v.agent.SubjectKind != "" {
		in.Subject = &policy.Subject{Kind: v.agent.SubjectKind}
	}
}

// seconds is a time as policy sees it: 0, which is left out, where there is none.
func seconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}

func (c *call) inputUser(groups groups) *policy.User {
	if c.person == nil || c.said == nil {
		return nil
	}
	user := c.person
	return &policy.User{
		ID: user.UID, Sub: c.said.subject, Email: user.Email, Kind: user.Kind, Guest: user.Guest || c.said.guest, HomeTenant: user.HomeTenant,
		Groups: groups.values, GroupNames: groups.names, GroupsState: groups.state, GroupsSource: groups.source,
		Roles: user.Roles, Attributes: user.Attributes, Status: user.Status,
	}
}

// inputActor is who acts: the chain that an assertion names, an agent that its IdP knows, or, where nobody is behind the
// request, the program itself. Nobody is named where a client acts for a person and the IdP says no more.
func (c *call) inputActor() *policy.Actor {
	actor := &policy.Actor{}
	if c.said != nil {
		actor.Chain = chain(c.said.actor)
		actor.Depth = len(actor.Chain)
		if agent := c.said.agent; agent != nil {
			actor.Kind, actor.Facets, actor.ParentApp = agent.Kind, agent.Facets, agent.ParentApp
		}
	}
	switch {
	case c.workload != nil:
		actor.Kind = actorWorkload
	case c.person == nil:
		actor.Kind = actorClient
	case actor.Kind == "" && actor.Chain == nil:
		return nil
	}
	return actor
}

// chain lists a chain of delegation, outermost first; nil where there is none.
func chain(act map[string]any) []policy.ActorLink {
	var links []policy.ActorLink
	for act != nil {
		var link policy.ActorLink
		link.Sub, _ = act["sub"].(string)
		link.Issuer, _ = act["iss"].(string)
		link.ClientID, _ = act["client_id"].(string)
		links = append(links, link)
		act, _ = act["act"].(map[string]any)
	}
	return links
}
