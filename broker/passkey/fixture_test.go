package passkey_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shelf is a store in memory.
type shelf struct {
	keys       []passkey.Credential
	challenges map[[32]byte]passkey.Challenge
	events     []audit.Event
	fail       error
}

func (s *shelf) List(_ context.Context, t tenant.UID, userUID string) ([]passkey.Credential, error) {
	var own []passkey.Credential
	for _, c := range s.keys {
		if c.Tenant == t && c.UserUID == userUID {
			own = append(own, c)
		}
	}
	return own, s.fail
}

func (s *shelf) Add(_ context.Context, c passkey.Credential, most int, e audit.Event) error {
	own := 0
	for _, k := range s.keys {
		if k.Tenant == c.Tenant && string(k.Credential) == string(c.Credential) {
			return passkey.ErrTaken
		}
		if k.UserUID == c.UserUID {
			own++
		}
	}
	if own >= most {
		return passkey.ErrFull
	}
	s.keys, s.events = append(s.keys, c), append(s.events, e)
	return s.fail
}

func (s *shelf) Use(_ context.Context, c passkey.Credential, from uint32, e audit.Event) error {
	for i, k := range s.keys {
		if k.Tenant == c.Tenant && string(k.Credential) == string(c.Credential) && k.SignCount == from {
			s.keys[i], s.events = c, append(s.events, e)
			return s.fail
		}
	}
	return passkey.ErrGone
}

func (s *shelf) Remove(_ context.Context, t tenant.UID, userUID, id string, e audit.Event) error {
	had := len(s.keys)
	s.keys = slices.DeleteFunc(s.keys, func(c passkey.Credential) bool { return c.Tenant == t && c.UserUID == userUID && c.ID == id })
	if len(s.keys) == had {
		return passkey.ErrGone
	}
	s.events = append(s.events, e)
	return nil
}

func (s *shelf) Expect(_ context.Context, c passkey.Challenge) error {
	s.challenges[c.Handle] = c
	return s.fail
}

func (s *shelf) Take(_ context.Context, _ tenant.UID, handle [32]byte, now time.Time) (passkey.Challenge, error) {
	c, ok := s.challenges[handle]
	delete(s.challenges, handle)
	if !ok || !now.Before(c.ExpiresAt) {
		return passkey.Challenge{}, passkey.ErrGone
	}
	return c, nil
}

type lane struct{ events []audit.Event }

func (l *lane) Add(e audit.Event, _ string) { l.events = append(l.events, e) }

type world struct {
	*passkey.Desk
	shelf  *shelf
	lane   *lane
	now    time.Time
	tenant *snapshot.Tenant
	alice  session.Session
	bob    session.Session
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldAt(t, "https://auth.acme.test")
}

func newWorldAt(t *testing.T, publicURL string) *world {
	t.Helper()
	w := &world{shelf: &shelf{challenges: map[[32]byte]passkey.Challenge{}}, lane: &lane{}, now: now}
	uid := tenant.MustParseUID(id.New(id.Tenant, now))
	w.tenant = &snapshot.Tenant{UID: uid, Name: "default", SignIn: snapshot.SignIn{Passkeys: true}}
	w.alice = session.Session{Handle: [32]byte{1}, Tenant: uid, UserUID: "usr_alice", IdPUID: "idp_1", StartedAt: now.Add(-time.Minute)}
	w.bob = session.Session{Handle: [32]byte{2}, Tenant: uid, UserUID: "usr_bob", IdPUID: "idp_1", StartedAt: now.Add(-time.Minute)}
	var err error
	w.Desk, err = passkey.New(passkey.Config{Store: w.shelf, Lane: w.lane, Now: func() time.Time { return w.now }, PublicURL: publicURL})
	must(t, err)
	return w
}

var visit = passkey.Visit{Trace: "trc_1", Remote: "192.0.2.1"}

// enrolled gives a person a passkey.
func (w *world) enrolled(t *testing.T, s session.Session) *authenticator {
	t.Helper()
	a := newAuthenticator(t)
	options, err := w.BeginEnrolment(t.Context(), w.tenant, s, "alice@acme.test")
	must(t, err)
	_, err = w.Enrol(t.Context(), w.tenant, s, a.create(t, options), "My laptop", visit)
	must(t, err)
	return a
}

func (w *world) options(t *testing.T, s session.Session) []byte {
	t.Helper()
	options, err := w.BeginProof(t.Context(), w.tenant, s)
	must(t, err)
	return options
}
