package signin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func fresh() signin.Ask {
	now := time.Duration(0)
	return signin.Ask{MaxAge: &now}
}

// Somebody who has just signed in at both IdPs links them, and comes in by either from then on.
func TestLink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h, b := newHouse(t, d), newBrowser()
		s := h.mustSignIn(b, "okta", fresh()).Session
		arrival, err := h.signIn(b, "other", signin.Ask{Link: &s, Then: "/account"})
		must(t, err)
		if !arrival.Linked || arrival.Then != "/account" || arrival.Session.UserUID != s.UserUID || h.current(b) == nil {
			t.Errorf("arrived %+v", arrival)
		}
		if again := h.mustSignIn(newBrowser(), "other", signin.Ask{}); again.Session.UserUID != s.UserUID {
			t.Errorf("came in as %s, not %s", again.Session.UserUID, s.UserUID)
		}
		// What is the user's already is no error, and no change.
		s = h.mustSignIn(b, "okta", fresh()).Session
		_, err = h.signIn(b, "other", signin.Ask{Link: &s})
		must(t, err)
	})
}

func TestLinkRefused(t *testing.T) {
	for name, c := range map[string]struct {
		code oauth.Code
		try  func(h *house, b *browser) error
	}{
		"never by an address": {oauth.CodeSubjectUnmatched, func(h *house, b *browser) error {
			h.mustSignIn(b, "okta", fresh())
			_, err := h.signIn(b, "other", signin.Ask{}) // the same address there
			return err
		}},
		"a session that is not fresh": {oauth.CodeLinkNotFresh, func(h *house, b *browser) error {
			s := h.mustSignIn(b, "okta", fresh()).Session
			h.pass(6 * time.Minute)
			t := h.tenant()
			_, err := h.Depart(h.t.Context(), t, h.idp(t, "other"), signin.Ask{Link: &s}, b.request(http.MethodGet, false))
			return err
		}},
		"a session that was fresh when it left": {oauth.CodeLinkNotFresh, func(h *house, b *browser) error {
			s := h.mustSignIn(b, "okta", fresh()).Session
			departure := h.depart(b, "other", signin.Ask{Link: &s, LoginHint: idptest.Alice})
			h.pass(6 * time.Minute)
			_, err := h.arrive(b, "other", h.visit(departure.URL))
			return err
		}},
		"a session that says no time": {oauth.CodeLinkNotFresh, func(h *house, b *browser) error {
			s := h.mustSignIn(b, "okta", fresh()).Session
			raised, cookie, err := h.keeper.Raise(h.t.Context(), h.tenant(), s, session.Proof{})
			must(h.t, err)
			b.take([]*http.Cookie{cookie})
			t := h.tenant()
			_, err = h.Depart(h.t.Context(), t, h.idp(t, "other"), signin.Ask{Link: &raised}, b.request(http.MethodGet, false))
			return err
		}},
		"a session that ended on the way": {oauth.CodeLinkNotFresh, func(h *house, b *browser) error {
			s := h.mustSignIn(b, "okta", fresh()).Session
			departure := h.depart(b, "other", signin.Ask{Link: &s, LoginHint: idptest.Alice})
			must(h.t, h.keeper.End(h.t.Context(), h.tenant(), s.Handle, session.EndedByPerson))
			_, err := h.arrive(b, "other", h.visit(departure.URL))
			return err
		}},
		"a session that somebody else claims": {oauth.CodeLinkNotFresh, func(h *house, b *browser) error {
			s := h.mustSignIn(b, "okta", fresh()).Session
			s.UserUID = "usr_victim"
			t := h.tenant()
			_, err := h.Depart(h.t.Context(), t, h.idp(t, "other"), signin.Ask{Link: &s}, b.request(http.MethodGet, false))
			return err
		}},
		"an arrival that is not fresh": {oauth.CodeAuthTimeTooOld, func(h *house, b *browser) error {
			s := h.mustSignIn(b, "okta", fresh()).Session
			h.other.BreakIDTokens(&idptest.Mutation{Break: func(d *idptest.Draft, _ *idptest.IdP) { d.Claims["auth_time"] = h.now().Add(-time.Hour).Unix() }})
			_, err := h.signIn(b, "other", signin.Ask{Link: &s})
			return err
		}},
		"in another browser": {oauth.CodeSignInStateMismatch, func(h *house, b *browser) error {
			s := h.mustSignIn(b, "okta", fresh()).Session
			values := h.visit(h.depart(b, "other", signin.Ask{Link: &s, LoginHint: idptest.Alice}).URL)
			_, err := h.arrive(newBrowser(), "other", values)
			return err
		}},
		"an identity of somebody else": {oauth.CodeIdentityTaken, func(h *house, b *browser) error {
			bob, err := h.other.User(idptest.Bob)
			must(h.t, err)
			h.apply("apiVersion: chancery/v1\nkind: User\nmetadata: {name: bob}\nspec: {identities: [{idp: other, sub: " + bob.Subject + "}]}\n")
			s := h.mustSignIn(b, "okta", fresh()).Session
			_, err = h.signIn(b, "other", signin.Ask{Link: &s, LoginHint: idptest.Bob})
			return err
		}},
		"a user of the configuration file": {oauth.CodeIdentityUnlinkable, func(h *house, b *browser) error {
			h.pin("alice")
			s := h.mustSignIn(b, "okta", fresh()).Session
			_, err := h.signIn(b, "other", signin.Ask{Link: &s})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h, b := sqlite(t), newBrowser()
			h.refused(c.try(h, b), c.code)
			stored, err := h.d.Objects(t).Get(t.Context(), h.d.Default, object.KindUser, "alice")
			must(t, err)
			parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
			must(t, err)
			if spec, ok := parsed.(*object.UserSpec); !ok || len(spec.Identities) != 1 {
				t.Errorf("alice is %s", stored.Spec)
			}
		})
	}
}

// pin makes the configuration file the user's manager.
func (h *house) pin(name string) {
	h.t.Helper()
	stored, err := h.d.Objects(h.t).Get(h.t.Context(), h.d.Default, object.KindUser, name)
	must(h.t, err)
	parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
	must(h.t, err)
	_, err = h.path.Apply(h.t.Context(), "default", []object.Object{{
		APIVersion: object.APIVersion, Kind: object.KindUser, Metadata: object.Metadata{Name: name}, Spec: parsed,
	}}, object.Request{Manager: object.ManagerConfig})
	must(h.t, err)
}
