package grant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/policy"
)

// Approvals keeps what waits for other people; *approval.Desk does.
type Approvals interface {
	// Seek finds what was said to a request, or begins to wait for it.
	Seek(ctx context.Context, q approval.Ask) (approval.Approval, error)
}

// approve holds a request until everybody whom policy asks has allowed it. What they allowed is used up in the transaction that
// records the token, so that it is good for one. At the authorization endpoint nothing is used: the token comes later, and asks.
func (g *Grants) approve(ctx context.Context, c *call, d *policy.Decision) error {
	if g.Approvals == nil || !c.waits() {
		return c.refuse(oauth.CodeApprovalUnavailable, "approval", "an approval is needed", "no approval, or one that can be sought")
	}
	ask := approval.Ask{
		Tenant: c.Tenant, Client: audit.Principal{Kind: "client", ID: c.judged().UID, Name: c.judged().Name}, ClientID: c.judged().ClientID,
		Resource: c.resource, Scopes: d.Scopes, Policies: d.Policies, Needs: d.Approval.Needs, Lifetime: lifetimeOf(c, d), Decision: c.decision.ID, Trace: c.Trace, Remote: c.Remote,
	}
	if c.person != nil {
		ask.UserUID = c.person.UID
	}
	if c.lending != nil && c.lending.provider != nil {
		ask.Provider, ask.Beside = c.lending.provider.Name, c.beside()
	}
	found, err := g.Approvals.Seek(ctx, ask)
	if errors.Is(err, approval.ErrCrowded) {
		c.failed("approval", "too many that wait", fmt.Sprintf("at most %d", approval.MaxWaiting))
		return &oauth.Error{Code: oauth.CodeApprovalLimit, Cause: err, RetryAfter: approval.Default}
	}
	if err != nil { // not known is not none
		return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	switch found.State {
	case approval.Allowed:
		c.passed("approval", said(found), strings.Join(found.Groups, " "))
		d.Lifetime = min(lifetimeOf(c, d), found.Lifetime) // no longer than they were told
		if c.action != policy.ActionAuthorize {
			r := found.Redemption()
			c.approval = &r
		}
		return nil
	case approval.Denied:
		return c.refuse(oauth.CodeApprovalDenied, "approval", said(found), strings.Join(found.Groups, " "))
	case approval.Waiting:
	}
	received := "nobody has answered yet"
	if len(found.Words) > 0 {
		received = said(found)
	}
	c.failed("approval", received, strings.Join(found.Groups, " "))
	return &oauth.Error{
		Code: oauth.CodeApprovalRequired, Received: received, Expected: strings.Join(found.Groups, " "),
		Members: map[string]any{
			"approval_id": found.ID, "interaction_uri": c.Tenant.Issuer + "/interact/" + found.ID,
			"interval": int64(approval.Interval.Seconds()), "expires_in": max(1, int64(found.ExpiresAt.Sub(c.now).Seconds())),
		},
	}
}

// lifetimeOf is how long what is given lives at most. What a provider gave lives as long as that says, where policy says nothing.
func lifetimeOf(c *call, d *policy.Decision) time.Duration {
	if c.lending != nil {
		if d.Lifetime > 0 {
			return d.Lifetime
		}
		return approval.Longest
	}
	if d.Lifetime > 0 {
		return min(c.resource.Lifetime, d.Lifetime)
	}
	return c.resource.Lifetime
}

// waits tells whether a request may wait: it is known who asks, so that strangers fill nothing, and somebody can sign in to
// answer. At the authorization endpoint the person is there, in his session, and vouches for his browser's request.
func (c *call) waits() bool {
	if c.client() == nil || c.resource == nil || len(c.Tenant.SignIn.IdPs) == 0 {
		return false
	}
	return c.identified() || c.action == policy.ActionAuthorize && c.signedIn != nil
}

// judged is the client that a decision is about: the one to which a presented token was issued, whoever brings it. What
// people say for one client must not count for another whose token the same server was sent (T44).
func (c *call) judged() *client.Client {
	if c.lending != nil {
		return c.lending.presented.Holder
	}
	return c.client()
}

// beside is what an approval of a lease binds that its provider's name and its scopes do not say: who brings the token, which
// provider it is, made again under its name or not, and which of the accounts.
func (c *call) beside() []string {
	bound := []string{c.client().UID, c.lending.provider.UID}
	if c.lending.chosen != nil {
		bound = append(bound, c.lending.chosen.ID)
	}
	return bound
}

// said tells who answered, for the record.
func said(a approval.Approval) string {
	words := make([]string, 0, len(a.Words))
	for _, w := range a.Words {
		answer := "allowed"
		if !w.Allow {
			answer = "denied"
		}
		words = append(words, fmt.Sprintf("%s by %s for %s", answer, w.UserUID, w.Group))
	}
	return strings.Join(append([]string{a.ID}, words...), ", ")
}
