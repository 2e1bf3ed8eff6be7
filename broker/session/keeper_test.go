package session_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

// shelf keeps sessions in memory, as the contract says.
type shelf struct {
	session.Store
	rows    map[[32]byte]session.Session
	ended   map[string]string
	fail    error
	touched int
	begun   []session.Beginning
}

func (s *shelf) Find(_ context.Context, t tenant.UID, handle [32]byte) (session.Session, error) {
	if s.fail != nil {
		return session.Session{}, s.fail
	}
	if one, ok := s.rows[handle]; ok && one.Tenant == t && s.ended[one.ID] == "" {
		return one, nil
	}
	return session.Session{}, session.ErrGone
}

func (s *shelf) Follow(ctx context.Context, t tenant.UID, handle [32]byte) (session.Session, error) {
	return s.Find(ctx, t, handle)
}

func (s *shelf) Start(_ context.Context, b session.Beginning) error {
	if s.fail != nil {
		return s.fail
	}
	s.begun = append(s.begun, b)
	s.rows[b.Session.Handle] = b.Session
	if b.Previous != nil {
		delete(s.rows, *b.Previous)
	}
	return nil
}

func (s *shelf) Touch(_ context.Context, _ tenant.UID, handle [32]byte, at time.Time) error {
	s.touched++
	one := s.rows[handle]
	one.SeenAt = at
	s.rows[handle] = one
	return nil
}

func (s *shelf) End(_ context.Context, e session.Ending) (bool, error) {
	for _, one := range s.rows {
		meant := e.Handle != nil && one.Handle == *e.Handle || one.ID == e.ID && one.UserUID == e.UserUID || e.All && one.UserUID == e.UserUID
		if meant && s.ended[one.ID] == "" { // of all it ends one at a time
			s.ended[one.ID] = e.Reason
			return true, nil
		}
	}
	return false, session.ErrGone
}

func (s *shelf) List(context.Context, tenant.UID, string) ([]session.Session, error) {
	var all []session.Session
	for _, one := range s.rows {
		all = append(all, one)
	}
	return all, s.fail
}

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec: {issuer: "https://idp.acme.com", assertions: {profiles: [id-jag], algorithms: [ES256]}, subject: {match: [sub]}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, identities: [{idp: okta, sub: 00u1}]}
`

// desk is a keeper over a shelf, and alice signed in.
type desk struct {
	*session.Keeper
	shelf  *shelf
	clock  time.Time
	tenant *snapshot.Tenant
	first  session.Session
	cookie *http.Cookie
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{shelf: &shelf{rows: map[[32]byte]session.Session{}, ended: map[string]string{}}, clock: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return d.clock }
	stored, source := snapshottest.New(t, "https://auth.acme.com", now, objects)
	picture, err := source.Get(t.Context(), "default")
	must(t, err)
	copied := *picture
	copied.SignIn = snapshot.SignIn{Idle: time.Hour, Absolute: 8 * time.Hour}
	d.tenant = &copied
	d.Keeper, err = session.New(session.Config{Store: d.shelf, Directories: source.Users(), Now: now, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	alice, err := stored.Get(t.Context(), picture.UID, "User", "alice")
	must(t, err)
	idp, _ := picture.Registry.Named("okta")
	d.first, d.cookie, err = d.Start(t.Context(), d.tenant, session.Session{UserUID: alice.UID, IdPUID: idp.UID}, nil)
	must(t, err)
	return d
}

func (d *desk) request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://auth.acme.com", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestCurrent(t *testing.T) {
	d := newDesk(t)
	s, err := d.Current(t.Context(), d.tenant, d.request(d.cookie))
	if err != nil || s == nil || s.ID != d.first.ID || d.shelf.touched != 0 {
		t.Fatalf("%+v %v, touched %d", s, err, d.shelf.touched)
	}
	for range 3 { // once a minute at most
		d.clock = d.clock.Add(30 * time.Second)
		if _, err := d.Current(t.Context(), d.tenant, d.request(d.cookie)); err != nil {
			t.Fatal(err)
		}
	}
	if d.shelf.touched != 1 {
		t.Errorf("touched %d times", d.shelf.touched)
	}
}

// Nobody is signed in by anything but exactly one whole cookie.
func TestCurrentOfNobody(t *testing.T) {
	d := newDesk(t)
	const name = "__Host-chancery="
	value := d.cookie.Value
	for what, header := range map[string]string{
		"none":            "",
		"two":             name + value + "; " + name + value,
		"empty":           name,
		"shorter":         name + value[:42],
		"longer":          name + value + "A",
		"another case":    name + strings.ToLower(value),
		"loose end bits":  name + value[:42] + "_",
		"of another name": "chancery=" + value,
		"of a tenant":     "__Host-chancery.beta=" + value,
		"the handle":      name + base64.RawURLEncoding.EncodeToString(d.first.Handle[:]),
	} {
		r := d.request()
		r.Header.Set("Cookie", header)
		if s, err := d.Current(t.Context(), d.tenant, r); err != nil || s != nil {
			t.Errorf("%s: %+v %v", what, s, err)
		}
	}
}

func TestCookieNames(t *testing.T) {
	for name, want := range map[string]string{"default": "__Host-chancery", "beta": "__Host-chancery.beta", "browser": "__Host-chancery.browser"} {
		if got := session.CookieName(&snapshot.Tenant{Name: name}); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	d := newDesk(t)
	if c := d.Forget(d.tenant); c.Name != "__Host-chancery" || c.MaxAge >= 0 || !c.Secure || c.Path != "/" {
		t.Errorf("forgets by %+v", c)
	}
}

// What cannot be read is not nobody.
func TestUnavailable(t *testing.T) {
	d := newDesk(t)
	broken := errors.New("no database")
	d.shelf.fail = broken
	for name, err := range map[string]error{
		"current": func() error { _, err := d.Current(t.Context(), d.tenant, d.request(d.cookie)); return err }(),
		"alive":   func() error { _, err := d.Alive(t.Context(), d.tenant, d.first.Handle); return err }(),
		"end":     d.End(t.Context(), d.tenant, d.first.Handle, session.EndedByPerson),
		"list":    func() error { _, err := d.List(t.Context(), d.tenant, d.first.UserUID); return err }(),
	} {
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// broken are directories that cannot be read.
type broken struct{}

func (broken) Directory(*snapshot.Tenant) federation.Directory { return unread{} }

type unread struct{ federation.Directory }

func (unread) ByID(context.Context, string) ([]federation.Account, error) {
	return nil, errors.New("no directory")
}

func TestDirectoryUnavailable(t *testing.T) {
	d := newDesk(t)
	d.Directories = broken{}
	if s, err := d.Current(t.Context(), d.tenant, d.request(d.cookie)); s != nil || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("%+v %v", s, err)
	}
	if len(d.shelf.ended) > 0 {
		t.Error("a directory that cannot be read ended a session")
	}
}

// A session falls with its limits, its IdP and its tenant.
func TestFalls(t *testing.T) {
	for name, c := range map[string]struct {
		fall   func(d *desk)
		reason string // of the end in the database; "" for what needs none
	}{
		"idle":                     {func(d *desk) { d.clock = d.clock.Add(time.Hour) }, ""},
		"a shorter limit":          {func(d *desk) { d.clock, d.tenant.SignIn.Absolute = d.clock.Add(time.Minute), time.Minute }, ""},
		"no limit":                 {func(d *desk) { d.tenant.SignIn.Idle = 0 }, ""},
		"no absolute limit":        {func(d *desk) { d.tenant.SignIn.Absolute = 0 }, ""},
		"another tenant":           {func(d *desk) { d.tenant.UID = tenant.MustParseUID("ten_other") }, ""},
		"the IdP disabled":         {func(d *desk) { d.edit(func(p *federation.IdentityProvider) { p.Disabled = true }) }, session.EndedByEntry},
		"the IdP points elsewhere": {func(d *desk) { d.edit(func(p *federation.IdentityProvider) { p.Issuer = "https://evil.example" }) }, session.EndedByEntry},
		"nobody of this uid": {func(d *desk) {
			s := d.shelf.rows[d.first.Handle]
			s.UserUID = "usr_gone"
			d.shelf.rows[d.first.Handle] = s
		}, session.EndedByUser},
		"an IdP that is gone": {func(d *desk) {
			s := d.shelf.rows[d.first.Handle]
			s.IdPUID = "idp_gone"
			d.shelf.rows[d.first.Handle] = s
		}, session.EndedByEntry},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			c.fall(d)
			for _, ask := range []func() (*session.Session, error){
				func() (*session.Session, error) { return d.Current(t.Context(), d.tenant, d.request(d.cookie)) },
				func() (*session.Session, error) { return d.Alive(t.Context(), d.tenant, d.first.Handle) },
			} {
				if s, err := ask(); err != nil || s != nil {
					t.Errorf("%+v %v", s, err)
				}
			}
			if d.shelf.ended[d.first.ID] != c.reason {
				t.Errorf("ended for %q, want %q", d.shelf.ended[d.first.ID], c.reason)
			}
		})
	}
}

// edit changes the IdP in the picture, which is the test's own.
func (d *desk) edit(change func(*federation.IdentityProvider)) {
	idp, _ := d.tenant.IdentityProvider(d.first.IdPUID)
	change(idp)
}

func TestRaise(t *testing.T) {
	d := newDesk(t)
	d.clock = d.clock.Add(7 * time.Minute)
	raised, cookie, err := d.Raise(t.Context(), d.tenant, d.first, session.Proof{ACR: "passkey", AuthTime: d.clock})
	must(t, err)
	if raised.Handle == d.first.Handle || raised.ID != d.first.ID || !raised.ExpiresAt.Equal(d.first.ExpiresAt) || !raised.StartedAt.Equal(d.first.StartedAt) ||
		raised.Version != d.first.Version || raised.Proof.ACR != "passkey" {
		t.Errorf("raised to %+v", raised)
	}
	if s, err := d.Current(t.Context(), d.tenant, d.request(d.cookie)); err != nil || s != nil {
		t.Errorf("the old cookie opens %+v %v", s, err)
	}
	if s, err := d.Current(t.Context(), d.tenant, d.request(cookie)); err != nil || s == nil || s.Proof.ACR != "passkey" {
		t.Errorf("the new one opens %+v %v", s, err)
	}
	for name, change := range map[string]func(*session.Session){
		"of another tenant": func(s *session.Session) { s.Tenant = tenant.MustParseUID("ten_other") },
		"of nobody":         func(s *session.Session) { s.UserUID = "" },
		"of no IdP":         func(s *session.Session) { s.IdPUID = "" },
		"of none":           func(s *session.Session) { s.ID = "" },
	} {
		s := raised
		change(&s)
		if _, _, err := d.Raise(t.Context(), d.tenant, s, session.Proof{}); !errors.Is(err, session.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	d := newDesk(t)
	if _, _, err := d.Start(t.Context(), d.tenant, session.Session{IdPUID: d.first.IdPUID}, nil); !errors.Is(err, session.ErrIncomplete) {
		t.Errorf("of nobody: %v", err)
	}
	if _, _, err := d.Start(t.Context(), d.tenant, session.Session{UserUID: "usr_1", IdPUID: "idp_gone"}, nil); !errors.Is(err, session.ErrIncomplete) {
		t.Errorf("of an IdP that is not there: %v", err)
	}
	d.tenant.SignIn.Absolute = 0
	if _, _, err := d.Start(t.Context(), d.tenant, session.Session{UserUID: "usr_1", IdPUID: d.first.IdPUID}, nil); !errors.Is(err, session.ErrLimits) {
		t.Errorf("without an end: %v", err)
	}
}

// One person ends his own sessions, and nobody else's.
func TestEndOne(t *testing.T) {
	d := newDesk(t)
	must(t, d.EndOne(t.Context(), d.tenant, "usr_eve", d.first.ID, session.EndedByPerson))
	if len(d.shelf.ended) > 0 {
		t.Error("eve ended alice's session")
	}
	must(t, d.EndOne(t.Context(), d.tenant, d.first.UserUID, d.first.ID, session.EndedByPerson))
	if d.shelf.ended[d.first.ID] != session.EndedByPerson {
		t.Error("not ended")
	}
}

// Somebody else in the same browser takes nothing over, nor does the same person whom another IdP, or another name there, vouches for.
// TestEndAll: as long as one is left, they are ended; of nobody, none.
func TestEndAll(t *testing.T) {
	d := newDesk(t)
	for i := range 5 {
		one := d.first
		one.Handle, one.ID = [32]byte{byte(i + 1)}, fmt.Sprintf("ses_%d", i)
		d.shelf.rows[one.Handle] = one
	}
	theirs := d.first
	theirs.Handle, theirs.ID, theirs.UserUID = [32]byte{99}, "ses_theirs", "usr_bob"
	d.shelf.rows[theirs.Handle] = theirs
	must(t, d.EndAll(t.Context(), d.tenant, "", session.EndedByPerson))
	if len(d.shelf.ended) != 0 {
		t.Errorf("of nobody: %v", d.shelf.ended)
	}
	must(t, d.EndAll(t.Context(), d.tenant, d.first.UserUID, session.EndedByPerson))
	if len(d.shelf.ended) != len(d.shelf.rows)-1 || d.shelf.ended["ses_theirs"] != "" {
		t.Errorf("ended %v", d.shelf.ended)
	}
}

func TestWhatGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*session.Session)
		goesOn bool
	}{
		"the same":              {func(*session.Session) {}, true},
		"another session there": {func(s *session.Session) { s.Upstream.SessionID = "sid-2" }, true},
		"another person":        {func(s *session.Session) { s.UserUID = "usr_bob" }, false},
		"another issuer":        {func(s *session.Session) { s.Issuer = "https://old.example" }, false},
		"another IdP":           {func(s *session.Session) { s.IdPUID = "idp_other" }, false},
		"another tenant":        {func(s *session.Session) { s.Tenant = tenant.MustParseUID("ten_other") }, false},
		"another name there":    {func(s *session.Session) { s.Upstream.Subject = "00u2" }, false},
		"another tenant there":  {func(s *session.Session) { s.Upstream.Tenant = "tid-2" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			before := d.first
			c.change(&before)
			next, _, err := d.Start(t.Context(), d.tenant, session.Session{UserUID: d.first.UserUID, IdPUID: d.first.IdPUID}, &before)
			must(t, err)
			last := d.shelf.begun[len(d.shelf.begun)-1]
			if (next.ID == before.ID) != c.goesOn || (last.Ended == nil) != c.goesOn {
				t.Errorf("began %+v", last)
			}
			if !c.goesOn && (last.Ended.Detail["reason"] != session.EndedByAnother || last.Ended.OnBehalf != before.UserUID) {
				t.Errorf("ended %+v", last.Ended)
			}
		})
	}
}
