package grant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/policy"
)

// decide asks policy and keeps its input and result for the record, whatever the answer.
func (g *Grants) decide(ctx context.Context, c *call, s scopes) (policy.Decision, error) {
	in, err := c.input(s)
	if err != nil {
		return policy.Decision{}, err
	}
	start := g.Now()
	decision := g.Policy.Decide(ctx, c.Tenant.Policies, in)
	g.Observer.Decided(g.Now().Sub(start), decision.Code)
	if err := c.keep(in, decision); err != nil {
		return policy.Decision{}, err
	}
	if !decision.Allow {
		code := oauth.Code(decision.Code)
		if code == "" {
			code = oauth.CodePolicyDenied
		}
		return policy.Decision{}, c.refuse(code, "policy", why(decision), "a decision that allows")
	}
	if decision.StepUp != nil && !decision.StepUp.Met(c.assertion.ACR(), c.authTime(), c.now) {
		return policy.Decision{}, c.challenge(*decision.StepUp)
	}
	if decision.Approval != nil { // no workflow is served: deny
		return policy.Decision{}, c.refuse(oauth.CodeApprovalUnavailable, "approval", "an approval is needed", "no approval")
	}
	if len(decision.Scopes) == 0 {
		return policy.Decision{}, c.refuse(oauth.CodeScopeEmpty, "policy scopes", why(decision), strings.Join(s.requested, " "))
	}
	c.passed("policy", strings.Join(decision.Scopes, " "), "")
	return decision, nil
}

// challenge is RFC 9470's answer at the token endpoint: acr_values is a string of space-separated values, max_age a number.
func (c *call) challenge(s policy.StepUp) error {
	members := map[string]any{}
	if len(s.ACRValues) > 0 {
		members["acr_values"] = strings.Join(s.ACRValues, " ")
	}
	if s.MaxAge != nil {
		members["max_age"] = *s.MaxAge
	}
	received := fmt.Sprintf("acr %q, no auth_time", c.assertion.ACR())
	if at := c.authTime(); !at.IsZero() {
		received = fmt.Sprintf("acr %q, authenticated %s ago", c.assertion.ACR(), c.now.Sub(at))
	}
	expected, err := json.Marshal(members)
	if err != nil {
		return err
	}
	c.failed("step_up", received, string(expected))
	return &oauth.Error{Code: oauth.CodeStepUpRequired, Received: received, Expected: string(expected), Members: members}
}

// input is what policy sees: never a token, a secret or the assertion itself. What is absent is absent.
func (c *call) input(s scopes) (*policy.Input, error) {
	v, caller, user := c.assertion, c.client(), c.account
	groups, err := c.groups()
	if err != nil {
		return nil, err
	}
	c.groupsOfUser = groups
	in := &policy.Input{
		Action:    policy.ActionIssue,
		Tenant:    policy.Tenant{ID: c.Tenant.UID.String(), Plan: c.Tenant.Plan},
		GrantType: c.Form.Get("grant_type"),
		Issuer:    &policy.Issuer{ID: v.Issuer(), Name: v.Provider().Name, Preset: v.Provider().Preset},
		Assertion: &policy.Assertion{
			Profile: string(v.Profile()), Type: v.Type(), IssuedAt: v.IssuedAt().Unix(), ExpiresAt: v.ExpiresAt().Unix(),
			ACR: v.ACR(), AMR: v.AMR(), Claims: v.Private(),
		},
		User: &policy.User{
			ID: user.UID, Sub: v.Identifiers().Subject, Email: user.Email, Kind: user.Kind, Guest: user.Guest, HomeTenant: user.HomeTenant,
			Groups: groups.values, GroupNames: groups.names, GroupsState: groups.state, GroupsSource: groups.source,
			Roles: user.Roles, Attributes: user.Attributes, Status: user.Status,
		},
		Actor: actor(v.Actor()),
		Client: &policy.Client{
			ID: caller.ClientID, Name: caller.Name, Type: string(caller.Type), AuthMethod: string(c.authentication.Method()), DPoP: !c.proof.IsZero(),
			Plan: caller.Plan, Environment: caller.Environment, Scopes: caller.Scopes,
		},
		Resource:  &policy.Resource{Name: c.resource.Name, URI: c.resource.URI, Scopes: c.resource.ScopeNames, Risk: c.resource.Risk},
		Requested: &policy.Requested{Scopes: s.requested},
		Asserted:  &policy.Asserted{Scopes: s.asserted},
		Available: s.available,
		Network:   &policy.Network{IP: c.Remote},
		Time:      policy.At(c.now, c.Tenant.TimeZone),
		Implies:   c.resource.Implies,
	}
	if at, known := v.AuthTime(); known {
		in.Assertion.AuthTime = at.Unix()
	}
	return in, nil
}

// keep puts the decision into the record.
func (c *call) keep(in *policy.Input, d policy.Decision) error {
	input, err := in.JSON()
	if err != nil {
		return err
	}
	result, err := json.Marshal(d)
	if err != nil {
		return err
	}
	refs := make([]audit.PolicyRef, 0, len(d.Policies))
	for _, p := range d.Policies {
		refs = append(refs, audit.PolicyRef{Name: p.Name, Revision: p.Revision, Role: string(p.Role), UID: p.UID})
	}
	c.decision = &ledger.Decision{
		ID: newDecisionID(c), At: c.now, Tenant: c.Tenant.UID, Trace: c.Trace, Action: string(in.Action), Allow: d.Allow, Code: d.Code,
		Policies: refs, InputHash: sha256.Sum256(input), Input: input, Result: result,
	}
	c.inputHash = hex.EncodeToString(c.decision.InputHash[:])
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

// authTime is when the person signed in, zero where the IdP does not say.
func (c *call) authTime() time.Time {
	at, known := c.assertion.AuthTime()
	if !known {
		return time.Time{}
	}
	return at
}

// actor lists a chain of delegation, outermost first.
func actor(act map[string]any) *policy.Actor {
	if act == nil {
		return nil
	}
	a := &policy.Actor{}
	for act != nil {
		var link policy.ActorLink
		link.Sub, _ = act["sub"].(string)
		link.Issuer, _ = act["iss"].(string)
		link.ClientID, _ = act["client_id"].(string)
		a.Chain = append(a.Chain, link)
		act, _ = act["act"].(map[string]any)
	}
	a.Depth = len(a.Chain)
	return a
}

// groups are a user's groups and how far they are known.
type groups struct {
	values, names []string
	state         policy.GroupsState
	source        string
}

// groups takes the first of the entry's sources that says something: the assertion's claim, or the user's own record. An
// overage is something said: "too many to list" denies before policy is asked, and never reads as "none".
func (c *call) groups() (groups, error) {
	rules, claim := c.assertion.Provider().Claims, c.assertion.Groups()
	for _, from := range rules.GroupsFrom {
		switch {
		case from == federation.GroupsFromClaim && claim.State == assertion.GroupsOverage:
			return groups{}, c.refuse(oauth.CodeGroupsOverage, "groups", "more groups than the IdP lists", "groups in the claim, or in the directory")
		case from == federation.GroupsFromClaim && claim.State == assertion.GroupsComplete:
			return named(claim.Values, rules.GroupAliases, "claim"), nil
		case from == federation.GroupsFromDirectory && c.account.GroupsComplete:
			return named(c.account.Groups, rules.GroupAliases, "directory"), nil
		}
	}
	return groups{state: policy.GroupsAbsent}, nil
}

func named(values []string, aliases map[string]string, source string) groups {
	g := groups{values: make([]string, 0, len(values)), names: make([]string, 0, len(values)), state: policy.GroupsComplete, source: source}
	for _, v := range values {
		g.values = append(g.values, v)
		if alias, ok := aliases[v]; ok {
			v = alias
		}
		g.names = append(g.names, v)
	}
	return g
}
