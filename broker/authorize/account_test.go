package authorize_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/signin"
)

var (
	grantButton   = regexp.MustCompile(`name="grant" value="([^"]+)"`)
	sessionButton = regexp.MustCompile(`name="session" value="([^"]+)"`)
)

// atAccount is a person at his own page, who let the agent act for him.
func atAccount(t *testing.T) (*house, *browser, seen) {
	t.Helper()
	h := newHouse(t)
	b := h.browser()
	b.press(b.follow(b.open(asks())), "decision", "allow").answered()
	account := b.open("/account")
	if account.status != http.StatusOK || !strings.Contains(account.body, "Read notes") || !strings.Contains(account.body, "alice@acme.com") {
		t.Fatalf("%d %s", account.status, account.body)
	}
	return h, b, account
}

func (b *browser) remove(s seen, field, value string) seen {
	return b.post("/account", url.Values{"token": {s.find(tokens, "token")}, field: {value}})
}

func TestAccountNeedsASession(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	if s := b.open("/account"); s.onward() != "/signin?then=%2Faccount" {
		t.Fatalf("%d %s", s.status, s.onward())
	}
	s := b.follow(b.open("/account"))
	if s.status != http.StatusOK || !strings.Contains(s.body, "alice@acme.com") || h.idp.asks[0].Then != "/account" {
		t.Errorf("%d %s", s.status, s.body)
	}
	if s := b.post("/account", url.Values{"everywhere": {"yes"}}); s.status != oauth.Public(oauth.CodeFormTokenInvalid).Status || len(h.sessions.alive) != 1 {
		t.Errorf("%d", s.status)
	}
}

// TestSignInLeadsNowhereElse: what follows a sign-in is a path of ours (T39).
func TestSignInLeadsNowhereElse(t *testing.T) {
	h := newHouse(t)
	for _, then := range []string{"//evil.example", `/\evil.example`, "https://evil.example", "https:evil.example", "evil", "/a\tb", "/signin?then=/signin", "/ü"} {
		h.browser().open("/signin?then=" + url.QueryEscape(then)).shows(oauth.CodeRequestMalformed)
	}
	if len(h.idp.asks) != 0 {
		t.Errorf("departed %+v", h.idp.asks)
	}
	several := newHouse(t, secondIdP)
	b := several.browser()
	chooser := b.open("/signin?then=/account")
	b.post("/signin?then=/device", url.Values{"token": {chooser.find(tokens, "token")}, "idp": {"okta"}}).shows(oauth.CodeFormTokenInvalid)
	if s := b.follow(b.press(chooser, "idp", "entra")); !strings.Contains(s.body, "alice@acme.com") {
		t.Errorf("%d %s", s.status, s.body)
	}
}

func TestWithdraw(t *testing.T) {
	h, b, account := atAccount(t)
	button := account.find(grantButton, "grant")
	// The key means nothing in another browser, where she is signed in too.
	other := h.browser()
	other.remove(other.follow(other.open("/account")), "grant", button)
	if len(h.consents.kept) != 1 {
		t.Fatal("removed from another browser's page")
	}
	s := b.follow(b.remove(account, "grant", button))
	if s.status != http.StatusOK || strings.Contains(s.body, "Read notes") || len(h.consents.kept) != 0 {
		t.Errorf("%d %s", s.status, s.body)
	}
	last := h.consents.events[len(h.consents.events)-1]
	if last.Type != audit.TypeConsentWithdrawn || last.OnBehalf != "usr_alice" || last.Trace == "" {
		t.Errorf("recorded %+v", last)
	}
	if again := b.follow(b.remove(account, "grant", button)); again.status != http.StatusOK { // it is gone already
		t.Errorf("%d", again.status)
	}
	if s := b.follow(b.open(asks())); !strings.Contains(s.body, `name="decision"`) {
		t.Errorf("not asked again: %d", s.status)
	}
}

func TestEndSessions(t *testing.T) {
	h, b, _ := atAccount(t)
	other := h.browser()
	h.now = h.now.Add(1)
	other.follow(other.open("/account"))
	account := b.open("/account")
	all := sessionButton.FindAllStringSubmatch(account.body, -1)
	if len(all) != 2 {
		t.Fatalf("%d sessions on %s", len(all), account.body)
	}
	if s := b.follow(b.remove(account, "session", all[1][1])); s.status != http.StatusOK || len(h.sessions.alive) != 1 {
		t.Errorf("%d, %d alive", s.status, len(h.sessions.alive))
	}
	if s := other.open("/account"); s.status != http.StatusSeeOther {
		t.Errorf("the other is still signed in: %d", s.status)
	}
	for range 2 * listed { // more than a page shows
		other = h.browser()
		other.follow(other.open("/account"))
	}
	s := b.remove(b.open("/account"), "everywhere", "yes")
	if s.status != http.StatusOK || len(h.sessions.alive) != 0 || b.cookies["__Host-chancery"] != "" {
		t.Errorf("%d, %d alive, cookies %v", s.status, len(h.sessions.alive), b.cookies)
	}
}

// TestEndSession: RP-initiated logout ends what the person, or an ID token of his, says.
func TestEndSession(t *testing.T) {
	const bye = "https://agents.acme.com/bye"
	t.Run("by the account page", func(t *testing.T) {
		h, b, account := atAccount(t)
		s := b.post("/end_session", url.Values{"token": {account.find(tokens, "token")}})
		if s.status != http.StatusOK || len(h.sessions.alive) != 0 {
			t.Errorf("%d", s.status)
		}
	})
	t.Run("with a hint", func(t *testing.T) {
		h, b, _ := atAccount(t)
		s := b.open("/end_session?id_token_hint=usr_alice/agent&state=s%26t&post_logout_redirect_uri=" + url.QueryEscape(bye))
		if s.status != http.StatusSeeOther || s.onward() != bye+"?state=s%26t" || len(h.sessions.alive) != 0 || b.cookies["__Host-chancery"] != "" {
			t.Errorf("%d %s", s.status, s.onward())
		}
	})
	t.Run("asked", func(t *testing.T) {
		for name, query := range map[string]string{
			"no hint": "", "a hint of another": "?id_token_hint=usr_bob/agent", "of a client that is gone": "?id_token_hint=usr_alice/gone", "nonsense": "?id_token_hint=x",
			"a client": "?client_id=agent&post_logout_redirect_uri=" + url.QueryEscape(bye),
		} {
			h, b, _ := atAccount(t)
			question := b.open("/end_session" + query)
			if question.status != http.StatusOK || !strings.Contains(question.body, `value="deny"`) || len(h.sessions.alive) != 1 {
				t.Fatalf("%s: %d %s", name, question.status, question.body)
			}
			if s := b.press(question, "decision", "deny"); s.onward() != "/account" || len(h.sessions.alive) != 1 {
				t.Errorf("%s: %d %s", name, s.status, s.onward())
			}
			s := b.press(question, "decision", "allow")
			if s.status != http.StatusOK || len(h.sessions.alive) != 0 {
				t.Errorf("%s: %d", name, s.status)
			}
			if back := strings.Contains(query, "post_logout"); back != (s.onward() == bye) {
				t.Errorf("%s: goes on to %q", name, s.onward())
			}
		}
	})
	t.Run("without a token", func(t *testing.T) {
		h, b, account := atAccount(t)
		b.post("/end_session", url.Values{"token": {"x"}, "decision": {"allow"}}).shows(oauth.CodeFormTokenInvalid)
		question := b.open("/end_session?client_id=agent&post_logout_redirect_uri=" + url.QueryEscape(bye))
		b.post("/end_session", url.Values{"token": {question.find(tokens, "token")}, "decision": {"allow"}}).shows(oauth.CodeFormTokenInvalid)
		if len(h.sessions.alive) != 1 {
			t.Error("signed out")
		}
		_ = account
	})
	t.Run("to nowhere else", func(t *testing.T) {
		h, b, _ := atAccount(t)
		for _, query := range []string{
			"client_id=agent&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F", "client_id=nobody&post_logout_redirect_uri=" + url.QueryEscape(bye),
			"post_logout_redirect_uri=" + url.QueryEscape(bye), "id_token_hint=usr_alice/agent&client_id=other&post_logout_redirect_uri=" + url.QueryEscape(bye),
			"id_token_hint=usr_alice/agent&post_logout_redirect_uri=" + url.QueryEscape(bye+"/"),
		} {
			b.open("/end_session?" + query).shows(oauth.CodeLogoutRedirectUnregistered)
		}
		if len(h.sessions.alive) != 1 {
			t.Error("signed out")
		}
		if s := b.open("/signed_out?client_id=agent&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F"); s.status != http.StatusOK || strings.Contains(s.body, "evil") {
			t.Errorf("%d %s", s.status, s.body)
		}
	})
	t.Run("at the IdP too", func(t *testing.T) {
		h, b, _ := atAccount(t)
		h.idp.logout = signin.Departure{URL: "https://okta.test/logout?state=left"}
		s := b.open("/end_session?id_token_hint=usr_alice/agent")
		if s.onward() != "https://okta.test/logout?state=left" || len(h.idp.left) != 1 || h.idp.left[0] != "/signed_out" {
			t.Errorf("%d %s %v", s.status, s.onward(), h.idp.left)
		}
		if s := b.follow(b.open("/end_session?state=left")); s.status != http.StatusOK {
			t.Errorf("%d %s", s.status, s.onward())
		}
	})
}

// TestIdPsCall: callbacks and logouts are of the IdP that the path names.
func TestIdPsCall(t *testing.T) {
	h, b, _ := atAccount(t)
	b.open("/federation/oidc/nobody/callback?code=1").shows(oauth.CodeSignInIdPUnknown)
	h.idp.arrives = oauth.Refuse(oauth.CodeNonceMismatch, "", "")
	s := b.open("/federation/oidc/okta/callback?code=1&state=%2Fauthorize%2Fx")
	s.shows(oauth.CodeNonceMismatch)
	if !strings.Contains(s.body, `href="/authorize/x"`) {
		t.Errorf("%s", s.body)
	}
	s = b.open("/federation/oidc/okta/callback?code=1&state=%2F%2Fevil.example")
	if s.shows(oauth.CodeNonceMismatch); strings.Contains(s.body, "evil") {
		t.Errorf("%s", s.body)
	}
	if len(h.lane.events) != 1 { // the sign-in's own refusals are recorded where they are made
		t.Errorf("recorded %+v", h.lane.events)
	}
	b.site = "cross-site"
	if s := b.post("/federation/oidc/okta/backchannel_logout", url.Values{"logout_token": {"good"}}); s.status != http.StatusOK || s.header.Get("Cache-Control") != "no-store" || s.body != "" {
		t.Errorf("%d %s", s.status, s.body)
	}
	if s := b.post("/federation/oidc/okta/backchannel_logout", url.Values{"logout_token": {"bad"}}); s.status != http.StatusBadRequest || s.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", s.status, s.body)
	}
	if s := b.open("/federation/saml/okta/metadata"); s.status != http.StatusOK || s.header.Get("Content-Type") != "application/samlmetadata+xml" {
		t.Errorf("%d %v", s.status, s.header)
	}
	b.post("/federation/saml/okta/slo", url.Values{"SAMLRequest": {"a"}, "SAMLResponse": {"b"}}).shows(oauth.CodeSAMLMalformed)
	b.post("/federation/saml/okta/slo", url.Values{"SAMLRequest": {"a", "b"}}).shows(oauth.CodeSAMLMalformed)
	h.idp.logout = signin.Departure{URL: "https://okta.test/slo", Form: map[string]string{"SAMLResponse": "r"}}
	if s := b.post("/federation/saml/okta/slo", url.Values{"SAMLRequest": {"a"}}); s.find(actions, "form") != "https://okta.test/slo" || !strings.Contains(s.body, `value="r"`) {
		t.Errorf("%d %s", s.status, s.body)
	}
	h.idp.logout = signin.Departure{URL: "/signed_out"}
	if s := b.post("/federation/saml/okta/slo", url.Values{"SAMLResponse": {"a"}}); s.onward() != "/signed_out" {
		t.Errorf("%d %s", s.status, s.onward())
	}
}

// TestUnasked: a sign-in that an IdP began waits for the person's word (T37).
func TestUnasked(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.site = "cross-site"
	question := b.post("/federation/saml/okta/acs", url.Values{"SAMLResponse": {"unasked"}})
	if question.status != http.StatusOK || !strings.Contains(question.body, "alice@acme.com") || len(h.sessions.alive) != 0 {
		t.Fatalf("%d %s", question.status, question.body)
	}
	b.press(question, "decision", "allow").shows(oauth.CodeCrossSiteForm)
	b.site = "same-origin"
	if question.header.Get("Set-Cookie") != "" { // what the browser keeps did not come with a form of the IdP's, and stays
		t.Errorf("sets %s", question.header.Get("Set-Cookie"))
	}
	b.post("/signin/another", url.Values{"decision": {"allow"}, "token": {question.find(tokens, "token")}}).shows(oauth.CodeFormTokenInvalid)
	if s := b.press(question, "decision", "deny"); s.status != http.StatusOK || len(h.sessions.alive) != 0 {
		t.Errorf("%d", s.status)
	}
	if s := b.press(question, "decision", "allow"); s.onward() != "/account" || len(h.sessions.alive) != 1 {
		t.Errorf("%d %s", s.status, s.onward())
	}
}

// TestLink: the person adds an identity at another IdP, from his own page, with the session that asks.
func TestLink(t *testing.T) {
	h := newHouse(t, secondIdP)
	b := h.browser()
	b.follow(b.press(b.open("/signin?then=/account"), "idp", "okta"))
	account := b.open("/account")
	if !strings.Contains(account.body, `name="link" value="entra"`) || strings.Contains(account.body, `value="okta"`) {
		t.Fatalf("%s", account.body)
	}
	b.remove(account, "link", "nobody").shows(oauth.CodeSignInIdPUnknown)
	if s := b.remove(account, "link", "entra"); !strings.HasPrefix(s.onward(), "https://entra.test/") || s.status != http.StatusOK {
		t.Errorf("%d %s", s.status, s.onward())
	}
	if ask := h.idp.asks[1]; ask.Link == nil || ask.Link.UserUID != "usr_alice" || ask.Then != "/account" {
		t.Errorf("asked %+v", ask)
	}
	b.post("/account", url.Values{"token": {"x"}, "link": {"entra"}}).shows(oauth.CodeFormTokenInvalid)
}
