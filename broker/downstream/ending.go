package downstream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

const (
	endBatch = 200
	// reconcileRest is between two steps of what has time: a request that was decided on an older version is decided again a
	// few times only, and must come to an end in between.
	reconcileRest = 250 * time.Millisecond
	// unheldWindow is how many rows are looked at in one step.
	unheldWindow = 5000
	firstRest    = time.Minute // a call takes 15 s at most: nobody else takes it meanwhile
	longestRest  = time.Hour
	// KeepTelling is for how long a provider that does not answer is told again that a credential ended.
	KeepTelling = 7 * 24 * time.Hour
)

// AlertNotRevoked says that a credential went here, and that its provider never answered.
const AlertNotRevoked connection.AlertKind = "not_revoked"

// What became of a credential at its provider when its row went.
const (
	atProviderRevoked   = "revoked"
	atProviderCannot    = "cannot_be_revoked" // the provider offers nothing
	atProviderKept      = "connected_again"   // ending the old one would end the new one
	atProviderUnopened  = "not_opened"        // nobody can read it any more
	atProviderUnknown   = "provider_unusable"
	atProviderNoAnswer  = "no_answer"
	reasonOwnerGone     = "its owner, client or provider is gone or disabled"
	systemPrincipalName = "chancery"
)

func systemBy(reason string) By {
	return By{Principal: audit.Principal{Kind: "system", Name: systemPrincipalName}, Reason: reason}
}

// RevokeHeld ends everything that an owner connected, and tells how many there were.
func (c *Custodian) RevokeHeld(ctx context.Context, t tenant.UID, owner connection.Owner, by By) (ended int64, err error) {
	for {
		held, err := c.Rows.HeldBy(ctx, t, owner, endBatch)
		if err != nil {
			return ended, err
		}
		n, err := c.revokeAll(ctx, t, held, by)
		if ended += n; err != nil || len(held) < endBatch || n == 0 {
			return ended, err
		}
	}
}

// revokeAll ends many, so many at a time: each time the tenant's version is raised, and whoever is deciding then begins anew.
// One by one, a provider with a hundred thousand connections that goes would keep everybody from being answered.
func (c *Custodian) revokeAll(ctx context.Context, t tenant.UID, all []connection.Connection, by By) (ended int64, err error) {
	for batch := range slices.Chunk(all, endBatch) {
		n, err := c.revokeTogether(ctx, t, batch, by)
		if errors.Is(err, connection.ErrMoved) { // one of them changed since it was read
			n, err = c.revokeEach(ctx, t, batch, by)
		}
		if ended += n; err != nil {
			return ended, err
		}
	}
	return ended, nil
}

func (c *Custodian) revokeTogether(ctx context.Context, t tenant.UID, batch []connection.Connection, by By) (ended int64, err error) {
	events := make([]audit.Event, len(batch))
	for i, one := range batch {
		if events[i], err = c.event(ctx, t, one, audit.TypeConnectionRevoked, by); err != nil {
			return 0, err
		}
	}
	if err := c.Rows.MoveAll(ctx, t, batch, connection.Revoked, by.Reason, events); err != nil {
		return 0, err
	}
	c.Nudge(t)
	return int64(len(batch)), nil
}

func (c *Custodian) revokeEach(ctx context.Context, t tenant.UID, batch []connection.Connection, by By) (ended int64, err error) {
	for _, one := range batch {
		switch _, err := c.Revoke(ctx, t, one.ID, by); {
		case err == nil:
			ended++
		case !errors.Is(err, connection.ErrGone):
			return ended, err
		}
	}
	return ended, nil
}

// CountHeld counts what RevokeHeld would end.
func (c *Custodian) CountHeld(ctx context.Context, t tenant.UID, owner connection.Owner) (int64, error) {
	return c.Rows.CountHeldBy(ctx, t, owner)
}

// Reconcile ends what nobody holds any more: its user is gone or disabled, its client or its provider is gone. It may run
// on any number of replicas, and begins again after whatever stopped it.
func (c *Custodian) Reconcile(ctx context.Context, t tenant.UID) (ended int, err error) {
	for after := ""; ; {
		unheld, next, err := c.Rows.Unheld(ctx, t, after, unheldWindow)
		if err != nil {
			return ended, err
		}
		for batch := range slices.Chunk(unheld, endBatch) {
			if ended > 0 {
				if err := c.Rest(ctx, reconcileRest); err != nil {
					return ended, err
				}
			}
			n, err := c.revokeAll(ctx, t, batch, systemBy(reasonOwnerGone))
			if ended += int(n); err != nil {
				return ended, err
			}
		}
		if next == "" || next == after {
			return ended, nil
		}
		after = next
	}
}

// Tell tells providers of what ended here, of one tenant, and takes away what is dealt with. It tells how many went, and
// how many are tried again later.
func (c *Custodian) Tell(ctx context.Context, t tenant.UID) (gone, left int, err error) {
	for ctx.Err() == nil {
		due, err := c.Rows.RevokedNext(ctx, t, endBatch)
		if err != nil {
			return gone, left, err
		}
		for _, one := range due {
			outcome, err := c.tellOne(ctx, t, one, systemBy(""))
			switch {
			case err != nil:
				return gone, left, err
			case outcome != "":
				gone++
			default:
				left++
			}
		}
		if len(due) < endBatch {
			break
		}
	}
	return gone, left, ctx.Err()
}

// End ends a connection for who has it: nobody is lent it from the first commit on, whatever its provider says. ended tells
// whether it is over there too, by the time this returns. Where it is not, the row stays, and Tell goes on.
func (c *Custodian) End(ctx context.Context, t tenant.UID, id string, by By) (ended bool, err error) {
	if _, err := c.revoke(ctx, t, id, by); err != nil { // nobody is nudged: it is told here
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endFor)
	defer cancel()
	outcome, err := c.tellNow(ctx, t, id, by)
	if err != nil {
		c.Log.WarnContext(ctx, "a connection that ended waits for its provider", "connection", id, "error", err)
	}
	if outcome == "" {
		c.Nudge(t)
	}
	return outcome == atProviderRevoked, nil
}

func (c *Custodian) tellNow(ctx context.Context, t tenant.UID, id string, by By) (string, error) {
	s, err := c.Rows.Load(ctx, t.String(), id)
	if err != nil {
		return "", err
	}
	by.Reason = ""
	return c.tellOne(ctx, t, s.Connection, by)
}

// tellOne takes one for itself first, so that the other replicas leave it alone while it is asked for. It tells what became
// of it at its provider; "" is that somebody asks again later.
func (c *Custodian) tellOne(ctx context.Context, t tenant.UID, one connection.Connection, by By) (outcome string, err error) {
	rest := min(longestRest, firstRest<<min(one.Failures, 6))
	if err := c.Rows.TakeRevoked(ctx, one, rest); err != nil {
		if errors.Is(err, connection.ErrMoved) || errors.Is(err, connection.ErrGone) {
			return "", nil
		}
		return "", err
	}
	outcome, err = c.revokeAt(ctx, t, one)
	if err != nil {
		if c.Now().Sub(one.UpdatedAt) < KeepTelling {
			c.Log.WarnContext(ctx, "a provider is told later that a credential ended", "connection", one.ID, "provider_uid", one.Provider, "again_in", rest, "error", err)
			return "", nil
		}
		outcome = atProviderNoAnswer
		if errors.Is(err, ErrUnusable) {
			outcome = atProviderUnknown
		}
		c.Alert(ctx, connection.Alert{Kind: AlertNotRevoked, Ref: one.Ref, Version: one.Version, Detail: "the provider was told for a week, and did not answer"})
	}
	e, err := c.event(ctx, t, one, audit.TypeConnectionEnded, by)
	if err != nil {
		return "", err
	}
	e.Detail["at_provider"] = outcome
	switch err := c.Rows.EndRevoked(ctx, t, one, e); {
	case errors.Is(err, connection.ErrMoved): // a refresh that was under way saved another one: it is the next to go
		return "", nil
	case err != nil:
		return "", err
	}
	return outcome, nil
}

// revokeAt asks the provider to end a credential. An error is for later; everything else is what became of it.
func (c *Custodian) revokeAt(ctx context.Context, t tenant.UID, one connection.Connection) (string, error) {
	s, err := c.Rows.Load(ctx, t.String(), one.ID)
	if err != nil {
		return "", err
	}
	if s.Version != one.Version || s.Ref != one.Ref || s.Status != connection.Revoked {
		return "", connection.ErrMoved
	}
	picture, err := c.Pictures.Of(ctx, t)
	if errors.Is(err, snapshot.ErrUnknownTenant) { // deleted, or not asked for yet: a revocation needs no more of it
		picture, err = &snapshot.Tenant{UID: t}, nil
	}
	if err != nil {
		return "", err
	}
	p, err := c.provider(ctx, t, one.Provider)
	if err != nil {
		return "", err
	}
	again, err := c.connectedAgain(ctx, t, one)
	if err != nil {
		return "", err
	}
	if again {
		return atProviderKept, nil
	}
	return c.askToEnd(ctx, picture, p, s)
}

func (c *Custodian) askToEnd(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, s connection.Stored) (string, error) {
	if p.Manifest.Kind == provider.Static || p.Manifest.Revoke == nil { // nothing is opened for nothing
		return atProviderCannot, nil
	}
	engine, err := c.Engines.Engine(ctx, t, p)
	if err != nil {
		return "", err
	}
	credential, err := connection.Open(ctx, c.Sealer, s.Ref, s)
	switch {
	case errors.Is(err, vault.ErrUnopened), errors.Is(err, vault.ErrMalformed), errors.Is(err, provider.ErrNotCredential):
		c.Alert(ctx, connection.Alert{Kind: connection.AlertUnopened, Ref: s.Ref, Version: s.Version, Detail: "it does not open in its place, and is not revoked at its provider"})
		return atProviderUnopened, nil
	case err != nil:
		return "", err
	}
	switch err := engine.Revoke(ctx, credential); {
	case errors.Is(err, provider.ErrNoRevocation):
		return atProviderCannot, nil
	case err != nil && provider.OutcomeOf(err) == provider.Terminal: // it is dead there already
		return atProviderRevoked, nil
	case err != nil:
		return "", err
	}
	return atProviderRevoked, nil
}

// connectedAgain tells whether the same account was connected anew since. At many providers a revocation ends everything
// that the account gave us, and with it the connection that stays. An account that is not known may be any.
func (c *Custodian) connectedAgain(ctx context.Context, t tenant.UID, one connection.Connection) (bool, error) {
	held, err := c.Rows.Find(ctx, t.String(), one.Owner, one.Provider)
	if err != nil {
		return false, err
	}
	for _, other := range held {
		if other.ID != one.ID && (one.Account.ID == "" || other.Account.ID == "" || other.Account.ID == one.Account.ID) {
			return true, nil
		}
	}
	return false, nil
}
