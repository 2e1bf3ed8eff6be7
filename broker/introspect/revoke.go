package introspect

import (
	"context"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/token"
)

// Revoke answers RFC 7009: when it returns nil the caller's own token counts no
// more. It returns nil, too, for what is no token of the caller's: unknown, old
// or another's, and does nothing (§2.2; that it says nothing of another's is in
// docs/divergences.md).
func (e *Endpoints) Revoke(ctx context.Context, r Request) error {
	return e.current(ctx, r, func(r Request) error { return e.revoke(ctx, r) })
}

func (e *Endpoints) revoke(ctx context.Context, r Request) error {
	c := &call{Request: r, now: e.Now()}
	// 1. Who asks. A public client shows its name and the token (RFC 7009 §2.1, §5).
	if err := e.authenticate(ctx, c); err != nil {
		return err
	}
	if e.isRefresh(c) {
		return e.revokeRefresh(ctx, c)
	}
	// 2. RFC 7009 §2.2.1: a token that says itself to be of another type. It is the caller's own text that decides.
	if typ, ok := token.TypeOf(r.Form.Get("token")); ok && typ != token.Type {
		if err := e.spend(ctx, c, "refused"); err != nil {
			return err
		}
		return e.turnAway(c, oauth.Refuse(oauth.CodeTokenTypeUnsupported, typ, token.Type))
	}
	// 3. Which token of ours.
	if err := e.find(ctx, c, lifecycle.Apart); err != nil {
		return err
	}
	// 4. Only who got it may end it, and nothing ends twice.
	if !c.found || c.known.Revoked || c.known.ClientUID != c.client().UID || c.token.Claims().ClientID != c.client().ClientID {
		return e.spend(ctx, c, "revoke")
	}
	claims := c.token.Claims()
	revocation, ok := ledger.Revocation(c.Tenant.UID, claims.ID, claims.ExpiresAt)
	if !ok { // no record is found under such an id
		return e.spend(ctx, c, "revoke")
	}
	// 5. Durable, with its event, before the answer.
	event := c.event(audit.TypeTokenRevoked, audit.Changed)
	event.TokenID, event.OnBehalf = claims.ID, claims.Subject
	if resource, ok := c.Tenant.ResourceByURI(claims.Audience); ok {
		event.Resource = resource.Name
	}
	entry := ledger.Entry{Redemptions: []ledger.Redemption{revocation}, Event: event}
	if r := c.authentication.Redemption(); r != nil {
		entry.Redemptions = append(entry.Redemptions, *r)
		entry.Event.AssertionID = c.authentication.AssertionID()
	}
	return e.commit(ctx, c, entry)
}
