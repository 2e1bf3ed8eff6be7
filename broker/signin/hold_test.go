package signin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Who signs out while another of his windows renews the session has signed out: the renewed one has ended too.
func TestSignOutMeetsRenewal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h, b := newHouse(t, d), newBrowser()
		read := h.mustSignIn(b, "okta", signin.Ask{}).Session
		h.mustSignIn(b, "okta", signin.Ask{}) // the other window
		must(t, h.keeper.End(t.Context(), h.tenant(), read.Handle, session.EndedByPerson))
		if s := h.current(b); s != nil {
			t.Errorf("still signed in: %s", s.ID)
		}
		must(t, h.keeper.End(t.Context(), h.tenant(), read.Handle, session.EndedByPerson)) // nothing is left
	})
}

// The same person from another IdP begins another session: what the first IdP vouched for ends with its session, and does
// not slip from its logout.
func TestAnotherIdPIsAnotherSession(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	s := h.mustSignIn(b, "okta", fresh()).Session
	_, err := h.signIn(b, "other", signin.Ask{Link: &s})
	must(t, err)
	there := h.mustSignIn(b, "other", signin.Ask{}).Session
	if there.UserUID != s.UserUID || there.ID == s.ID {
		t.Errorf("goes on at another IdP: %+v", there)
	}
	if alive, err := h.keeper.Alive(t.Context(), h.tenant(), s.Handle); err != nil || alive != nil {
		t.Errorf("what was bound to the first: %v %v", alive, err)
	}
}

// A sign-in that waits for a word is of the IdP as it was: an entry that points elsewhere meanwhile is another IdP.
func TestConfirmAfterTheIdPMoved(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	h.idpInitiated()
	arrival, err := h.post(b, h.unsolicited())
	must(t, err)
	h.apply("apiVersion: chancery/v1\nkind: IdentityProvider\nmetadata: {name: corp}\nspec:\n  issuer: https://elsewhere.example\n" +
		"  assertions: {profiles: [id-jag], algorithms: [ES256]}\n  subject: {match: [sub_id, sub], provision: just_in_time}\n")
	_, err = h.Confirm(t.Context(), h.tenant(), arrival.Confirm, b.request(http.MethodPost, false))
	h.refused(err, oauth.CodeSignInConfirmUnknown)
}

// An IdP that may begin by itself no more has nothing that waits.
func TestConfirmAfterTheIdPMayNot(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	h.idpInitiated()
	arrival, err := h.post(b, h.unsolicited())
	must(t, err)
	h.changes = nil
	_, err = h.Confirm(t.Context(), h.tenant(), arrival.Confirm, b.request(http.MethodPost, false))
	h.refused(err, oauth.CodeSignInConfirmUnknown)
}

// A link to an IdP that was made again under its name has ended, and linking another identity does not bring it back (T13).
func TestLinkRevivesNoOther(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	alice, err := h.okta.User(idptest.Alice)
	must(t, err)
	idp := "apiVersion: chancery/v1\nkind: IdentityProvider\nmetadata: {name: third}\nspec: {issuer: \"ISSUER\", assertions: {profiles: [id-jag], algorithms: [ES256]}, subject: {match: [sub]}}\n"
	h.apply(strings.Replace(idp, "ISSUER", "https://third.example", 1))
	h.edit("alice", func(s *object.UserSpec) {
		s.Identities = []object.Identity{{IdP: "okta", Sub: alice.Subject}, {IdP: "third", Sub: "victim"}}
	})
	h.apply(strings.Replace(idp, "ISSUER", "https://hostile.example", 1))
	s := h.mustSignIn(b, "okta", fresh()).Session
	_, err = h.signIn(b, "other", signin.Ask{Link: &s})
	h.refused(err, oauth.CodeIdentityUnlinkable)
	tenant := h.tenant()
	third := h.idp(tenant, "third")
	found, err := h.source.Users().Directory(tenant).BySubject(t.Context(), third, "", "victim")
	if err != nil || len(found) != 0 {
		t.Errorf("the hostile IdP speaks of %+v %v", found, err)
	}
}

type crowded struct{ signin.Departures }

func (crowded) Keep(context.Context, signin.Kept) error { return signin.ErrCrowded }

// Where strangers have filled what a tenant keeps, whoever leaves is told when to come again.
func TestCrowded(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	h.Departures = crowded{h.Departures}
	for _, idp := range []string{"okta", "corp"} {
		tenant := h.tenant()
		_, err := h.Depart(t.Context(), tenant, h.idp(tenant, idp), signin.Ask{}, b.request(http.MethodGet, false))
		h.refused(err, oauth.CodeOverloaded)
		if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.RetryAfter == 0 {
			t.Errorf("no time to come again: %v", err)
		}
	}
}
