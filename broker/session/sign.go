package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// What Start refuses: a check would be empty.
var (
	ErrLimits     = errors.New("session: the tenant says no end of its sessions")
	ErrIncomplete = errors.New("session: a session needs a tenant, a user and an IdP")
)

// Sign is a sign-in that starts a session.
type Sign struct {
	Session Session // user, IdP, Upstream, Proof; ExpiresAt if the IdP says an end
	// Previous is what the browser had, nil for nothing. It ends. If it is the same person's, of the same IdP and under the
	// same name there, it goes on in the new one, with all that was bound to it: what an IdP vouched for ends when it says so.
	Previous    *Session
	Profile     *Profile
	Redemptions []ledger.Redemption
	Checks      []audit.Check
}

// Start makes a session with a new handle, and ends the previous one, in one transaction.
func (k *Keeper) Start(ctx context.Context, t *snapshot.Tenant, s Session, previous *Session) (Session, *http.Cookie, error) {
	return k.Sign(ctx, t, Sign{Session: s, Previous: previous})
}

// Sign is Start with what else is written in the same transaction. Besides ErrIncomplete and ErrLimits it answers
// ErrMarked, a *ledger.Conflict, or that the ledger cannot be written.
func (k *Keeper) Sign(ctx context.Context, t *snapshot.Tenant, in Sign) (Session, *http.Cookie, error) {
	s := in.Session
	idp, ok := t.IdentityProvider(s.IdPUID)
	if s.UserUID == "" || !ok {
		return Session{}, nil, ErrIncomplete
	}
	if t.SignIn.Idle <= 0 || t.SignIn.Absolute <= 0 {
		return Session{}, nil, ErrLimits
	}
	now := k.Now().UTC().Truncate(time.Microsecond)
	ends := now.Add(t.SignIn.Absolute)
	if !s.ExpiresAt.IsZero() && s.ExpiresAt.Before(ends) { // SAML core §2.7.2: SessionNotOnOrAfter
		ends = s.ExpiresAt
	}
	s.Tenant, s.Issuer, s.Version = t.UID, idp.Issuer, t.Version
	s.ID, s.StartedAt, s.SeenAt, s.ExpiresAt = id.New(id.Session, now), now, now, ends
	if p := in.Previous; p != nil && p.goesOnIn(s) {
		s.ID = p.ID
	}
	return k.begin(ctx, t, s, in)
}

// goesOnIn tells whether whoever ends the other session means this one too.
func (s Session) goesOnIn(next Session) bool {
	return s.UserUID == next.UserUID && s.Tenant == next.Tenant && s.IdPUID == next.IdPUID && s.Issuer == next.Issuer &&
		s.Upstream.Subject == next.Upstream.Subject && s.Upstream.Tenant == next.Upstream.Tenant
}

// Raise gives a session another proof, and with it another handle. Its limits stay.
func (k *Keeper) Raise(ctx context.Context, t *snapshot.Tenant, s Session, proof Proof) (Session, *http.Cookie, error) {
	if s.Tenant != t.UID || s.UserUID == "" || s.IdPUID == "" || s.ID == "" {
		return Session{}, nil, ErrIncomplete
	}
	previous := s
	s.Proof, s.SeenAt = proof, k.Now().UTC().Truncate(time.Microsecond)
	return k.begin(ctx, t, s, Sign{Previous: &previous})
}

func (k *Keeper) begin(ctx context.Context, t *snapshot.Tenant, s Session, in Sign) (Session, *http.Cookie, error) {
	value, handle := newSecret()
	s.Handle = handle
	event := k.event(ctx, audit.TypeSessionStarted, s, audit.Allowed)
	event.Checks = in.Checks
	if idp, ok := t.IdentityProvider(s.IdPUID); ok {
		event.IdP = idp.Name
	}
	b := Beginning{Session: s, Profile: in.Profile, Redemptions: in.Redemptions, Event: event}
	if p := in.Previous; p != nil {
		b.Previous = &p.Handle
		if p.ID == s.ID {
			event.Detail["renewed"] = "true"
		} else {
			ended := k.event(ctx, audit.TypeSessionEnded, *p, audit.Changed)
			ended.Detail["reason"] = EndedByAnother
			ended.Trace = event.Trace
			b.Ended = &ended
		}
	}
	if err := k.Store.Start(ctx, b); err != nil {
		return Session{}, nil, err
	}
	return s, cookie(t, value), nil
}
