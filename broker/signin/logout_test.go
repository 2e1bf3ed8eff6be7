package signin_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

func (h *house) backChannel(idp string, at *idptest.Running, options ...idptest.Option) error {
	h.t.Helper()
	token, err := at.LogoutToken(idptest.Alice, client, options...)
	must(h.t, err)
	return h.logout(idp, token)
}

func (h *house) logout(idp, token string) error {
	t := h.tenant()
	return h.BackChannelLogout(h.t.Context(), t, h.idp(t, idp), token)
}

func TestBackChannelLogout(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h, first, second, bob := newHouse(t, d), newBrowser(), newBrowser(), newBrowser()
		one := h.mustSignIn(first, "okta", signin.Ask{}).Session
		h.mustSignIn(second, "okta", signin.Ask{})
		h.mustSignIn(bob, "okta", signin.Ask{LoginHint: idptest.Bob})
		if sid := one.Upstream.SessionID; sid != "" { // one session, where the IdP names it
			must(t, h.backChannel("okta", h.okta, idptest.WithClaim("sid", sid)))
			if h.current(first) != nil || h.current(second) == nil {
				t.Error("ended another session than the one that was named")
			}
		}
		must(t, h.backChannel("okta", h.okta)) // all of alice's
		if h.current(first) != nil || h.current(second) != nil {
			t.Error("alice is still signed in")
		}
		if h.current(bob) == nil {
			t.Error("bob was signed out")
		}
		if alive, err := h.keeper.Alive(t.Context(), h.tenant(), one.Handle); err != nil || alive != nil {
			t.Errorf("what was bound to it lives: %v %v", alive, err)
		}
	})
}

func TestBackChannelLogoutRefused(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	h.mustSignIn(b, "okta", signin.Ask{})
	// An IdP ends nothing of another's, also by the same names.
	h.refused(h.backChannel("okta", h.other), oauth.Code("logout_token_not_for_us"))
	must(t, h.backChannel("other", h.other))
	// What is no logout token, in every way that there is.
	for _, m := range idptest.LogoutMutations() {
		draft, err := h.okta.LogoutDraft(idptest.Alice, client)
		must(t, err)
		m.Break(draft, h.okta.IdP)
		token, err := draft.Sign()
		must(t, err)
		h.refused(h.logout("okta", token), oauth.Code(m.Code))
	}
	if h.current(b) == nil {
		t.Fatal("alice was signed out")
	}
	token, err := h.okta.LogoutToken(idptest.Alice, client)
	must(t, err)
	must(t, h.logout("okta", token))
	h.mustSignIn(b, "okta", signin.Ask{})
	h.refused(h.logout("okta", token), oauth.CodeLogoutReplayed)
	if h.current(b) == nil {
		t.Error("a logout token ended a session twice")
	}
}

// TestReplaysAreCounted: that a signed message came again is on record once; every further copy is a stranger's, and goes
// where those are counted. It is refused all the same.
func TestReplaysAreCounted(t *testing.T) {
	for name, begin := range map[string]func(*house) (again func() error, code oauth.Code){
		"a logout token": func(h *house) (func() error, oauth.Code) {
			token, err := h.okta.LogoutToken(idptest.Alice, client)
			must(h.t, err)
			must(h.t, h.logout("okta", token))
			return func() error { return h.logout("okta", token) }, oauth.CodeLogoutReplayed
		},
		"a logout request": func(h *house) (func() error, oauth.Code) {
			in := h.redirect("SAMLRequest", h.logoutRequest("_l1", "00u1alice", ""), "", true)
			_, err := h.single(newBrowser(), in)
			must(h.t, err)
			return func() error { _, err := h.single(newBrowser(), in); return err }, oauth.CodeLogoutReplayed
		},
		"a response": func(h *house) (func() error, oauth.Code) {
			h.idpInitiated()
			form := h.unsolicited()
			_, err := h.post(newBrowser(), form)
			must(h.t, err)
			return func() error { _, err := h.post(newBrowser(), form); return err }, oauth.CodeSAMLReplayed
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := sqlite(t)
			again, code := begin(h)
			h.refused(again(), code)
			recorded, counted := h.lane.count(code)-h.bounded.count(code), h.bounded.count(code)
			if recorded != 1 || counted != 0 {
				t.Errorf("the first time: %d recorded, %d counted", recorded, counted)
			}
			for range 5 {
				h.refused(again(), code)
			}
			if recorded, counted := h.lane.count(code)-h.bounded.count(code), h.bounded.count(code); recorded != 1 || counted != 5 {
				t.Errorf("%d recorded, %d counted", recorded, counted)
			}
		})
	}
}

func TestSignOut(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	s := h.mustSignIn(b, "okta", signin.Ask{}).Session
	departure, err := h.SignOut(t.Context(), h.tenant(), s, "/account")
	must(t, err)
	b.take(departure.Cookies)
	if h.current(b) != nil || b.cookies["__Host-chancery"] != nil {
		t.Error("still signed in")
	}
	u, err := url.Parse(departure.URL)
	must(t, err)
	if u.Query().Get("id_token_hint") == "" || u.Query().Get("state") == "" || u.Query().Get("post_logout_redirect_uri") != ours+"/signed-out" {
		t.Errorf("goes to %s", departure.URL)
	}
	state := u.Query().Get("state")
	if _, _, ok := h.Returned(t.Context(), h.tenant(), state, newBrowser().request(http.MethodGet, false)); ok {
		t.Error("another browser returned")
	}
	if back, _, ok := h.Returned(t.Context(), h.tenant(), state, b.request(http.MethodGet, false)); !ok || back != "/account" {
		t.Errorf("goes on at %q %v", back, ok)
	}
	if _, _, ok := h.Returned(t.Context(), h.tenant(), state, b.request(http.MethodGet, false)); ok {
		t.Error("returned twice")
	}
	// Our own end never waits for the IdP.
	s = h.mustSignIn(b, "okta", signin.Ask{}).Session
	h.okta.Fail(idptest.PathDiscovery, idptest.FaultDown)
	if _, err := h.SignOut(t.Context(), h.tenant(), s, ""); err != nil || h.current(b) != nil {
		t.Errorf("not signed out: %v", err)
	}
}

// redirect signs a message as the SAML IdP does (SAML bindings §3.4.4.1); unsigned without a key.
func (h *house) redirect(kind, document, relayState string, sign bool) saml.Incoming {
	h.t.Helper()
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, 9)
	must(h.t, err)
	_, err = io.WriteString(w, document)
	must(h.t, err)
	must(h.t, w.Close())
	query := kind + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes()))
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	if !sign {
		return saml.Incoming{Query: query}
	}
	query += "&SigAlg=" + url.QueryEscape(samltest.RSASHA256)
	sum := sha256.Sum256([]byte(query))
	signature, err := h.corp.Key.Sign(rand.Reader, sum[:], crypto.SHA256)
	must(h.t, err)
	return saml.Incoming{Query: query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))}
}

func (h *house) logoutRequest(id, name, index string) string {
	return `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="` + id +
		`" Version="2.0" IssueInstant="` + h.now().Format(time.RFC3339) + `" Destination="` + slo + `"><saml:Issuer>` + h.corp.EntityID +
		`</saml:Issuer><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">` + name + `</saml:NameID>` + index + `</samlp:LogoutRequest>`
}

func (h *house) single(b *browser, in saml.Incoming) (signin.Departure, error) {
	t := h.tenant()
	departure, err := h.SingleLogout(h.t.Context(), t, h.idp(t, "corp"), in, b.request(http.MethodGet, true))
	b.take(departure.Cookies)
	return departure, err
}

func TestSingleLogout(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	signIn := func() {
		t.Helper()
		_, err := h.post(b, h.answer(h.depart(b, "corp", signin.Ask{})))
		must(t, err)
	}
	signIn()
	// Unsigned, of another person, of another session: nobody is signed out.
	_, err := h.single(b, h.redirect("SAMLRequest", h.logoutRequest("_l1", "00u1alice", ""), "", false))
	h.refused(err, oauth.CodeSAMLUnsigned)
	const unknown = "status:UnknownPrincipal" // SAML core §3.2.2.2: nobody's session has ended, and Success would say so
	for document, known := range map[string]bool{
		h.logoutRequest("_l2", "00u2bob", ""):                                                    false,
		h.logoutRequest("_l3", "00u1alice", "<samlp:SessionIndex>_another</samlp:SessionIndex>"): true,
	} {
		departure, err := h.single(b, h.redirect("SAMLRequest", document, "", true))
		must(t, err)
		if answer, _ := requestIn(t, departure.URL, "SAMLResponse"); strings.Contains(answer, unknown) == known || strings.Contains(answer, "status:Success") != known {
			t.Errorf("known %v: answered %s", known, answer)
		}
	}
	if h.current(b) == nil {
		t.Fatal("signed out by what is not of this session")
	}
	in := h.redirect("SAMLRequest", h.logoutRequest("_l4", "00u1alice", "<samlp:SessionIndex>_session1</samlp:SessionIndex>"), "r1", true)
	departure, err := h.single(b, in)
	must(t, err)
	if h.current(b) != nil || b.cookies["__Host-chancery"] != nil {
		t.Error("still signed in")
	}
	if answer, relayState := requestIn(t, departure.URL, "SAMLResponse"); !strings.Contains(answer, "status:Success") || !strings.Contains(answer, `InResponseTo="_l4"`) || relayState != "r1" || !strings.Contains(departure.URL, "Signature=") {
		t.Errorf("answered %s", departure.URL)
	}
	signIn()
	_, err = h.single(b, in)
	h.refused(err, oauth.CodeLogoutReplayed)
	if h.current(b) == nil {
		t.Error("a logout request ended a session twice")
	}
}

// A logout that we begin at a SAML IdP: signed out, and back from there with its signed answer only.
func TestSignOutAtSAML(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	arrival, err := h.post(b, h.answer(h.depart(b, "corp", signin.Ask{})))
	must(t, err)
	departure, err := h.SignOut(t.Context(), h.tenant(), arrival.Session, "/account")
	must(t, err)
	b.take(departure.Cookies)
	document, relayState := requestIn(t, departure.URL, "SAMLRequest")
	if h.current(b) != nil || !strings.Contains(document, "00u1alice") || !strings.Contains(document, "_session1") || !strings.Contains(departure.URL, "Signature=") {
		t.Errorf("asked %s", document)
	}
	response := func() string {
		return `<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r1" Version="2.0" InResponseTo="` +
			idIn.FindStringSubmatch(document)[1] + `" IssueInstant="` + h.now().Format(time.RFC3339) + `" Destination="` + slo + `"><saml:Issuer>` + h.corp.EntityID +
			`</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status></samlp:LogoutResponse>`
	}
	_, err = h.single(newBrowser(), h.redirect("SAMLResponse", response(), relayState, true))
	h.refused(err, oauth.CodeSAMLInResponseTo)
	on, err := h.single(b, h.redirect("SAMLResponse", response(), relayState, true))
	must(t, err)
	if on.URL != "/account" {
		t.Errorf("goes on at %q", on.URL)
	}
	_, err = h.single(b, h.redirect("SAMLResponse", response(), relayState, true))
	h.refused(err, oauth.CodeSAMLInResponseTo)
}

func TestSAMLMetadata(t *testing.T) {
	h := sqlite(t)
	tenant := h.tenant()
	document, err := h.SAMLMetadata(tenant, h.idp(tenant, "corp"))
	if err != nil || !strings.Contains(string(document), acs) || !strings.Contains(string(document), self) {
		t.Errorf("%s %v", document, err)
	}
	if _, err := h.SAMLMetadata(tenant, h.idp(tenant, "okta")); err == nil {
		t.Error("metadata for an IdP that speaks no SAML")
	}
}
