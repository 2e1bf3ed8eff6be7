package grant

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/policy"
)

// refreshToken turns a refresh token into the next one and an access token (RFC 6749 §6, OAuth 2.1 §4.3). Policy is asked
// again, with the person's groups and status of now; how and when he authenticated stays what it was (RFC 9068 §2.2.1).
func (g *Grants) refreshToken(ctx context.Context, c *call) (granted, error) {
	c.action = policy.ActionRefresh
	// 1. The client lists the grant, and shows its key if it must.
	if err := c.clientMayUseGrant(); err != nil {
		return granted{}, err
	}

	// 2. The token is one of ours, and its family this client's, bound to this key.
	presented, family, err := g.familyOf(ctx, c)
	if err != nil {
		return granted{}, err
	}

	// 3. It is the newest of a family that is alive, or was a moment ago.
	standing, err := g.settleStanding(c, presented, family)
	if err != nil {
		return granted{}, err
	}

	// 4. The person, as he is now; his session, unless he let the client have access beyond it.
	if err := g.settleSignedIn(ctx, c, lastingOf(family), false); err != nil {
		return granted{}, err
	}

	// 5. One of the family's resources, and of its scopes there no more than were granted. The family keeps its own.
	c.limits = limitsOf(c.client())
	scopes, err := c.settleGranted(family.Resources)
	if err != nil {
		return granted{}, err
	}
	requested, err := c.narrowed(scopes, family)
	if err != nil {
		return granted{}, err
	}
	left, err := c.scopesWithin(requested, append(ceilings{scopes}, c.limits.scopes...))
	if err != nil {
		return granted{}, err
	}

	// 6. Policy. A refusal uses nothing up: the same token may come again.
	decision, err := g.decide(ctx, c, left)
	if err != nil {
		return granted{}, err
	}

	// 7. The tokens.
	result, err := g.mint(ctx, c, decision)
	if err != nil {
		return granted{}, err
	}
	result.token.Origin = family.Origin
	if result.response.IDToken, err = g.idToken(ctx, c, *c.signedIn, "", result.response.AccessToken); err != nil {
		return granted{}, err
	}
	if family.Offline {
		result.response.Scope += " " + authorization.ScopeOffline
	}

	// 8. The family moves with it, or has moved and stands still.
	return g.rotate(c, family, standing, result)
}

// rotate gives the successor: the next one, or the one that there is (T41: the same, so that a lost answer does no harm,
// and two who hold a token cannot both go on).
func (g *Grants) rotate(c *call, family refresh.Family, standing refresh.Standing, result granted) (granted, error) {
	next := family.Generation
	result.rotation = &ledger.Rotation{Family: family.ID, Origin: family.Origin, From: family.Generation, Repeat: true}
	if standing == refresh.Newest {
		next++
		result.rotation.Repeat, result.rotation.Idle = false, g.People.Limits.Idle
	}
	token, err := g.People.Tokens.Issue(c.Tenant.UID, family.ID, next)
	if err != nil {
		return granted{}, notKnown(err)
	}
	result.response.RefreshToken = token.Reveal()
	return result, nil
}

// familyOf finds the family of what is presented. Whoever is not its client learns nothing of it, and ends nothing; nor
// does who has not its key (T38, T41).
func (g *Grants) familyOf(ctx context.Context, c *call) (refresh.Presented, refresh.Family, error) {
	text := c.Form.Get("refresh_token")
	if text == "" {
		return refresh.Presented{}, refresh.Family{}, c.refuse(oauth.CodeParameterMissing, "refresh_token", "no refresh_token", "refresh_token")
	}
	ctx, step := trace.Begin(ctx, trace.StepFamily)
	presented, family, err := g.readFamily(ctx, c, text)
	step.End(codeOf(err))
	return presented, family, err
}

func (g *Grants) readFamily(ctx context.Context, c *call, text string) (refresh.Presented, refresh.Family, error) {
	presented, err := g.People.Tokens.Parse(c.Tenant.UID, text)
	if refusal, refused := errors.AsType[*oauth.Error](err); refused {
		c.failed("refresh_token", "a token that is none of ours", "one of this tenant's")
		return refresh.Presented{}, refresh.Family{}, refusal
	}
	if err != nil {
		return refresh.Presented{}, refresh.Family{}, notKnown(err)
	}
	family, err := g.People.Families.Family(ctx, c.Tenant.UID, presented.Family())
	if errors.Is(err, refresh.ErrUnknown) {
		return refresh.Presented{}, refresh.Family{}, c.refuse(oauth.CodeRefreshTokenInvalid, "refresh_token", "a family that is gone", "one that is there")
	}
	if err != nil {
		return refresh.Presented{}, refresh.Family{}, notKnown(err)
	}
	if family.ClientUID != c.client().UID {
		return refresh.Presented{}, refresh.Family{}, c.refuse(oauth.CodeRefreshClientMismatch, "refresh_token", c.client().UID, family.ClientUID)
	}
	if family.Thumbprint != "" && family.Thumbprint != c.proof.Thumbprint() {
		return refresh.Presented{}, refresh.Family{}, c.refuse(oauth.CodeRefreshKeyMismatch, "refresh_token", c.proof.Thumbprint(), family.Thumbprint)
	}
	c.family, c.whose = family.ID, family.UserUID
	return presented, family, nil
}

// settleStanding judges the token within its family. One that was replaced, but for a moment ago, is held by two: the
// client and somebody else, whoever of them comes. Everything that came of the grant ends with the refusal (RFC 9700
// §4.14.2). So does it with a token of a generation that was never given: the database has lost what it gave.
func (g *Grants) settleStanding(c *call, presented refresh.Presented, family refresh.Family) (refresh.Standing, error) {
	if family.End != nil {
		return 0, c.refuse(oauth.CodeRefreshTokenEnded, "refresh_token", "ended by "+family.End.Why, "a family that is alive")
	}
	if family.Over(g.People.Limits) {
		return 0, c.refuse(oauth.CodeRefreshTokenExpired, "refresh_token", "unused since "+family.RotatedAt.String(), "used before "+family.Until().String())
	}
	c.holds = true // of a family that is over, what its holders ask is as good as a stranger's
	standing := family.Standing(presented.Generation(), g.People.Limits)
	if standing == refresh.Reused || standing == refresh.Foreign {
		c.ending = &ledger.Ending{Origin: family.Origin, Why: ledger.EndedByReuse}
		return 0, c.refuse(oauth.CodeRefreshTokenReused, "refresh_token", "a token that was replaced", "the newest of its family")
	}
	if standing == refresh.Newest && family.Generation == refresh.MaxGeneration {
		return 0, c.refuse(oauth.CodeRefreshTokenExpired, "refresh_token", "the last generation", "one that can be replaced")
	}
	c.passed("refresh_token", family.ID, "")
	return standing, nil
}

// narrowed is what the request asks of the scopes that were granted at the resource (RFC 6749 §6): all of them where it
// names none, and never one more. What was granted about the person may be named, and is not given where it is not; to name
// nothing else leaves the scopes at the resource as they are.
func (c *call) narrowed(scopes []string, family refresh.Family) ([]string, error) {
	requested, err := oauth.ParseScope(c.Form.Get("scope"))
	if err != nil {
		c.failed("scope", "a malformed scope", "scope tokens")
		return nil, err
	}
	apart := append([]string{}, family.Identity...)
	if family.Offline {
		apart = append(apart, authorization.ScopeOffline)
	}
	var narrow []string
	for _, s := range requested {
		switch {
		case slices.Contains(scopes, s):
			narrow = append(narrow, s)
		case !slices.Contains(apart, s):
			return nil, c.refuse(oauth.CodeScopeOutsideGrant, "scope", strings.Join(requested, " "), strings.Join(append(apart, scopes...), " "))
		}
	}
	if requested != nil {
		c.signedIn.identity = authorization.IdentityOf(c.client(), oauth.Intersect(c.signedIn.identity, requested))
	}
	if len(narrow) == 0 {
		return scopes, nil
	}
	return narrow, nil
}
