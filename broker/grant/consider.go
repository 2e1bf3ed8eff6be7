package grant

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/policy"
)

// Consideration is an authorization request of a person who is signed in: may this client have this for him?
type Consideration struct {
	Tenant  *snapshot.Tenant
	Trace   string
	Remote  string
	Request authorization.Request
	Session session.Session

	applicant *client.Client // on a newer picture than the request's; nil: the request's own
}

// Considered is policy's answer, resource by resource, before the person is asked.
type Considered struct {
	Resources []ConsideredResource
	// Decisions are the ids of what was recorded, one a resource.
	Decisions []string
}

// ConsideredResource is what may be had at one resource; never nothing.
type ConsideredResource struct {
	Resource *snapshot.Resource
	Scopes   []string
}

// Consider asks policy what the client may have (action authorize), and records what it says: one decision a resource.
// A refusal is an *oauth.Error, recorded as well: a step-up is step_up_required with its members acr_values and max_age.
//
// A resource at which the request asks for nothing that can be had is left out; where policy denies one, it denies the
// request: what a person is asked is what the client asked.
func (g *Grants) Consider(ctx context.Context, k Consideration) (Considered, error) {
	if g.People == nil {
		return Considered{}, errors.New("grant: nobody signs in here")
	}
	for range maxDecisions {
		considered, err := g.consider(ctx, k)
		if !errors.Is(err, ledger.ErrStale) {
			return considered, err
		}
		if err := g.renew(ctx, &k); err != nil {
			return Considered{}, err
		}
	}
	return Considered{}, notKnown(ledger.ErrStale)
}

// renew takes a consideration to the newest picture, and to the client as it is there: what the request rests on may be
// what the tenant changed. Who is no client any more, and whose redirect URI it was not to be, hears nothing (RFC 6749
// §4.1.2.1).
func (g *Grants) renew(ctx context.Context, k *Consideration) error {
	var err error
	if k.Tenant, err = g.Pictures.Refresh(ctx, k.Tenant); err != nil {
		return notKnown(err)
	}
	asked := k.Request.Client()
	now, err := g.People.Clients.Lookup(ctx, k.Tenant.UID, asked.ClientID)
	switch {
	case errors.Is(err, client.ErrUnknown):
		return &authorization.Shown{Refusal: oauth.Refuse(oauth.CodeAuthorizationClientUnknown, asked.ClientID, "a client of the tenant")}
	case err != nil:
		return notKnown(err)
	case now.UID != asked.UID || now.Disabled || !now.ExpiresAt.IsZero() && !g.Now().Before(now.ExpiresAt):
		return &authorization.Shown{Refusal: oauth.Refuse(oauth.CodeAuthorizationClientUnknown, asked.ClientID, "a client of the tenant")}
	case k.Request.GrantType() == oauth.GrantTypeAuthorizationCode && !authorization.Registered(k.Request.Return().RedirectURI(), now.RedirectURIs):
		return &authorization.Shown{Refusal: oauth.Refuse(oauth.CodeRedirectURIUnregistered, k.Request.Return().RedirectURI(), strings.Join(now.RedirectURIs, " "))}
	}
	k.applicant = now
	return nil
}

func (g *Grants) consider(ctx context.Context, k Consideration) (Considered, error) {
	var considered Considered
	for _, r := range k.Request.Resources() {
		wanted := oauth.Intersect(k.Request.Scopes(), r.ScopeNames)
		if len(wanted) == 0 {
			continue
		}
		c := g.callOf(k)
		decision, err := g.considerAt(ctx, c, k, r, wanted)
		if err != nil {
			return Considered{}, g.recordConsidered(ctx, c, nil, err)
		}
		if err := g.recordConsidered(ctx, c, decision.Scopes, nil); err != nil {
			return Considered{}, err
		}
		considered.Resources = append(considered.Resources, ConsideredResource{Resource: c.resource, Scopes: decision.Scopes})
		considered.Decisions = append(considered.Decisions, c.decision.ID)
	}
	if len(considered.Resources) == 0 {
		c := g.callOf(k)
		return Considered{}, g.recordConsidered(ctx, c, nil, c.refuse(oauth.CodeScopeEmpty, "scope", strings.Join(k.Request.Scopes(), " "), "a scope of the resource"))
	}
	if err := g.fits(ctx, k, considered); err != nil {
		return Considered{}, err
	}
	return considered, nil
}

// fits refuses what no code could hold, before the person is asked. A device has none.
func (g *Grants) fits(ctx context.Context, k Consideration, considered Considered) error {
	if k.Request.GrantType() != oauth.GrantTypeAuthorizationCode {
		return nil
	}
	order := CodeOrder{Consideration: k, Considered: considered, Identity: k.Request.Identity(), Offline: k.Request.Offline()}
	given := order.grant()
	given.Version = k.Tenant.Version
	err := g.People.Codes.Fits(given)
	if errors.Is(err, code.ErrLarge) {
		c := g.callOf(k)
		return g.recordConsidered(ctx, c, nil, c.refuse(oauth.CodeParameterTooLarge, "code", "resources and scopes that fit into no code", "fewer at once"))
	}
	return err
}

func (g *Grants) callOf(k Consideration) *call {
	c := newCall(Request{Tenant: k.Tenant, Trace: k.Trace, Remote: k.Remote}, g.Now())
	c.action, c.applicant = policy.ActionAuthorize, k.Request.Client()
	if k.applicant != nil {
		c.applicant = k.applicant
	}
	return c
}

// considerAt is the walk of a token request, without a token.
func (g *Grants) considerAt(ctx context.Context, c *call, k Consideration, r *snapshot.Resource, wanted []string) (policy.Decision, error) {
	// 1. The client may have codes at all, or begin at a device.
	if grantType := k.Request.GrantType(); !c.client().MayUse(grantType) {
		return policy.Decision{}, c.refuse(oauth.CodeClientGrantNotAllowed, "grant_type", grantType, strings.Join(c.client().GrantTypes, " "))
	}
	// 2. The person, in his session.
	if k.Session.Tenant != c.Tenant.UID {
		return policy.Decision{}, c.refuse(oauth.CodeSessionEnded, "session", "another tenant's session", "a session")
	}
	if err := g.settleSignedIn(ctx, c, lastingAt(k), true); err != nil {
		return policy.Decision{}, err
	}
	// 3. The resource, in the picture of now.
	c.limits = limitsOf(c.client())
	found, ok := c.Tenant.ResourceByURI(r.URI)
	if !ok || found.UID != r.UID || !c.mayReach(found) {
		return policy.Decision{}, c.refuse(oauth.CodeResourceNotAllowed, "resource", r.URI, "a resource of the client")
	}
	c.resource = found
	c.passed("resource", found.URI, "")
	// 4. The scopes, and policy.
	left, err := c.scopesWithin(wanted, c.limits.scopes)
	if err != nil {
		return policy.Decision{}, err
	}
	return g.decide(ctx, c, left)
}

func lastingAt(k Consideration) lasting {
	return lasting{
		userUID: k.Session.UserUID, idpUID: k.Session.IdPUID, session: k.Session.Handle, proof: k.Session.Proof,
		identity: k.Request.Identity(), offline: k.Request.Offline(),
	}
}

// recordConsidered writes down what policy said at one resource, or why it was not asked.
func (g *Grants) recordConsidered(ctx context.Context, c *call, scopes []string, refused error) error {
	kind, outcome := audit.TypeConsidered, audit.Allowed
	var refusal *oauth.Error
	if refused != nil {
		refusal = oauth.AsError(refused)
		kind, outcome = audit.TypeAuthorizeRefused, audit.Refused
		if refusal.Code == oauth.CodeStepUpRequired || refusal.Code == oauth.CodeApprovalRequired {
			outcome = audit.Challenged
		}
	}
	event := c.event(kind, outcome)
	event.Scope = strings.Join(scopes, " ")
	if refusal != nil {
		event.Code, event.Detail = string(refusal.Code), detail(refusal)
	}
	return g.commitDecision(ctx, c, event, refusal)
}

// commitDecision makes a decision that gives no token durable, and answers its refusal, if it is one.
func (g *Grants) commitDecision(ctx context.Context, c *call, event audit.Event, refusal *oauth.Error) error {
	err := g.commit(ctx, ledger.Entry{Tenant: c.Tenant.UID, Pictures: c.Tenant.Pictures(), Decision: c.decision, Event: event})
	switch {
	case errors.Is(err, ledger.ErrStale):
		return ledger.ErrStale
	case err != nil:
		return &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
	case refusal != nil:
		return refusal
	}
	return nil
}

// covers tells whether everything that was considered before is still to be had.
func (a Considered) covers(before Considered) bool {
	return !slices.ContainsFunc(before.Resources, func(b ConsideredResource) bool {
		return !slices.ContainsFunc(a.Resources, func(r ConsideredResource) bool {
			return r.Resource.UID == b.Resource.UID && len(oauth.Intersect(b.Scopes, r.Scopes)) == len(b.Scopes)
		})
	})
}
