package browser

import (
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

// connecting: a code that is typed, a wrong one, no and yes.
func connecting(t *testing.T, town *town) {
	begin := func() map[string]any {
		status, begun := ask(t, town.Issuer+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"notes:read openid profile"}})
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, begun)
		}
		return begun
	}
	poll := func(begun map[string]any) (int, map[string]any) {
		return ask(t, town.Issuer+"/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {text(begun, "device_code")}, "client_id": {"tv"},
		})
	}
	w := town.browser(t, how{})
	begun := begin()
	w.to(text(begun, "verification_uri"))
	w.throughOkta("fay")
	w.look("device", "Connect a device")
	w.fill("Code", "BCDF-GHJK")
	w.press("Continue")
	w.look("device-wrong", "Connect a device").says(t, "No device is waiting with this code")
	w.fill("Code", strings.ToLower(text(begun, "user_code")))
	w.press("Continue")
	w.look("device-confirm", "Is this your device?").says(t, "Television", text(begun, "user_code"), "Read your notes", "Signed in as fay@acme.com")
	w.press("Deny")
	w.look("device-denied", "Nothing was allowed")
	if status, answer := poll(begun); status != http.StatusBadRequest || answer["error"] != "access_denied" {
		t.Errorf("%d %v", status, answer)
	}

	begun = begin()
	w.to(text(begun, "verification_uri_complete"))
	w.see("Connect a device") // the link alone leads nowhere
	w.press("Continue")
	w.see("Is this your device?")
	w.twice("Allow")
	w.look("device-allowed", "Your device is connected")
	if status, tokens := poll(begun); status != http.StatusOK {
		t.Errorf("%d %v", status, tokens)
	}

	// Who was signed out meanwhile signs in again, and finds what was typed.
	begun = begin()
	w.to(text(begun, "verification_uri_complete"))
	w.see("Connect a device")
	elsewhere := town.browser(t, how{})
	elsewhere.to(town.Issuer + "/account")
	elsewhere.throughOkta("fay")
	elsewhere.see("Your account")
	elsewhere.press("Sign out everywhere")
	elsewhere.see("You are signed out")
	w.press("Continue")
	w.throughOkta("fay")
	w.see("Connect a device")
	w.press("Continue")
	w.see("Is this your device?").says(t, text(begun, "user_code"))
}

// adding: the identity at another IdP leads to the same person from then on.
func adding(t *testing.T, town *town) {
	w := town.browser(t, how{})
	w.to(town.Issuer + "/account")
	w.throughOkta("ned")
	w.see("Your account")
	w.press("Add Acme Works")
	w.signInBySAML("nina")
	w.see("Your account").says(t, "Signed in as ned@acme.com", "1 session")
	other := town.browser(t, how{})
	other.to(town.Issuer + "/account")
	other.see("Sign in")
	other.press("Continue with Acme Works")
	other.signInBySAML("nina")
	other.see("Your account").says(t, "Signed in as nina@works.example", "2 sessions")
}

// ownPage: two sessions, of which one ends the other; a grant that is removed takes its refresh token along.
func ownPage(t *testing.T, town *town) {
	w, other := town.browser(t, how{}), town.browser(t, how{})
	r := town.request("notes:write openid offline_access")
	w.to(r.URL(town.Issuer))
	w.throughOkta("kim")
	w.see("Allow Notes host to act for you?")
	w.press("Allow")
	tokens := town.tokens(t, town.Issuer, r, w.answer(r))
	other.to(town.Issuer + "/account")
	other.throughOkta("kim")
	other.see("Your account")

	w.to(town.Issuer + "/account")
	w.look("account", "Your account").says(t, "Notes host", "2 sessions", "this one", "Sign out everywhere", "Add Acme Works")
	next, ok := town.refreshed(t, tokens)
	if !ok {
		t.Fatal(next)
	}
	w.press("Remove the access of Notes host to notes")
	w.see("Your account")
	if answer, ok := town.refreshed(t, next); ok || answer["error"] != "invalid_grant" {
		t.Errorf("after the removal: %v", answer)
	}
	w.press("Remove what Notes host knows about you")
	w.see("Your account").says(t, "You have allowed none.")
	other.press("Sign out everywhere")
	other.see("You are signed out")
	w.to(town.Issuer + "/account")
	w.see("Sign in")
}

// leaving: a link alone ends nothing; with an ID token it does, and leads back.
func leaving(t *testing.T, town *town) {
	w := town.browser(t, how{})
	r := town.request("openid notes:read")
	w.to(r.URL(town.Issuer))
	w.throughOkta("leo")
	w.see("Allow Notes host to act for you?")
	w.press("Allow")
	town.tokens(t, town.Issuer, r, w.answer(r))

	w.to(town.Issuer + "/end_session")
	w.look("signout", "Sign out?").says(t, "Signed in as leo@acme.com")
	w.press("Stay signed in")
	w.see("Your account")
	w.to(town.Issuer + "/end_session")
	w.see("Sign out?")
	w.press("Sign out")
	w.look("signedout", "You are signed out")

	r = town.request("openid notes:read")
	w.to(r.URL(town.Issuer))
	w.throughOkta("leo")
	tokens := town.tokens(t, town.Issuer, r, w.answer(r))
	back := url.Values{"id_token_hint": {text(tokens, "id_token")}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {"xyz"}}
	w.to(town.Issuer + "/end_session?" + back.Encode())
	w.arrive("https://app.example/bye?state=xyz")
	back.Set("post_logout_redirect_uri", "https://elsewhere.example/bye")
	w.to(town.Issuer + "/end_session?" + back.Encode())
	w.look("signout-elsewhere", "").says(t, "logout_redirect_unregistered")
}

// confirming: a sign-in that the IdP began is nobody's until the person says so.
func confirming(t *testing.T, town *town) {
	portal := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		d := town.works.Draft(serviceProvider(town.Issuer), "")
		d.About(samltest.Person{Name: "pam", Email: "pam@works.example", Groups: []string{"notes-editors"}})
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(rw, `<!doctype html><html lang="en"><title>Portal</title><h1>Portal</h1><form method="post" action="%s/federation/saml/works/acs">
<input type="hidden" name="SAMLResponse" value="%s"><button>Chancery</button></form></html>`,
			html.EscapeString(town.Issuer), base64.StdEncoding.EncodeToString(d.Document()))
	}))
	defer portal.Close()
	w := town.browser(t, how{Origins: []string{portal.URL}})
	r := town.request("notes:read") // waits in the same browser meanwhile
	w.to(r.URL(town.Issuer))
	waiting := w.see("Sign in").URL
	for _, one := range []struct{ press, heading string }{{"No, stop", "You are signed out"}, {"Yes, go on", "Your account"}} {
		w.to(portal.URL)
		w.see("Portal")
		w.press("Chancery")
		w.look("confirm", "Is this you?").says(t, "Acme Works says that you are pam", "say no")
		w.press(one.press)
		w.see(one.heading)
	}
	w.to(waiting)
	w.see("Allow Notes host to act for you?").says(t, "pam@works.example")
}

// failing: each error page says what happened, whose turn it is, and by which trace it is found.
func failing(t *testing.T, town *town) {
	w := town.browser(t, how{})
	shows := func(name, code string, all ...string) {
		t.Helper()
		s := w.look("error-"+name, "")
		s.says(t, append([]string{code, "What to do", "Who fixes it", "chancery explain trc_", "If you need help, give this reference: trc_"}, all...)...)
	}
	r := town.request("notes:read", "client_id", "nobody")
	w.to(r.URL(town.Issuer))
	shows("client", "authorization_client_unknown")
	trace := w.see("").Text
	trace = trace[strings.LastIndex(trace, "trc_"):]
	if out := town.Run("explain", strings.TrimSpace(trace)); out.Status != 0 || !strings.Contains(out.Stdout, "authorization_client_unknown") {
		t.Errorf("explain %s: %s", trace, out)
	}
	r = town.request("notes:read", "redirect_uri", "https://evil.example/callback")
	w.to(r.URL(town.Issuer))
	shows("redirect", "redirect_uri_unregistered")
	w.to(town.Issuer + "/authorize/" + strings.Repeat("A", 43))
	shows("request", "request_not_waiting")

	r = town.request("notes:read")
	w.to(r.URL(town.Issuer))
	w.throughOkta("dan")
	shows("disabled", "subject_disabled")

	// The IdP says no: what it answers comes with the state of a departure.
	no := town.browser(t, how{})
	no.to(r.URL(town.Issuer))
	no.see("Sign in")
	no.press("Continue with Acme Okta")
	at := query(t, no.see("Sign in as").URL)
	no.to(town.Issuer + "/federation/oidc/okta/callback?" + url.Values{"error": {"access_denied"}, "state": {at.Get("state")}, "iss": {town.IdP.Issuer()}}.Encode())
	w = no
	shows("idp", "idp_access_denied", "Try again")
	no.press("Try again")
	no.throughOkta("mia")
	no.see("Allow Notes host to act for you?")
	no.press("Allow")
	town.tokens(t, town.Issuer, r, no.answer(r))
	no.to(town.Issuer + "/federation/oidc/okta/callback?" + url.Values{"code": {"x"}, "state": {at.Get("state")}, "iss": {town.IdP.Issuer()}}.Encode())
	shows("state", "sign_in_state_mismatch")
}
