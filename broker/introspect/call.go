package introspect

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/token"
)

// call is one request on its way.
type call struct {
	Request
	now            time.Time
	authentication client.Authentication
	found          bool // token and known are set, and agree
	token          token.Token
	known          *lifecycle.Known
}

func (c *call) client() *client.Client { return c.authentication.Client() }

// authenticate finds out who asks. Client assertions are addressed to our issuer
// here as at the token endpoint, and are used up in one place for both.
func (e *Endpoints) authenticate(ctx context.Context, c *call) error {
	var err error
	c.authentication, err = e.Clients.Authenticate(ctx, client.Request{
		Tenant:        c.Tenant.UID,
		Issuer:        c.Tenant.Issuer,
		TokenEndpoint: c.Tenant.Issuer + "/token", // for clients with audience: issuer_or_token_endpoint
		Authorization: c.Authorization,
		ClientID:      c.Form.Get("client_id"),
		ClientSecret:  c.Form.Get("client_secret"),
		Assertion:     c.Form.Get("client_assertion"),
		AssertionType: c.Form.Get("client_assertion_type"),
		Spent:         c.spent,
	})
	if err != nil {
		return e.turnAway(c, oauth.AsError(err))
	}
	if c.client() == nil {
		return e.turnAway(c, oauth.Refuse(oauth.CodeClientAuthenticationRequired, "no client", "client authentication"))
	}
	return nil
}

// find verifies the token and reads its record. Nobody is refused here for what
// the token is: it is found or it is not. token_type_hint is not looked at
// (RFC 7662 §2.1, RFC 7009 §2.1): there is one type to look for. One that expired
// no longer than late ago is found too.
func (e *Endpoints) find(ctx context.Context, c *call, late time.Duration) error {
	compact := c.Form.Get("token")
	if compact == "" {
		if err := e.spend(ctx, c, "refused"); err != nil {
			return err
		}
		return e.turnAway(c, oauth.Refuse(oauth.CodeParameterMissing, "no token", "token"))
	}
	return e.look(ctx, c, compact, late)
}

// look is find for a token that is there.
func (e *Endpoints) look(ctx context.Context, c *call, compact string, late time.Duration) error {
	ring, err := e.Rings.Ring(ctx, c.Tenant.UID)
	if err != nil {
		return unavailable(err)
	}
	verified, invalid := token.VerifyOwn(compact, token.Own{Issuer: c.Tenant.Issuer, Ring: ring, Now: c.now, Late: late, Memory: e.memory})
	var ref *lifecycle.Ref
	if invalid == nil {
		claims := verified.Claims()
		ref = &lifecycle.Ref{ID: claims.ID, IssuedAt: claims.IssuedAt}
	}
	// The question comes after what it is to confirm: a newer picture or key than was used here shows in the version.
	version, known, err := e.gather.Ask(ctx, c.Tenant.UID, ref)
	if err != nil {
		return unavailable(err)
	}
	if version != c.Tenant.Version {
		return ledger.ErrStale
	}
	// What we signed and have no record of was never answered; what is recorded otherwise is not this token.
	if ref == nil || known == nil {
		return nil
	}
	claims := verified.Claims()
	if known.Subject != claims.Subject || known.Audience != claims.Audience || !known.ExpiresAt.Equal(claims.ExpiresAt) {
		return nil
	}
	c.token, c.known, c.found = verified, known, true
	return nil
}

// spend records the use of a client assertion. Without one there is nothing to record, and nothing is written.
func (e *Endpoints) spend(ctx context.Context, c *call, endpoint string) error {
	r := c.authentication.Redemption()
	if r == nil {
		return nil
	}
	event := c.event(audit.TypeAssertionUsed, audit.Allowed)
	event.AssertionID = c.authentication.AssertionID()
	event.Detail = map[string]string{"endpoint": endpoint}
	return e.commit(ctx, c, ledger.Entry{Redemptions: []ledger.Redemption{*r}, Event: event})
}

// commit records an entry on the call's picture. What was revoked before is revoked: no error.
func (e *Endpoints) commit(ctx context.Context, c *call, entry ledger.Entry) error {
	entry.Tenant, entry.Pictures, entry.Conflict = c.Tenant.UID, c.Tenant.Pictures(), c.conflict
	err := e.Journal.Commit(ctx, entry)
	if err == nil || errors.Is(err, ledger.ErrStale) {
		return err
	}
	conflict, lost := errors.AsType[*ledger.Conflict](err)
	switch {
	case !lost:
		return &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
	case conflict.Lost.Space == ledger.SpaceRevokedToken:
		return nil
	default:
		return oauth.Refuse(oauth.Code(conflict.Lost.Code), "used before", "something fresh")
	}
}

// conflict is the record of who came second.
func (c *call) conflict(lost ledger.Redemption) audit.Event {
	if lost.Space == ledger.SpaceRevokedToken {
		event := c.event(audit.TypeTokenRevoked, audit.Changed)
		event.TokenID = c.token.Claims().ID
		event.Detail = map[string]string{"already": "true"}
		return event
	}
	event := c.event(audit.TypeRequestRefused, audit.Refused)
	event.Code, event.AssertionID = lost.Code, c.authentication.AssertionID()
	return event
}

// turnAway records a refusal in the bounded lane, and returns it.
func (e *Endpoints) turnAway(c *call, refusal *oauth.Error) error {
	event := c.event(audit.TypeRequestRefused, audit.Refused)
	event.Code = string(refusal.Code)
	if !c.authentication.Proved() { // a public client's name is anybody's
		event.Principal, event.Client = audit.Principal{Kind: "anonymous", Name: c.Form.Get("client_id")}, ""
	}
	if refusal.Cause != nil {
		event.Detail = map[string]string{"cause": refusal.Cause.Error()}
	}
	e.Lane.Add(event, c.Remote)
	return refusal
}

// TurnAway records the refusal of a request that never became one: an unreadable form, a wrong content type.
func (e *Endpoints) TurnAway(r Request, err error) {
	_ = e.turnAway(&call{Request: r, now: e.Now()}, oauth.AsError(err)) // who asked has his answer already
}

// event is what every record of this call has in common.
func (c *call) event(kind audit.Type, outcome audit.Outcome) audit.Event {
	e := audit.Event{
		ID: id.New(id.Event, c.now), At: c.now, Tenant: c.Tenant.UID, Trace: c.Trace, Type: kind, Outcome: outcome, Remote: c.Remote,
	}
	if caller := c.client(); caller != nil {
		e.Principal = audit.Principal{Kind: "client", ID: caller.UID, Name: caller.Name}
		e.Client = caller.ClientID
	}
	return e
}
