package signin_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

// requestIn reads a redirect's message, as an IdP does.
func requestIn(t *testing.T, target, kind string) (document, relayState string) {
	t.Helper()
	u, err := url.Parse(target)
	must(t, err)
	raw, err := base64.StdEncoding.DecodeString(u.Query().Get(kind))
	must(t, err)
	inflated, err := io.ReadAll(flate.NewReader(bytes.NewReader(raw)))
	must(t, err)
	return string(inflated), u.Query().Get("RelayState")
}

var idIn = regexp.MustCompile(` ID="([^"]+)"`)

// answer is what the SAML IdP makes a browser post for a departure.
func (h *house) answer(departure signin.Departure, change ...func(*samltest.Draft)) url.Values {
	h.t.Helper()
	document, relayState := requestIn(h.t, departure.URL, "SAMLRequest")
	draft := h.corp.Draft(h.sp, idIn.FindStringSubmatch(document)[1])
	for _, f := range change {
		f(draft)
	}
	return url.Values{"SAMLResponse": {draft.Encoded()}, "RelayState": {relayState}}
}

func (h *house) post(b *browser, form url.Values) (signin.Arrival, error) {
	h.t.Helper()
	t := h.tenant()
	arrival, err := h.ArriveSAML(h.t.Context(), t, h.idp(t, "corp"), form, b.request(http.MethodPost, true))
	b.take(arrival.Cookies)
	return arrival, err
}

func (h *house) unsolicited() url.Values {
	return url.Values{"SAMLResponse": {h.corp.Draft(h.sp, "").Encoded()}}
}

// idpInitiated lets the IdP begin by itself.
func (h *house) idpInitiated() {
	h.changes = append(h.changes, func(t *snapshot.Tenant) {
		p := *t.SignIn.SAML.All()[0]
		p.IdPInitiated = true
		t.SignIn.SAML, _ = saml.NewRegistry([]*saml.Provider{&p})
	})
}

func TestSAMLSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h, b := newHouse(t, d), newBrowser()
		departure := h.depart(b, "corp", signin.Ask{Then: "/authorize/req_1"})
		for _, c := range b.cookies {
			if c.SameSite != http.SameSiteNoneMode || !c.Secure || !c.HttpOnly || c.MaxAge != 600 {
				t.Errorf("the departure's cookie is %+v", c)
			}
		}
		arrival, err := h.post(b, h.answer(departure))
		must(t, err)
		s := h.current(b)
		if s == nil || arrival.Then != "/authorize/req_1" || s.Proof.ACR != "pwd" || s.Proof.AuthTime.IsZero() || s.Upstream.SessionID != "_session1" {
			t.Fatalf("arrived %+v, signed in %+v", arrival, s)
		}
		p, ok, err := h.keeper.Profile(t.Context(), h.tenant(), s.UserUID, s.IdPUID)
		if err != nil || !ok || len(p.Groups) != 2 || p.GroupsState != "complete" {
			t.Errorf("profile %+v %v %v", p, ok, err)
		}
		// Signing in again comes without the session's cookie, which no cross-site post brings, and still ends the old one.
		old := b.clone()
		again, err := h.post(b, h.answer(h.depart(b, "corp", signin.Ask{})))
		must(t, err)
		if h.current(old) != nil || again.Session.ID != arrival.Session.ID {
			t.Error("the old session lives beside the new one")
		}
	})
}

// A session does not outlive the IdP's (SessionNotOnOrAfter).
func TestSAMLSessionEnds(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	arrival, err := h.post(b, h.answer(h.depart(b, "corp", signin.Ask{}), func(d *samltest.Draft) {
		d.Find("AuthnStatement").CreateAttr("SessionNotOnOrAfter", h.now().Add(20*time.Minute).Format(time.RFC3339))
	}))
	must(t, err)
	if left := arrival.Session.ExpiresAt.Sub(h.now()); left > 20*time.Minute {
		t.Errorf("it ends in %s", left)
	}
	h.pass(21 * time.Minute)
	if h.current(b) != nil {
		t.Error("it outlived the IdP's")
	}
}

func TestSAMLRefused(t *testing.T) {
	for name, c := range map[string]struct {
		code oauth.Code
		try  func(h *house, b *browser) error
	}{
		"another browser": {oauth.CodeSAMLInResponseTo, func(h *house, b *browser) error {
			_, err := h.post(newBrowser(), h.answer(h.depart(b, "corp", signin.Ask{})))
			return err
		}},
		"a second use": {oauth.CodeSAMLInResponseTo, func(h *house, b *browser) error {
			form := h.answer(h.depart(b, "corp", signin.Ask{}))
			twin := b.clone()
			if _, err := h.post(b, form); err != nil {
				return err
			}
			_, err := h.post(twin, form)
			return err
		}},
		"the response to another departure of the browser": {oauth.CodeSAMLInResponseTo, func(h *house, b *browser) error {
			first, second := h.answer(h.depart(b, "corp", signin.Ask{})), h.answer(h.depart(b, "corp", signin.Ask{}))
			first.Set("RelayState", second.Get("RelayState"))
			_, err := h.post(b, first)
			return err
		}},
		"too late": {oauth.CodeSignInExpired, func(h *house, b *browser) error {
			departure := h.depart(b, "corp", signin.Ask{})
			h.pass(11 * time.Minute)
			_, err := h.post(b, h.answer(departure))
			return err
		}},
		"unsolicited": {oauth.CodeSAMLUnsolicited, func(h *house, b *browser) error {
			_, err := h.post(b, h.unsolicited())
			return err
		}},
		"unsolicited, within a departure": {oauth.CodeSAMLInResponseTo, func(h *house, b *browser) error {
			h.idpInitiated()
			form := h.unsolicited()
			form.Set("RelayState", h.answer(h.depart(b, "corp", signin.Ask{})).Get("RelayState"))
			_, err := h.post(b, form)
			return err
		}},
		"no response": {oauth.CodeSAMLMalformed, func(h *house, b *browser) error {
			_, err := h.post(b, url.Values{})
			return err
		}},
		"two responses": {oauth.CodeSAMLMalformed, func(h *house, b *browser) error {
			form := h.answer(h.depart(b, "corp", signin.Ask{}))
			form.Add("SAMLResponse", form.Get("SAMLResponse"))
			_, err := h.post(b, form)
			return err
		}},
		"stale where it was forced": {oauth.CodeSAMLAuthnStale, func(h *house, b *browser) error {
			now := time.Duration(0)
			_, err := h.post(b, h.answer(h.depart(b, "corp", signin.Ask{MaxAge: &now}), func(d *samltest.Draft) {
				d.Find("AuthnStatement").CreateAttr("AuthnInstant", h.now().Add(-time.Hour).Format(time.RFC3339))
			}))
			return err
		}},
		"nobody may be asked": {oauth.CodeIdPInteractionRequired, func(h *house, b *browser) error {
			t := h.tenant()
			_, err := h.Depart(h.t.Context(), t, h.idp(t, "corp"), signin.Ask{Prompt: []string{"none"}}, b.request(http.MethodGet, false))
			return err
		}},
		"an acr that the IdP has no class for": {oauth.CodeIdPStepUpUnsupported, func(h *house, b *browser) error {
			t := h.tenant()
			_, err := h.Depart(h.t.Context(), t, h.idp(t, "corp"), signin.Ask{ACRValues: []string{"mfa"}}, b.request(http.MethodGet, false))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h, b := sqlite(t), newBrowser()
			h.refused(c.try(h, b), c.code)
			if b.cookies["__Host-chancery"] != nil && name != "a second use" {
				t.Error("somebody was signed in")
			}
		})
	}
}

// What an IdP begins by itself signs nobody in before the person confirmed it, in the browser that it came to, once.
func TestIdPInitiated(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	h.idpInitiated()
	arrival, err := h.post(b, h.unsolicited())
	must(t, err)
	if arrival.Confirm == "" || arrival.Session.Handle != [32]byte{} || arrival.Person != "alice@acme.example" || h.current(b) != nil {
		t.Fatalf("arrived %+v", arrival)
	}
	confirm := func(b *browser, handle string) error {
		arrival, err := h.Confirm(t.Context(), h.tenant(), handle, b.request(http.MethodPost, false))
		b.take(arrival.Cookies)
		return err
	}
	h.refused(confirm(newBrowser(), arrival.Confirm), oauth.CodeSignInConfirmUnknown)
	h.refused(confirm(b, arrival.Confirm+"x"), oauth.CodeSignInConfirmUnknown)
	twin := b.clone()
	must(t, confirm(b, arrival.Confirm))
	if h.current(b) == nil {
		t.Error("nobody is signed in")
	}
	h.refused(confirm(twin, arrival.Confirm), oauth.CodeSignInConfirmUnknown)

	late := newBrowser()
	arrival, err = h.post(late, h.unsolicited())
	must(t, err)
	h.pass(5*time.Minute + time.Second)
	h.refused(confirm(late, arrival.Confirm), oauth.CodeSignInConfirmUnknown)
}

// A response is used up once, on every replica, whatever browser brings it.
func TestSAMLReplay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		h.idpInitiated()
		form := h.unsolicited()
		_, err := h.post(newBrowser(), form)
		must(t, err)
		another := h.replica(t)
		another.idpInitiated()
		_, err = another.post(newBrowser(), form)
		h.refused(err, oauth.CodeSAMLReplayed)
	})
}
