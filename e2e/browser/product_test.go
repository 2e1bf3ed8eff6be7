package browser

import (
	"testing"
)

// TestProduct: people, by keyboard alone, on every page of the real program. Each page is examined where somebody sees it
// (axe, the policy, the console, focus, width; light and dark, 320 and 1280 px), and nobody is asked for anything but the
// program itself, the IdPs, and where answers go.
func TestProduct(t *testing.T) {
	here := newTown(t)
	for name, test := range map[string]func(*testing.T, *town){
		"choosing an IdP": choosing,
		"consent":         consenting,
		"where it goes":   going,
		"without scripts": withoutScripts,
		"a device":        connecting,
		"another way in":  adding,
		"stepping up":     steppingUp,
		"a passkey":       withPasskey,
		"not to be met":   unmet,
		"not met":         weaker,
		"an agent's link": interacting,
		"the account":     ownPage,
		"signing out":     leaving,
		"an IdP begins":   confirming,
		"errors":          failing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, here)
		})
	}
}

// choosing: the chooser, an address of nobody's domain, one that leads to the SAML IdP, and a tenant with one IdP.
func choosing(t *testing.T, town *town) {
	w := town.browser(t, how{})
	r := town.request("notes:read")
	w.to(r.URL(town.Issuer))
	w.look("chooser", "Sign in").says(t, "to continue to Notes host", "Continue with Acme Okta", "Continue with Acme Works")
	w.fill("Work e-mail address", "sam@nowhere.example")
	w.press("Continue")
	w.look("chooser-unknown", "Sign in").says(t, "No sign-in is set up for this address")
	w.fill("Work e-mail address", "sam@works.example")
	w.press("Continue")
	w.signInBySAML("sam")
	w.look("consent-saml", "Allow Notes host to act for you?").says(t, "Signed in as sam@works.example", "through Acme Works")
	w.press("Allow")
	town.tokens(t, town.Issuer, r, w.answer(r))

	one := town.browser(t, how{})
	r = town.request("notes:read")
	one.to(r.URL(town.bare))
	one.signInBySAML("sid")
	one.see("Allow Notes host to act for you?")
	one.press("Allow")
	town.tokens(t, town.bare, r, one.answer(r))
}

// consenting: who asks, and for what; no, yes, and not asked again; going back and clicking twice do no harm.
func consenting(t *testing.T, town *town) {
	w := town.browser(t, how{})
	r := town.request("notes:read notes:write openid profile email offline_access")
	w.to(r.URL(town.Issuer))
	w.throughOkta("carol")
	w.look("consent-company", "Allow Notes host to act for you?").says(
		t, "Registered by your company", "High risk", "Change your notes", "Go on when you are not there", "a program on this computer", "Signed in as carol@acme.com")
	w.press("Deny")
	if answer := w.answer(r); answer.Get("error") != "access_denied" || answer.Get("iss") != town.Issuer || answer.Get("state") != r.State {
		t.Errorf("answered %v", answer)
	}

	r = town.request("notes:read notes:write offline_access")
	w.to(r.URL(town.Issuer))
	w.see("Allow Notes host to act for you?")
	w.twice("Allow")
	// Where the server is slow, the second press is what the browser waits for: it says that the question was answered, and
	// the application that begins again has its answer.
	if !w.either(r.Form.Get("redirect_uri")+"?", "request_not_waiting") {
		r = town.request("notes:read notes:write offline_access")
		w.to(r.URL(town.Issuer))
	}
	tokens := town.tokens(t, town.Issuer, r, w.answer(r))
	w.back() // to the question, which was answered
	w.look("back", "").says(t, "request_not_waiting")
	if _, ok := town.refreshed(t, tokens); !ok {
		t.Error("going back took the grant away")
	}
	silent := town.request("notes:read", "prompt", "none")
	w.to(silent.URL(town.Issuer))
	town.tokens(t, town.Issuer, silent, w.answer(silent))

	// Nobody is asked about what the company approved.
	approved := town.request("notes:read", "client_id", "approved")
	w.to(approved.URL(town.Issuer))
	town.tokens(t, town.Issuer, approved, w.answer(approved))

	// One that registered itself, and documents.
	_, registered := post(t, town.Issuer+"/register", "application/json", `{"client_name":"Acme Support","redirect_uris":["http://127.0.0.1/callback"],"token_endpoint_auth_method":"none"}`)
	stranger := town.request("notes:write", "client_id", text(registered, "client_id"))
	w.to(stranger.URL(town.Issuer))
	w.look("consent-stranger", "Allow an unknown application to act for you?").says(
		t, "it registered itself", "Calls itself “Acme Support”", "Any program on this computer", "You will be asked again next time")
	w.press("Allow")
	town.tokens(t, town.Issuer, stranger, w.answer(stranger))

	known := town.request("notes:read", "client_id", document, "redirect_uri", "https://clients.example/callback")
	w.to(known.URL(town.Issuer))
	w.look("consent-document", "Allow clients.example to act for you?").says(t, "This address is verified", "Calls itself “Notebook”")
	w.press("Allow")
	town.tokens(t, town.Issuer, known, w.answer(known))
	away := town.request("notes:write", "client_id", wallet, "redirect_uri", "https://elsewhere.example/callback")
	w.to(away.URL(town.Issuer))
	w.look("consent-away", "Allow wallet.example to act for you?").says(t, "That is another place than wallet.example.")
	w.press("Deny")
	w.arrive("https://elsewhere.example/callback?error=access_denied")
}

// going: the answer reaches an address over https, a program's own scheme, and a form, whatever the policy of the page is.
func going(t *testing.T, town *town) {
	w := town.browser(t, how{})
	r := town.request("notes:read", "redirect_uri", "https://app.example/callback")
	w.to(r.URL(town.Issuer))
	w.throughOkta("bob")
	w.look("consent-https", "Allow Notes host to act for you?").says(t, "app.example")
	w.press("Allow")
	town.tokens(t, town.Issuer, r, w.answer(r))

	r = town.request("notes:read", "response_mode", "form_post") // another address: asked again
	w.to(r.URL(town.Issuer))
	w.see("Allow Notes host to act for you?")
	w.press("Allow")
	w.see("Arrived").says(t, "POST")

	// A window that handed something to a program waits for that one; so this is the end.
	r = town.request("notes:read", "redirect_uri", program)
	w.to(r.URL(town.Issuer))
	w.look("consent-program", "Allow Notes host to act for you?").says(t, "the program that opens com.acme.notes: links")
	w.send("Allow")
	town.tokens(t, town.Issuer, r, query(t, w.launched(program+"?")))
	r = town.request("notes:read", "redirect_uri", program) // no question, and so no form before
	w.to(r.URL(town.Issuer))
	town.tokens(t, town.Issuer, r, query(t, w.launched(program+"?code")))
}

// withoutScripts: the whole way is there.
func withoutScripts(t *testing.T, town *town) {
	w := town.browser(t, how{NoScripts: true})
	r := town.request("notes:read offline_access")
	w.to(r.URL(town.Issuer))
	w.throughOkta("jon")
	w.see("Allow Notes host to act for you?")
	w.press("Allow")
	town.tokens(t, town.Issuer, r, w.answer(r))
	r = town.request("notes:read", "response_mode", "form_post")
	w.to(r.URL(town.Issuer))
	w.see("One moment")
	w.press("Continue")
	w.see("Arrived").says(t, "POST")

	w.to(town.Issuer + "/passkeys/new")
	w.see("Add a passkey").says(t, "Passkeys need scripts")
	w.to(town.Issuer + "/account")
	w.see("Your account").says(t, "Notes host")
	w.press("Remove the access of Notes host to notes")
	w.see("Your account").says(t, "You have allowed none.")
	w.press("Sign out")
	w.see("You are signed out")
}
