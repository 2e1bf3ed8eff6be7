package grant

import (
	"context"
	"strings"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/trace"
)

// authorizationCode turns a code into tokens (RFC 6749 §4.1.3, OAuth 2.1 §4.1.3).
func (g *Grants) authorizationCode(ctx context.Context, c *call) (granted, error) {
	// 1. The client lists the grant, and shows its key if it must.
	if err := c.clientMayUseGrant(); err != nil {
		return granted{}, err
	}

	// 2. The code is one of ours, in time, this client's, and shown with all that it is bound to.
	redeemable, err := g.openCode(ctx, c)
	if err != nil {
		return granted{}, err
	}

	// 3. It still stands for something. A code that was used before ends what came of it, whatever else is wrong now.
	result, err := g.redeem(ctx, c, redeemable)
	if err != nil {
		return granted{}, g.unlessUsed(ctx, c, redeemable, err)
	}

	// 4. The code is redeemed with it, once. A second use ends what came of the first.
	result.redemptions = append(result.redemptions, redeemable.Redemption())
	return result, nil
}

// unlessUsed refuses a code, and is a second use's end if it was one: a refusal redeems nothing, and so the ledger would not
// tell (RFC 6749 §4.1.2, T35).
func (g *Grants) unlessUsed(ctx context.Context, c *call, r code.Redeemable, refused error) error {
	if g.Uses == nil {
		return refused
	}
	used, err := g.Uses.Redeemed(ctx, r.Redemption())
	if err != nil {
		return notKnown(err)
	}
	if !used {
		return refused
	}
	c.ending = &ledger.Ending{Origin: r.ID(), Why: ledger.EndedByReuse}
	return c.refuse(oauth.CodeCodeUsed, "once", "used before", "used once")
}

// redeem gives what a code stands for, if it still does.
func (g *Grants) redeem(ctx context.Context, c *call, redeemable code.Redeemable) (granted, error) {
	given := redeemable.Grant()
	// 1. Where it was sent is the client's still: who lost the redirect URI may have lost it to somebody.
	if !authorization.Registered(given.RedirectURI, c.client().RedirectURIs) {
		return granted{}, c.refuse(oauth.CodeCodeRedirectRemoved, "redirect_uri", given.RedirectURI, strings.Join(c.client().RedirectURIs, " "))
	}

	// 2. Nobody has taken back since what it stands for. Who does so in this moment raises the tenant's version, on which
	// what follows is decided.
	taken, err := g.People.Families.TakenBack(ctx, c.Tenant.UID, refresh.Given{
		UserUID: given.UserUID, ClientUID: given.ClientUID, IdPUID: given.IdPUID, Version: given.Version,
	})
	if err != nil {
		return granted{}, notKnown(err)
	}
	if taken {
		return granted{}, c.refuse(oauth.CodeCodeRevoked, "code", "taken back since", "a code that counts")
	}

	// 3. What it stands for, as it is now.
	return g.exchange(ctx, c, given, redeemable.ID())
}

func (g *Grants) openCode(ctx context.Context, c *call) (code.Redeemable, error) {
	_, step := trace.Begin(ctx, trace.StepCode)
	redeemable, err := g.People.Codes.Open(code.Presented{
		Tenant: c.Tenant.UID, Code: c.Form.Get("code"), ClientUID: c.client().UID, RedirectURI: c.Form.Get("redirect_uri"),
		Verifier: c.Form.Get("code_verifier"), Thumbprint: c.proof.Thumbprint(),
	})
	step.End(codeOf(err))
	if err != nil {
		refusal := oauth.AsError(err)
		c.failed("code", refusal.Received, refusal.Expected)
		return code.Redeemable{}, err
	}
	c.holds, c.whose = true, redeemable.Grant().UserUID // the code was sent to it, and it has the verifier
	c.passed("code", redeemable.ID(), "")
	return redeemable, nil
}

// exchange gives what a person let a client have for one resource, and the beginning of refresh tokens where the client may
// use them. Everything that may have changed since is looked at again. origin is what can end all that comes of it.
func (g *Grants) exchange(ctx context.Context, c *call, given code.Grant, origin string) (granted, error) {
	if g.People == nil {
		return granted{}, oauth.Refuse(oauth.CodeGrantTypeUnsupported, c.Form.Get("grant_type"), "a grant that is served")
	}
	// 1. The person, in the session in which he let the client have it.
	if err := g.settleSignedIn(ctx, c, lastingIn(given), true); err != nil {
		return granted{}, err
	}

	// 2. One of the resources that he let it have.
	resources := make([]ledger.FamilyResource, len(given.Resources))
	for i, r := range given.Resources {
		resources[i] = ledger.FamilyResource{UID: r.UID, URI: r.URI, Scopes: r.Scopes}
	}
	c.limits = limitsOf(c.client())
	scopes, err := c.settleGranted(resources)
	if err != nil {
		return granted{}, err
	}

	// 3. The scopes that he let it have there, as far as client and resource still do. What scope the request names is not
	// asked: the authorization request did (RFC 6749 §4.1.3).
	left, err := c.scopesWithin(scopes, append(ceilings{scopes}, c.limits.scopes...))
	if err != nil {
		return granted{}, err
	}

	// 4. Policy.
	decision, err := g.decide(ctx, c, left)
	if err != nil {
		return granted{}, err
	}

	// 5. The tokens.
	result, err := g.mint(ctx, c, decision)
	if err != nil {
		return granted{}, err
	}
	result.token.Origin = origin
	if result.response.IDToken, err = g.idToken(ctx, c, *c.signedIn, given.Nonce, result.response.AccessToken); err != nil {
		return granted{}, err
	}
	if !mayRefresh(c.client()) {
		return result, nil
	}
	return g.begin(c, given, resources, origin, result)
}

// begin gives the first refresh token of a family.
func (g *Grants) begin(c *call, given code.Grant, resources []ledger.FamilyResource, origin string, result granted) (granted, error) {
	family := &ledger.Family{
		ID: id.New(id.Family, c.now), Tenant: c.Tenant.UID, Origin: origin, UserUID: given.UserUID, ClientUID: c.client().UID,
		IdPUID: given.IdPUID, Issuer: c.idp.Issuer, Session: given.Session, Offline: given.Offline, Resources: resources, Identity: given.Identity,
		ACR: given.ACR, AMR: given.AMR, AuthTime: given.AuthTime, Thumbprint: c.keyOf(),
		Idle: g.People.Limits.Idle, Absolute: g.People.Limits.Absolute,
	}
	token, err := g.People.Tokens.Issue(c.Tenant.UID, family.ID, 1)
	if err != nil {
		return granted{}, notKnown(err)
	}
	c.family, result.family, result.response.RefreshToken = family.ID, family, token.Reveal()
	if given.Offline {
		result.response.Scope += " " + authorization.ScopeOffline
	}
	return result, nil
}
