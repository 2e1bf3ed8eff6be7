package grant

import (
	"context"
	"errors"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/secret"
)

// CodeOrder asks for a code, after the person let the client have what was considered.
type CodeOrder struct {
	Consideration
	Considered Considered
	Identity   []string // openid and what goes with it; empty: no ID token is asked for
	Offline    bool     // access that outlives the session was agreed to
}

var errNothingConsidered = errors.New("grant: a code for nothing that was considered")

// Code gives the code that the client gets. That it was given is durable before it leaves. Where the tenant changed since
// policy was asked, policy is asked again, and has to allow at least what the person saw.
func (g *Grants) Code(ctx context.Context, o CodeOrder) (secret.Text, error) {
	if g.People == nil || len(o.Considered.Resources) == 0 || len(o.Considered.Decisions) == 0 {
		return secret.Text{}, errNothingConsidered
	}
	asked := o.Tenant.Version // of the picture with which it was looked up whether the person agreed, or with which he was asked
	for range maxDecisions {
		sealed, err := g.issueCode(ctx, o, asked)
		if !errors.Is(err, ledger.ErrStale) {
			return sealed, err
		}
		if err := g.renew(ctx, &o.Consideration); err != nil {
			return secret.Text{}, err
		}
		again, err := g.Consider(ctx, o.Consideration)
		if err != nil {
			return secret.Text{}, err
		}
		if !again.covers(o.Considered) {
			return secret.Text{}, oauth.Refuse(oauth.CodePolicyDenied, "what was allowed a moment ago", "the same decision")
		}
	}
	return secret.Text{}, notKnown(ledger.ErrStale)
}

// issueCode records and seals a code on one picture of the tenant.
func (g *Grants) issueCode(ctx context.Context, o CodeOrder, asked int64) (secret.Text, error) {
	c := g.callOf(o.Consideration)
	given := o.grant()
	given.Version = asked
	// The person once more: between his yes and this moment he may have signed out.
	if err := g.settleSignedIn(ctx, c, lastingIn(given), true); err != nil {
		return secret.Text{}, g.recordConsidered(ctx, c, nil, err)
	}
	sealed, err := g.People.Codes.Issue(c.Tenant.UID, given)
	if err != nil {
		return secret.Text{}, err
	}
	event := c.event(audit.TypeCodeIssued, audit.Allowed)
	event.Decision = given.DecisionID
	names := make([]string, len(o.Considered.Resources))
	var scopes []string
	for i, r := range o.Considered.Resources {
		names[i] = r.Resource.Name
		scopes = append(scopes, r.Scopes...)
	}
	event.Resource, event.Scope = strings.Join(names, " "), strings.Join(append(scopes, given.Identity...), " ")
	event.Detail = map[string]string{"redirect_uri": given.RedirectURI}
	if given.Offline {
		event.Detail["offline"] = "true"
	}
	err = g.commit(ctx, ledger.Entry{Tenant: c.Tenant.UID, Pictures: c.Tenant.Pictures(), Event: event})
	switch {
	case errors.Is(err, ledger.ErrStale):
		return secret.Text{}, ledger.ErrStale
	case err != nil:
		return secret.Text{}, &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	return sealed, nil
}

// grant is what the code stands for; a device's request that was approved rests as the same.
func (o CodeOrder) grant() code.Grant {
	request := o.Request
	given := code.Grant{
		ClientUID: request.Client().UID, RedirectURI: request.Return().RedirectURI(), RedirectNamed: request.RedirectNamed(),
		Challenge: request.Challenge(), Thumbprint: request.Thumbprint(), Nonce: request.Nonce(),
		UserUID: o.Session.UserUID, IdPUID: o.Session.IdPUID, Session: o.Session.Handle,
		AuthTime: o.Session.Proof.AuthTime, ACR: o.Session.Proof.ACR, AMR: o.Session.Proof.AMR,
		// Never more than the request asked, whatever the order says.
		Identity: oauth.Intersect(o.Identity, request.Identity()), Offline: o.Offline && request.Offline(),
		DecisionID: o.Considered.Decisions[0],
	}
	for _, r := range o.Considered.Resources {
		given.Resources = append(given.Resources, code.Resource{UID: r.Resource.UID, URI: r.Resource.URI, Scopes: r.Scopes})
	}
	return given
}
