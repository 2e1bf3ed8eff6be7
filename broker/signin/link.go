package signin

import (
	"context"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/federation"
)

// linkFresh is how long ago a person may have authenticated, on either side, to link the two.
const linkFresh = 5 * time.Minute

// linkFrom is the session that an identity is to be added to: alive, the same user's, and of somebody who has just
// authenticated. When that was must be known.
func (d *Desk) linkFrom(ctx context.Context, a *attempt, handle [32]byte, userUID string) (*session.Session, error) {
	s, err := d.Sessions.Alive(ctx, a.tenant, handle)
	if err != nil {
		return nil, err
	}
	if s == nil || s.UserUID != userUID || userUID == "" {
		return nil, oauth.Refuse(oauth.CodeLinkNotFresh, "a session that has ended", "the session that asked")
	}
	a.user = s.UserUID
	if !d.isFresh(s.Proof) {
		return nil, oauth.Refuse(oauth.CodeLinkNotFresh, "a session without a fresh authentication", "one within "+linkFresh.String())
	}
	return s, nil
}

func (d *Desk) isFresh(p session.Proof) bool {
	age := d.Now().Sub(p.AuthTime)
	return !p.AuthTime.IsZero() && age < linkFresh && age > -federation.MaxClockSkew
}

// link adds the identity that arrived to the user whose session asked. Nothing else does: an address that two IdPs agree on
// says nothing (T13).
//
//  1. the session that asked still is that user's, and fresh; so is what arrived;
//  2. nobody has the identity: if the user has it, there is nothing to do, if anybody else has, it is refused;
//  3. what the response uses up is used up, and then the user is changed, on the path of all objects.
func (d *Desk) link(ctx context.Context, a *attempt, arrival Arrival, c carried, w word, once []ledger.Redemption) (Arrival, error) {
	var handle [32]byte
	if copy(handle[:], c.Link.Handle) != len(handle) {
		return arrival, errIncomplete
	}
	s, err := d.linkFrom(ctx, a, handle, c.Link.UserUID)
	if err != nil {
		return arrival, err
	}
	if !d.isFresh(w.proof) {
		return arrival, oauth.Refuse(oauth.CodeLinkNotFresh, "an identity without a fresh authentication", "one within "+linkFresh.String())
	}
	if w.ids.Guest && !a.idp.Subject.AllowGuests {
		return arrival, oauth.Refuse(oauth.CodeGuestDenied, "guest", "no guest")
	}
	if len(once) > 0 {
		err := d.Journal.Commit(ctx, ledger.Entry{Tenant: a.tenant.UID, Redemptions: once, Event: a.event(audit.TypeSignInVerified, audit.Allowed), Conflict: a.lost})
		if err != nil {
			return arrival, err
		}
	}
	if err := d.Linker.Link(ctx, a.tenant, a.idp, s.UserUID, w.ids); err != nil {
		return arrival, unknown(err)
	}
	// The change itself is in the log since it was made; this tells who asked for it, and how it came.
	event := a.event(audit.TypeIdentityLinked, audit.Changed)
	event.Detail = map[string]string{"session": s.ID}
	if err := d.Journal.Commit(ctx, ledger.Entry{Tenant: a.tenant.UID, Event: event}); err != nil {
		d.Log.Warn("that an identity was linked was not told beside the change", "trace_id", a.caller.Trace, "error", err)
	}
	arrival.Session, arrival.Linked, arrival.Person = *s, true, w.person()
	return arrival, nil
}
