package grant

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/vault/connection"
)

// profileToken is what policy's input calls an access token of ours that is presented.
const profileToken = "access-token"

// settleSubjectToken verifies the token that is presented, and puts the call on whom it is for, as he is now.
func (g *Grants) settleSubjectToken(ctx context.Context, c *call) error {
	compact := c.Form.Get("subject_token")
	presented, err := g.Vending.Subjects.Present(ctx, c.Tenant, compact)
	if errors.Is(err, introspect.ErrInactive) {
		return c.refuse(oauth.CodeSubjectTokenInvalid, "subject_token", "no access token of ours that is active", "one")
	}
	if err != nil {
		return err
	}
	claims := presented.Token.Claims()
	// RFC 9449 §7.1: one that is bound to a key is no bearer token, here neither (T42).
	if claims.Thumbprint != "" && claims.Thumbprint != c.proof.Thumbprint() {
		return c.refuse(oauth.CodeSubjectTokenBound, "subject_token key", c.proof.Thumbprint(), claims.Thumbprint)
	}
	// §4.2: ath belongs to a token that comes along. At this endpoint few libraries send it; what is sent has to hold.
	if ath := c.proof.Token(); ath != "" && ath != dpop.Hash(compact) {
		return c.refuse(oauth.CodeSubjectTokenBound, "ath", ath, dpop.Hash(compact))
	}
	c.lending = &lending{presented: presented, owner: connection.Owner{Kind: connection.Client, UID: presented.Holder.UID}}
	c.resource, c.subject, c.idp = presented.Resource, claims.Subject, presented.IdP
	c.passed("subject_token", claims.ID, "")
	if presented.Person == nil {
		return nil
	}
	if presented.IdP == nil { // nobody vouches for him, and policy would not see him
		return c.refuse(oauth.CodeSubjectTokenInvalid, "subject_token", "a person of no IdP", "a person of an IdP")
	}
	c.lending.owner = connection.Owner{Kind: connection.User, UID: presented.Person.UID}
	return g.settlePresented(ctx, c, presented)
}

// settlePresented is what is known of the token's person: as at a refresh, what his IdP said last, and how he authenticated
// when the token was made.
func (g *Grants) settlePresented(ctx context.Context, c *call, presented introspect.Presented) error {
	var said session.Profile
	if g.People != nil {
		var err error
		if said, _, err = g.People.Sessions.Profile(ctx, c.Tenant, presented.Person.UID, presented.IdP.UID); err != nil {
			return notKnown(err)
		}
	}
	claims := presented.Token.Claims()
	c.person = presented.Person
	c.said = &statement{
		provider: presented.IdP, issuer: presented.IdP.Issuer, profile: profileToken, typ: "at+jwt", subject: said.Subject, guest: said.Guest,
		issuedAt: claims.IssuedAt, expiresAt: claims.ExpiresAt, groups: groupsOf(said),
		proof: session.Proof{ACR: claims.ACR, AMR: claims.AMR, AuthTime: claims.AuthTime},
	}
	if c.said.groups.State == assertion.GroupsAbsent {
		c.said.inToken = groupsInToken(presented)
	}
	if act, ok := presented.Token.Value("act"); ok {
		c.said.actor, _ = act.(map[string]any)
	}
	if (presented.Person.Guest || said.Guest) && !presented.IdP.Subject.AllowGuests {
		return c.refuse(oauth.CodeGuestDenied, "guest", "a guest", "guests: allow in the IdP's entry")
	}
	return nil
}

// groupsInToken are the groups that we wrote into the token, where its resource asks for them; nil: none were written. They
// are names already, after the entry's aliases.
func groupsInToken(p introspect.Presented) []string {
	value, ok := p.Token.Value("groups")
	list, isList := value.([]any)
	if !ok || !isList || !slices.Contains(p.IdP.Claims.GroupsFrom, federation.GroupsFromClaim) {
		return nil
	}
	names := make([]string, 0, len(list))
	for _, one := range list {
		name, text := one.(string)
		if !text {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// inputLending is what policy sees beside: the client to which the token was issued is the one that it judges, and a server
// that passes the token on is who acts. What scopes are here, the provider's entry says.
func (c *call) inputLending(in *policy.Input) {
	l := c.lending
	holder, caller, keys := l.presented.Holder, c.client(), l.provider.Keys()
	in.Client = &policy.Client{
		ID: holder.ClientID, Name: holder.Name, Type: string(holder.Type), DPoP: l.presented.Token.Claims().Thumbprint != "",
		Plan: holder.Plan, Environment: holder.Environment, Scopes: holder.Scopes,
	}
	if caller.UID == holder.UID {
		in.Client.AuthMethod = string(c.authentication.Method())
	} else {
		if in.Actor == nil {
			in.Actor = &policy.Actor{}
		}
		link := policy.ActorLink{Sub: caller.ClientID, ClientID: caller.ClientID, Issuer: c.Tenant.Issuer}
		in.Actor.Chain = append([]policy.ActorLink{link}, in.Actor.Chain...)
		in.Actor.Depth = len(in.Actor.Chain)
	}
	in.Resource = &policy.Resource{Name: c.resource.Name, URI: c.resource.URI, Scopes: keys}
	in.Implies = nil
	in.Asserted = &policy.Asserted{Scopes: strings.Fields(l.presented.Token.Claims().Scope)}
	in.Connection = &policy.Connection{Provider: l.provider.Name, Narrowing: narrowingNone}
	if downstream.Narrows(l.provider) {
		in.Connection.Narrowing = narrowingNative
	}
	if l.chosen != nil {
		in.Connection.Account, in.Connection.Scopes = l.chosen.Account.Label, l.covered
		if in.Connection.Account == "" {
			in.Connection.Account = l.chosen.Account.ID
		}
	}
}

// What policy is told of whether a provider can lend less than was connected.
const (
	narrowingNative = "native"
	narrowingNone   = "none"
)

// challenges are refusals that say what a person does next, so that they read as no end.
func challenges(code oauth.Code) bool {
	switch code {
	case oauth.CodeStepUpRequired, oauth.CodeApprovalRequired, oauth.CodeConnectionRequired, oauth.CodeReauthorizationRequired, oauth.CodeInsufficientProviderScope:
		return true
	default:
		return false
	}
}

// outcomeOf is how a refusal reads in the log.
func outcomeOf(code oauth.Code) audit.Outcome {
	if challenges(code) {
		return audit.Challenged
	}
	return audit.Refused
}
