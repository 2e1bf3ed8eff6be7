package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
)

// Directories find users; *snapshot.Users does.
type Directories interface {
	Directory(t *snapshot.Tenant) federation.Directory
}

// ErrUnavailable says that it cannot be known who is signed in. Nobody is not the answer to that.
var ErrUnavailable = errors.New("sessions cannot be read")

// Reasons why a session ended before its time.
const (
	EndedByPerson   = "signed_out"
	EndedByIdP      = "idp_logout"
	EndedByRenewal  = "renewed"  // it goes on under another handle
	EndedByAnother  = "replaced" // somebody else signed in, in the same browser, or the same person at another IdP
	EndedByUser     = "user_not_active"
	EndedByEntry    = "idp_not_trusted"
	EndedByRevoking = "revoked"
	EndedByTenant   = "tenant_not_active"
)

// seenEvery is how far SeenAt may be behind.
const seenEvery = time.Minute

// Config is what a Keeper needs. Every member is required.
type Config struct {
	Store       Store
	Directories Directories
	Now         func() time.Time
	Log         *slog.Logger
}

// Keeper keeps people signed in.
type Keeper struct{ Config }

// New refuses a configuration in which a part is missing.
func New(c Config) (*Keeper, error) {
	if c.Store == nil || c.Directories == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("session: a part is missing")
	}
	return &Keeper{c}, nil
}

// Current is the session of a browser, nil where nobody is signed in. An error is never that.
func (k *Keeper) Current(ctx context.Context, t *snapshot.Tenant, r *http.Request) (*Session, error) {
	handle, ok := HandleOf(t, r)
	if !ok {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	s, err := k.Store.Find(ctx, t.UID, handle)
	alive, err := k.judge(ctx, t, s, err)
	if err != nil || alive == nil {
		return nil, err
	}
	return k.touch(ctx, alive), nil
}

// Alive is the session that began with a handle, or in which that one goes on; nil where it has ended. It does not count
// as being seen.
func (k *Keeper) Alive(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*Session, error) {
	s, err := k.Store.Follow(ctx, t.UID, handle)
	return k.judge(ctx, t, s, err)
}

// judge answers a session only while everything that it rests on holds:
//
//  1. it is there, has not ended, and no mark is above it (the store's answer);
//  2. neither of its limits is reached, by the tenant's rules of today;
//  3. its IdP is trusted, under the same issuer;
//  4. its user is there, active, and still of that IdP.
func (k *Keeper) judge(ctx context.Context, t *snapshot.Tenant, s Session, err error) (*Session, error) {
	if errors.Is(err, ErrGone) {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	if err != nil {
		return nil, errors.Join(ErrUnavailable, err)
	}
	if s.Tenant != t.UID || !k.within(t, s) {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	reason, err := k.fallen(ctx, t, s)
	if err != nil {
		return nil, errors.Join(ErrUnavailable, err)
	}
	if reason == "" {
		return &s, nil
	}
	// What it rested on may come back, the session does not.
	if err := k.end(ctx, s, reason); err != nil && !errors.Is(err, ErrGone) {
		k.Log.Warn("a session was not ended in the database", "session", s.ID, "reason", reason, "error", err)
	}
	return nil, nil //nolint:nilnil // nobody is an answer
}

// within tells whether no limit is reached. A limit that nobody set is reached.
func (k *Keeper) within(t *snapshot.Tenant, s Session) bool {
	now := k.Now()
	ends := s.ExpiresAt
	if limit := s.StartedAt.Add(t.SignIn.Absolute); limit.Before(ends) {
		ends = limit
	}
	return now.Before(ends) && now.Before(s.SeenAt.Add(t.SignIn.Idle))
}

// fallen is why a session ends although its time is not over, "" while it does not.
func (k *Keeper) fallen(ctx context.Context, t *snapshot.Tenant, s Session) (reason string, err error) {
	idp, ok := t.IdentityProvider(s.IdPUID)
	if !ok || idp.Disabled || idp.Issuer != s.Issuer {
		return EndedByEntry, nil
	}
	directory := k.Directories.Directory(t)
	accounts, err := directory.ByID(ctx, s.UserUID)
	if err != nil {
		return "", fmt.Errorf("look up the user of a session: %w", err)
	}
	if len(accounts) != 1 || accounts[0].UID != s.UserUID || accounts[0].Status != federation.StatusActive {
		return EndedByUser, nil
	}
	if accounts[0].Guest && !idp.Subject.AllowGuests {
		return EndedByEntry, nil
	}
	vouches, err := federation.Vouches(ctx, directory, idp, s.UserUID)
	if err != nil {
		return "", fmt.Errorf("look up the identities of a session's user: %w", err)
	}
	if !vouches {
		return EndedByUser, nil
	}
	return "", nil
}

// touch notes that a session was seen, at most once a minute. What cannot be noted ends it sooner, never later.
func (k *Keeper) touch(ctx context.Context, s *Session) *Session {
	now := k.Now()
	if now.Sub(s.SeenAt) < seenEvery {
		return s
	}
	if err := k.Store.Touch(ctx, s.Tenant, s.Handle, now); err != nil {
		k.Log.Warn("that a session was seen was not noted", "session", s.ID, "error", err)
		return s
	}
	s.SeenAt = now
	return s
}

// End ends the session of a handle, or in which that one goes on, and all that was bound to it: whoever renews it meanwhile
// does not keep it. One that is not there is no error.
func (k *Keeper) End(ctx context.Context, t *snapshot.Tenant, handle [32]byte, reason string) error {
	s, err := k.Store.Follow(ctx, t.UID, handle)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	return k.EndOne(ctx, t, s.UserUID, s.ID, reason)
}

// EndOne ends one of a user's sessions by its ID. Another's is not there.
func (k *Keeper) EndOne(ctx context.Context, t *snapshot.Tenant, userUID, sessionID, reason string) error {
	if userUID == "" || sessionID == "" {
		return nil
	}
	s := Session{Tenant: t.UID, UserUID: userUID, ID: sessionID}
	event := k.event(ctx, audit.TypeSessionEnded, s, audit.Changed)
	event.Detail["reason"] = reason
	_, err := k.Store.End(ctx, Ending{Tenant: t.UID, At: k.Now(), Reason: reason, ID: sessionID, UserUID: userUID, Event: event})
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// EndAll ends every session of a user, however many there are: those that no list shows too.
func (k *Keeper) EndAll(ctx context.Context, t *snapshot.Tenant, userUID, reason string) error {
	if userUID == "" {
		return nil
	}
	for {
		event := k.event(ctx, audit.TypeSessionEnded, Session{Tenant: t.UID, UserUID: userUID}, audit.Changed)
		event.Detail = map[string]string{"reason": reason, "how": "everywhere"}
		_, err := k.Store.End(ctx, Ending{Tenant: t.UID, At: k.Now(), Reason: reason, UserUID: userUID, All: true, Event: event})
		if errors.Is(err, ErrGone) { // none is left
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (k *Keeper) end(ctx context.Context, s Session, reason string) error {
	event := k.event(ctx, audit.TypeSessionEnded, s, audit.Changed)
	event.Detail["reason"] = reason
	_, err := k.Store.End(ctx, Ending{Tenant: s.Tenant, At: k.Now(), Reason: reason, Handle: &s.Handle, Event: event})
	return err
}

// List lists the sessions of a user that are alive, the newest first.
func (k *Keeper) List(ctx context.Context, t *snapshot.Tenant, userUID string) ([]Session, error) {
	if userUID == "" {
		return nil, nil
	}
	all, err := k.Store.List(ctx, t.UID, userUID)
	if err != nil {
		return nil, errors.Join(ErrUnavailable, err)
	}
	return slices.DeleteFunc(all, func(s Session) bool { return !k.within(t, s) }), nil
}

// Profile is what an IdP said of a user at his last sign-in there.
func (k *Keeper) Profile(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (Profile, bool, error) {
	return k.Store.Profile(ctx, t.UID, userUID, idpUID)
}
