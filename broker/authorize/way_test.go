package authorize_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
)

// TestWay: a stranger is signed in, asked, and goes back with a code; the next time nobody is asked.
func TestWay(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	if consent.status != http.StatusOK || !strings.Contains(consent.body, "Read notes") || !strings.Contains(consent.body, "alice@acme.com") ||
		!strings.Contains(consent.body, "agents.acme.com") {
		t.Fatalf("%d %s", consent.status, consent.body)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
		if got := consent.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if policy := consent.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "form-action 'self' https://agents.acme.com") {
		t.Errorf("policy %q", policy)
	}
	answer := b.press(consent, "decision", "allow")
	if answer.status != http.StatusOK { // a page that goes on: no redirect follows a form abroad
		t.Errorf("%d", answer.status)
	}
	got := answer.answered()
	if got.Get("code") != "the-code" || got.Get("state") != "st" || got.Get("iss") != issuer || got.Has("error") {
		t.Errorf("answered %v", got)
	}
	if len(h.consents.events) != 1 || h.consents.events[0].Type != audit.TypeConsentGiven || h.consents.events[0].OnBehalf != "usr_alice" {
		t.Errorf("recorded %+v", h.consents.events)
	}
	again := b.follow(b.open(asks()))
	if again.status != http.StatusSeeOther || again.answered().Get("code") != "the-code" {
		t.Errorf("the second time: %d %s", again.status, again.body)
	}
	if len(h.idp.asks) != 1 || len(h.requests.kept) != 0 {
		t.Errorf("%d departures, %d left waiting", len(h.idp.asks), len(h.requests.kept))
	}
}

func TestNo(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	got := b.press(b.follow(b.open(asks())), "decision", "deny").answered()
	if got.Get("error") != "access_denied" || !strings.HasPrefix(got.Get("error_description"), "consent_denied") || got.Get("iss") != issuer || got.Get("state") != "st" {
		t.Errorf("answered %v", got)
	}
	if len(h.grants.orders) != 0 || len(h.consents.kept) != 0 {
		t.Error("something was given")
	}
}

// TestFormPost: the answer travels in a form of its own.
func TestFormPost(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	s := b.press(b.follow(b.open(asks("response_mode", "form_post"))), "decision", "allow")
	if s.find(actions, "form") != callback || !strings.Contains(s.body, `name="code" value="the-code"`) || !strings.Contains(s.body, `name="iss" value="`+issuer+`"`) {
		t.Errorf("%s", s.body)
	}
}

// TestShown: until the redirect URI is verified nothing is redirected (T33, T39).
func TestShown(t *testing.T) {
	h := newHouse(t)
	for name, one := range map[string]struct {
		path string
		code oauth.Code
	}{
		"no client":       {asks("client_id", ""), oauth.CodeParameterMissing},
		"unknown client":  {asks("client_id", "nobody"), oauth.CodeAuthorizationClientUnknown},
		"twice":           {asks() + "&state=2", oauth.CodeParameterRepeated},
		"other host":      {asks("redirect_uri", "https://evil.example/callback"), oauth.CodeRedirectURIUnregistered},
		"other path":      {asks("redirect_uri", callback+"/x"), oauth.CodeRedirectURIUnregistered},
		"user info":       {asks("redirect_uri", "https://agents.acme.com@evil.example/callback"), oauth.CodeRedirectURIMalformed},
		"backslash":       {asks("redirect_uri", `https://agents.acme.com\.evil.example/callback`), oauth.CodeRedirectURIMalformed},
		"fragment":        {asks("redirect_uri", callback+"#f"), oauth.CodeRedirectURIMalformed},
		"script":          {asks("redirect_uri", "javascript:alert(1)"), oauth.CodeRedirectURIMalformed},
		"foreign request": {asks("redirect_uri", "//evil.example"), oauth.CodeRedirectURIMalformed},
		"no redirect":     {asks("redirect_uri", ""), oauth.CodeRedirectURIMissing},
		"not pushed here": {"/authorize?client_id=agent&request_uri=urn:ietf:params:oauth:request_uri:x", oauth.CodeRequestURIInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := h.browser().open(one.path)
			s.t = t
			s.shows(one.code)
			if strings.Contains(s.body, "evil.example") || !strings.Contains(s.body, "trc_") {
				t.Errorf("what was asked is on the page, or no trace: %s", s.body)
			}
		})
	}
	if len(h.requests.kept) != 0 || len(h.lane.events) == 0 || h.lane.events[0].Type != audit.TypeAuthorizeRefused || h.lane.events[0].Trace == "" {
		t.Errorf("kept %d, recorded %+v", len(h.requests.kept), h.lane.events)
	}
}

// TestReturned: afterwards the client hears what is wrong, with our name on it (RFC 9207).
func TestReturned(t *testing.T) {
	h := newHouse(t)
	for name, one := range map[string]struct{ path, err, code string }{
		"response type": {asks("response_type", "token"), "unsupported_response_type", "response_type_unsupported"},
		"no challenge":  {asks("code_challenge", ""), "invalid_request", "code_challenge_missing"},
		"plain":         {asks("code_challenge_method", "plain"), "invalid_request", "code_challenge_method_unsupported"},
		"resource":      {asks("resource", "https://mcp.acme.com/other"), "invalid_target", "resource_not_allowed"},
		"scope":         {asks("scope", "notes:admin"), "invalid_scope", "scope_empty"},
		"prompt":        {asks("prompt", "none login"), "invalid_request", "prompt_invalid"},
		"must push":     {asks("client_id", "pusher"), "invalid_request", "pushed_request_required"},
	} {
		t.Run(name, func(t *testing.T) {
			s := h.browser().open(one.path)
			s.t = t
			if got := s.answered(); got.Get("error") != one.err || !strings.HasPrefix(got.Get("error_description"), one.code+":") || got.Get("iss") != issuer || got.Get("state") != "st" {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestPromptNone never shows a page.
func TestPromptNone(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	refused := func(want, code string, changes ...string) {
		t.Helper()
		got := b.follow(b.open(asks(append([]string{"prompt", "none"}, changes...)...))).answered()
		if got.Get("error") != want || !strings.HasPrefix(got.Get("error_description"), code+":") {
			t.Errorf("answered %v, want %s", got, want)
		}
	}
	refused("login_required", "sign_in_required")
	h.idp.proof = session.Proof{AuthTime: h.now, ACR: "pwd"}
	consent := b.follow(b.open(asks()))
	refused("consent_required", "consent_required")
	h.grants.needs = "phr"
	refused("interaction_required", "person_needed")
	h.grants.needs = ""
	b.press(consent, "decision", "allow").answered()
	if got := b.follow(b.open(asks("prompt", "none"))).answered(); got.Get("code") == "" {
		t.Errorf("answered %v", got)
	}
	h.now = h.now.Add(time.Hour)
	refused("login_required", "sign_in_required", "max_age", "60")
	refused("login_required", "sign_in_required", "id_token_hint", "usr_bob/agent")
	refused("login_required", "sign_in_required", "id_token_hint", "usr_alice/other")
	refused("login_required", "sign_in_required", "id_token_hint", "nonsense")
	b.open(asks("id_token_hint", "usr_alice/agent"))
	for _, waits := range h.requests.kept {
		if strings.Contains(waits.Parameters, "hint") || strings.Contains(waits.Parameters, "usr_alice%2Fagent") {
			t.Errorf("an ID token rests: %s", waits.Parameters)
		}
	}
	if got := b.follow(b.open(asks("prompt", "none", "id_token_hint", "usr_alice/agent"))).answered(); got.Get("code") == "" {
		t.Errorf("answered %v", got)
	}
}

// TestSignedInAsAsked: what the client wants of the sign-in is asked of the IdP, once.
func TestSignedInAsAsked(t *testing.T) {
	for name, one := range map[string]struct {
		changes []string
		proof   session.Proof // of whoever comes back
		departs int           // beside the first
		answer  string
	}{
		"login":                  {[]string{"prompt", "login"}, session.Proof{}, 1, ""},
		"select account":         {[]string{"prompt", "select_account"}, session.Proof{}, 1, ""},
		"max_age, known":         {[]string{"max_age", "7200"}, session.Proof{}, 0, ""},
		"max_age, old":           {[]string{"max_age", "60"}, session.Proof{AuthTime: time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)}, 1, ""},
		"max_age=0":              {[]string{"max_age", "0"}, session.Proof{AuthTime: time.Date(2026, 11, 21, 12, 59, 30, 0, time.UTC)}, 1, ""},
		"max_age, and none came": {[]string{"max_age", "60"}, session.Proof{}, 1, "login_required sign_in_unfinished"},
		"acr, met":               {[]string{"acr_values", "pwd"}, session.Proof{}, 0, ""},
		"acr, voluntary":         {[]string{"acr_values", "phr"}, session.Proof{ACR: "pwd"}, 1, ""},
		"hint of another":        {[]string{"id_token_hint", "usr_bob/agent"}, session.Proof{}, 1, "login_required sign_in_required"},
		"hint of nobody":         {[]string{"id_token_hint", "nonsense"}, session.Proof{}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			b := h.browser()
			h.idp.proof = session.Proof{AuthTime: h.now, ACR: "pwd"}
			b.press(b.follow(b.open(asks())), "decision", "allow").answered()
			before := len(h.idp.asks)
			h.now = h.now.Add(time.Hour)
			h.idp.proof = one.proof
			got := b.follow(b.open(asks(one.changes...))).answered()
			if departs := len(h.idp.asks) - before; departs != one.departs {
				t.Errorf("%d departures: %+v", departs, h.idp.asks[before:])
			}
			code, _, _ := strings.Cut(got.Get("error_description"), ":")
			if strings.TrimSpace(got.Get("error")+" "+code) != one.answer || (one.answer == "") != (got.Get("code") != "") {
				t.Errorf("answered %v", got)
			}
		})
	}
}

func TestAskForwarded(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.follow(b.open(asks("prompt", "login", "max_age", "60", "acr_values", "phr mfa", "login_hint", "alice@acme.com", "ui_locales", "de")))
	ask := h.idp.asks[0]
	if !slices.Equal(ask.Prompt, []string{"login"}) || ask.MaxAge == nil || *ask.MaxAge != time.Minute || !slices.Equal(ask.ACRValues, []string{"phr", "mfa"}) ||
		ask.LoginHint != "alice@acme.com" || !slices.Equal(ask.UILocales, []string{"de"}) || !strings.HasPrefix(ask.Then, "/authorize/") || ask.Only != "" {
		t.Errorf("asked %+v", ask)
	}
}

// TestChooser: with several IdPs the person says which, by a tile or by his address; a hint that leads somewhere goes there.
func TestChooser(t *testing.T) {
	h := newHouse(t, secondIdP)
	b := h.browser()
	chooser := b.follow(b.open(asks()))
	if chooser.status != http.StatusOK || !strings.Contains(chooser.body, `value="okta"`) || !strings.Contains(chooser.body, `value="entra"`) {
		t.Fatalf("%d %s", chooser.status, chooser.body)
	}
	unknown := b.press(chooser, "login_hint", "eve@elsewhere.example")
	if unknown.status != http.StatusBadRequest || !strings.Contains(unknown.body, "eve@elsewhere.example") || len(h.idp.asks) != 0 {
		t.Errorf("%d", unknown.status)
	}
	if s := b.press(unknown, "login_hint", "bob@partner.example"); !strings.HasPrefix(s.onward(), "https://entra.test/") || s.status != http.StatusOK {
		t.Errorf("%d %s", s.status, s.onward())
	}
	b.press(chooser, "idp", "nobody").shows(oauth.CodeSignInIdPUnknown)
	if s := b.follow(b.press(chooser, "idp", "okta")); !strings.Contains(s.body, "Read notes") {
		t.Errorf("%d %s", s.status, s.body)
	}
	fresh := h.browser()
	if s := fresh.open(fresh.open(asks("login_hint", "bob@partner.example")).onward()); !strings.HasPrefix(s.onward(), "https://entra.test/") || s.status != http.StatusSeeOther {
		t.Errorf("%d %s", s.status, s.onward())
	}
}

// TestAnotherAccount: who is signed in can be somebody else, and it is he who is asked then.
func TestAnotherAccount(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	chooser := b.open(consent.find(actions, "form") + "/switch")
	h.idp.who = "usr_bob"
	s := b.follow(b.press(chooser, "idp", "okta"))
	if !strings.Contains(s.body, "bob@acme.com") || !slices.Contains(h.idp.asks[1].Prompt, "select_account") {
		t.Errorf("%s", s.body)
	}
	// What alice was shown is not what bob agrees to.
	b.press(consent, "decision", "allow").shows(oauth.CodeFormTokenInvalid)
	if got := b.press(s, "decision", "allow").answered(); got.Get("code") == "" || h.grants.orders[0].Session.UserUID != "usr_bob" {
		t.Errorf("answered %v", got)
	}
}

// TestPolicyRefuses: the client hears it, and the person was asked nothing.
func TestPolicyRefuses(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	h.grants.err = oauth.Refuse(oauth.CodePolicyDenied, "", "")
	if got := b.follow(b.open(asks())).answered(); got.Get("error") != "access_denied" || !strings.HasPrefix(got.Get("error_description"), "policy_denied:") {
		t.Errorf("answered %v", got)
	}
	// What failed for a moment can be tried again: the request still waits.
	h.grants.err = &oauth.Error{Code: oauth.CodeLedgerUnavailable}
	s := b.follow(b.open(asks()))
	s.shows(oauth.CodeLedgerUnavailable)
	if len(h.requests.kept) != 1 || !strings.Contains(s.body, `href="/authorize/`) {
		t.Errorf("%d wait: %s", len(h.requests.kept), s.body)
	}
}

// TestDisabledInTheMiddle: what was true when the page was shown is asked again when it is answered.
func TestDisabledInTheMiddle(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	h.grants.err = oauth.Refuse(oauth.CodeSubjectDisabled, "", "")
	if got := b.press(consent, "decision", "allow").answered(); got.Get("error") != "access_denied" || len(h.consents.kept) != 0 {
		t.Errorf("answered %v, kept %v", got, h.consents.kept)
	}
	h.grants.err = nil
	consent = b.follow(b.open(asks()))
	h.vouch = func(c *client.Client) { c.Disabled = true }
	b.press(consent, "decision", "allow").shows(oauth.CodeAuthorizationClientUnknown)
	h.vouch = func(c *client.Client) { c.Scopes = nil }
	if got := b.press(consent, "decision", "allow").answered(); got.Get("error") != "invalid_scope" {
		t.Errorf("answered %v", got)
	}
	h.vouch = nil
	consent = b.follow(b.open(asks()))
	clear(h.sessions.alive) // signed out elsewhere
	if s := b.press(consent, "decision", "allow"); !strings.HasPrefix(s.onward(), "https://okta.test/") {
		t.Errorf("%d %s", s.status, s.onward())
	}
}

// TestStepUp: asked for once at the IdP, then considered again.
func TestStepUp(t *testing.T) {
	start := func(t *testing.T) (*house, *browser, seen) {
		h := newHouse(t)
		h.idp.proof = session.Proof{AuthTime: h.now, ACR: "pwd"}
		h.grants.needs = "phr"
		b := h.browser()
		page := b.follow(b.open(asks()))
		if page.status != http.StatusOK || !strings.Contains(page.body, `name="way"`) {
			t.Fatalf("%d %s", page.status, page.body)
		}
		return h, b, page
	}
	t.Run("met", func(t *testing.T) {
		h, b, page := start(t)
		h.idp.proof.ACR = "phr"
		s := b.follow(b.press(page, "way", "idp"))
		if ask := h.idp.asks[1]; ask.Only != "usr_alice" || !slices.Equal(ask.ACRValues, []string{"phr"}) || ask.MaxAge == nil || *ask.MaxAge != 5*time.Minute {
			t.Errorf("asked %+v", ask)
		}
		if got := b.press(s, "decision", "allow").answered(); got.Get("code") == "" {
			t.Errorf("answered %v", got)
		}
	})
	t.Run("not met", func(t *testing.T) {
		h, b, page := start(t)
		got := b.follow(b.press(page, "way", "idp")).answered()
		if got.Get("error") != "unmet_authentication_requirements" || !strings.HasPrefix(got.Get("error_description"), "step_up_unmet:") || len(h.idp.asks) != 2 {
			t.Errorf("answered %v after %d departures", got, len(h.idp.asks))
		}
	})
	t.Run("refused by the IdP", func(t *testing.T) {
		h, b, page := start(t)
		h.idp.arrives = oauth.Refuse(oauth.CodeAcrUnmet, "", "")
		if got := b.follow(b.press(page, "way", "idp")).answered(); got.Get("error") != "unmet_authentication_requirements" {
			t.Errorf("answered %v", got)
		}
	})
	// What the client asked for itself was met before: the failure is of what policy asks.
	for asked, value := range map[string]string{"prompt": "login", "max_age": "0"} {
		t.Run("refused by the IdP, after "+asked, func(t *testing.T) {
			h, b, _ := start(t)
			h.now = h.now.Add(time.Minute)
			h.idp.proof.AuthTime = h.now
			page := b.follow(b.open(asks(asked, value)))
			h.now = h.now.Add(2 * time.Minute)
			h.idp.arrives = oauth.Refuse(oauth.CodeAcrUnmet, "", "")
			got := b.follow(b.press(page, "way", "idp")).answered()
			if got.Get("error") != "unmet_authentication_requirements" || !strings.HasPrefix(got.Get("error_description"), "step_up_unmet:") {
				t.Errorf("answered %v", got)
			}
		})
	}
	t.Run("cannot be asked for", func(t *testing.T) {
		h, b, page := start(t)
		h.idp.refuse = oauth.Refuse(oauth.CodeIdPStepUpUnsupported, "", "")
		if got := b.follow(b.press(page, "way", "idp")).answered(); got.Get("error") != "unmet_authentication_requirements" {
			t.Errorf("answered %v", got)
		}
	})
	t.Run("another way", func(t *testing.T) {
		h, b, page := start(t)
		h.idp.refuse = oauth.Refuse(oauth.CodeIdPStepUpUnsupported, "", "")
		h.ways.way = &authorize.Way{Name: "passkey", Own: "passkey", Path: "/passkey"}
		offered := b.follow(b.press(page, "way", "idp"))
		if strings.Contains(offered.body, `value="idp"`) {
			t.Errorf("%s", offered.body)
		}
		if s := b.press(offered, "way", "passkey"); !strings.HasPrefix(s.onward(), "/passkey?then=%2Fauthorize%2F") {
			t.Errorf("%d %s", s.status, s.onward())
		}
	})
	t.Run("not now", func(t *testing.T) {
		_, b, page := start(t)
		if got := b.press(page, "way", "").answered(); got.Get("error") != "access_denied" || !strings.HasPrefix(got.Get("error_description"), "step_up_declined:") {
			t.Errorf("answered %v", got)
		}
	})
}

// TestAnotherWindow: a sign-in for another request is none for the one that wants a fresh one.
func TestAnotherWindow(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.press(b.follow(b.open(asks())), "decision", "allow").answered()
	path := b.open(asks("prompt", "login")).onward()
	left := b.open(path)
	if !strings.HasPrefix(left.onward(), "https://okta.test/") {
		t.Fatalf("%d %s", left.status, left.onward())
	}
	b.follow(b.open(asks("prompt", "select_account"))) // in another window
	if s := b.open(path); !strings.HasPrefix(s.onward(), "https://okta.test/") {
		t.Errorf("%d %s", s.status, s.onward())
	}
	if got := b.follow(left).answered(); got.Get("code") == "" {
		t.Errorf("answered %v", got)
	}
}

// TestNoCircle: nobody is sent to an IdP for ever.
func TestNoCircle(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	path := b.open(asks()).onward()
	for range 10 {
		if s := b.open(path); !strings.HasPrefix(s.onward(), "https://okta.test/") {
			t.Fatalf("%d %s", s.status, s.onward())
		}
	}
	if got := b.open(path).answered(); got.Get("error") != "login_required" || !strings.HasPrefix(got.Get("error_description"), "sign_in_unfinished:") {
		t.Errorf("answered %v", got)
	}
}
