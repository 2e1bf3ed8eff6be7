package browser

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const stronger = "Show again that it is you"

// steppingUp: policy asks for more, the IdP gives it, and the token says so.
func steppingUp(t *testing.T, town *town) {
	w := town.browser(t, how{})
	r := town.request("vault:open", "resource", vault)
	w.to(r.URL(town.Issuer))
	w.throughOkta("gus")
	w.look("stepup", stronger).says(t, "vault asks for more than your current sign-in", "must not be older than 5 minutes", "Notes host", "Signed in as gus@acme.com")
	w.press("Continue with Acme Okta")
	w.signIn("gus")
	w.see("Allow Notes host to act for you?")
	w.press("Allow")
	claims := harness.Decode(t, text(town.tokens(t, town.Issuer, r, w.answer(r)), "access_token"))
	if claims.Claims["acr"] != "phr" {
		t.Errorf("acr %v", claims.Claims["acr"])
	}
	// The other resource takes the same sign-in.
	r = town.request("bank:pay", "resource", bank)
	w.to(r.URL(town.Issuer))
	w.see("Allow Notes host to act for you?")
	w.press("Deny")
	w.answer(r)
}

// withPasskey: an IdP that cannot be asked, so that the person makes a passkey, uses it, and takes it away.
func withPasskey(t *testing.T, town *town) {
	w := town.browser(t, how{Authenticator: true})
	r := town.request("vault:open", "resource", vault)
	w.to(r.URL(town.Issuer))
	w.see("Sign in")
	w.press("Continue with Acme Works")
	w.signInBySAML("sue")
	w.look("stepup-passkey", stronger).says(t, "Continue with a new passkey")
	w.press("Continue with a new passkey")
	w.look("passkey-new", "Add a passkey").says(t, "What you call it")
	w.fill("What you call it", "Sue's phone")
	w.press("Make the passkey")
	w.look("passkey-use", "Use your passkey")
	w.press("Continue")
	w.see("Allow Notes host to act for you?")
	w.press("Allow")
	claims := harness.Decode(t, text(town.tokens(t, town.Issuer, r, w.answer(r)), "access_token"))
	if claims.Claims["acr"] != passkeys {
		t.Errorf("acr %v", claims.Claims["acr"])
	}

	w.to(town.Issuer + "/account")
	w.see("Your account")
	w.press("Your passkeys")
	w.look("passkeys", "Your passkeys").says(t, "Sue's phone", "It does not sign you in")
	w.press("Add a passkey")
	w.see("Add a passkey") // the authenticator has one already, and makes no second
	w.send("Make the passkey")
	w.see("Add a passkey")
	w.press("Go back")
	w.see("Your passkeys")
	w.press("Remove the passkey Sue's phone")
	w.look("passkeys-none", "Your passkeys").says(t, "You have none.")
}

// unmet: nothing here can give what policy asks for, and the client hears it; a person who does not want to gives nothing.
func unmet(t *testing.T, town *town) {
	w := town.browser(t, how{})
	r := town.request("bank:pay", "resource", bank)
	w.to(r.URL(town.bare))
	w.signInBySAML("sid")
	w.look("stepup-only", stronger).says(t, "Continue with Other Works")
	w.press("Continue with Other Works")
	if answer := w.answer(r); answer.Get("error") != "unmet_authentication_requirements" || answer.Get("iss") != town.bare {
		t.Errorf("answered %v", answer)
	}
	w.to(town.bare + "/passkeys/new")
	w.look("passkeys-off", "").says(t, "passkeys_not_allowed", "chancery explain trc_")
	r = town.request("bank:pay", "resource", bank)
	w.to(r.URL(town.bare))
	w.see(stronger).says(t, "Signed in as sid") // his IdP gives no address
	w.press("Not now")
	if answer := w.answer(r); answer.Get("error") == "" || answer.Get("code") != "" {
		t.Errorf("answered %v", answer)
	}
}

// weaker: the IdP was asked, and what it gave is not enough.
func weaker(t *testing.T, town *town) {
	w := town.browser(t, how{})
	r := town.request("bank:pay", "resource", bank)
	w.to(r.URL(town.Issuer))
	w.throughOkta("oda")
	w.see(stronger)
	w.press("Continue with Acme Okta")
	w.signIn("oda")
	if answer := w.answer(r); answer.Get("error") != "unmet_authentication_requirements" {
		t.Errorf("answered %v", answer)
	}
}

// interacting: an agent without a browser is told to show a link, and once the person has been there, the same kind of
// assertion is taken. Nobody else gets anywhere with the link.
func interacting(t *testing.T, town *town) {
	assertion := func() string {
		return town.IdP.IDJAG("hal", idptest.WithResource(vault), idptest.WithScope("vault:open"))
	}
	link := func() string {
		a := town.Redeem(assertion())
		var challenge struct {
			URI string `json:"interaction_uri"`
		}
		if err := json.Unmarshal([]byte(a.Body), &challenge); err != nil || a.Status != http.StatusBadRequest || !strings.HasPrefix(challenge.URI, town.Issuer+"/interact/") {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		return challenge.URI
	}
	uri := link()
	wrong := town.browser(t, how{})
	wrong.to(town.Issuer + "/account")
	wrong.throughOkta("ida")
	wrong.see("Your account")
	wrong.to(uri)
	wrong.look("interact-wrong-person", "").says(t, "interaction_wrong_person", "chancery explain trc_")

	w := town.browser(t, how{})
	w.to(uri)
	w.look("interact", stronger).says(t, "Claude", "vault")
	w.press("Continue with Acme Okta")
	w.signIn("hal")
	w.look("interact-done", "Done").says(t, "go back to your agent")
	a := town.Redeem(assertion())
	if a.Status != http.StatusOK || harness.Decode(t, a.AccessToken).Claims["acr"] != "phr" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	w.to(uri)
	w.look("interact-gone", "").says(t, "interaction_gone")
}
