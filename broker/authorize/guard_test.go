package authorize_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/federation"
)

// TestAnsweredOnce: a request gives one answer, whoever asks and however often.
func TestAnsweredOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	b.press(consent, "decision", "allow").answered()
	b.press(consent, "decision", "allow").shows(oauth.CodeRequestNotWaiting)
	b.open(consent.find(actions, "form")).shows(oauth.CodeRequestNotWaiting)
	if len(h.grants.orders) != 1 {
		t.Errorf("%d codes", len(h.grants.orders))
	}
}

// TestAnsweredOnceInARace: fifty at once get one code.
func TestAnsweredOnceInARace(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.press(b.follow(b.open(asks())), "decision", "allow").answered()
	path := b.open(asks()).onward()
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := 0
	for range 50 {
		wg.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+path, http.NoBody)
			for name, value := range b.cookies {
				r.AddCookie(cookie(name, value, 0))
			}
			w := httptest.NewRecorder()
			h.server.ServeHTTP(w, r)
			if strings.Contains(w.Header().Get("Location"), "code=") {
				mu.Lock()
				codes++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if codes != 1 {
		t.Errorf("%d codes", codes)
	}
}

// TestForms: a form is of a page of ours, in the browser that began, for the question that was shown (T37).
func TestForms(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	path := consent.find(actions, "form")
	token := consent.find(tokens, "token")

	t.Run("no token", func(t *testing.T) {
		s := b.post(path, url.Values{"decision": {"allow"}})
		s.t = t
		s.shows(oauth.CodeFormTokenInvalid)
	})
	t.Run("a token of another request", func(t *testing.T) {
		other := b.follow(b.open(asks()))
		s := b.post(path, url.Values{"decision": {"allow"}, "token": {other.find(tokens, "token")}})
		s.t = t
		s.shows(oauth.CodeFormTokenInvalid)
	})
	t.Run("a token of another question", func(t *testing.T) {
		chooser := b.open(path + "/switch")
		s := b.post(path, url.Values{"decision": {"allow"}, "token": {chooser.find(tokens, "token")}})
		s.t = t
		s.shows(oauth.CodeFormTokenInvalid)
	})
	t.Run("another site", func(t *testing.T) {
		for _, site := range []string{"cross-site", "same-site"} {
			b.site = site
			s := b.post(path, url.Values{"decision": {"allow"}, "token": {token}})
			s.t = t
			s.shows(oauth.CodeCrossSiteForm)
		}
		b.site = "same-origin"
	})
	t.Run("another browser", func(t *testing.T) {
		other := h.browser()
		for _, s := range []seen{other.post(path, url.Values{"decision": {"allow"}, "token": {token}}), other.open(path), other.open(path + "/switch")} {
			s.t = t
			s.shows(oauth.CodeBrowserMismatch)
		}
		other.open(asks()) // it has a cookie of its own now
		s := other.post(path, url.Values{"decision": {"allow"}, "token": {token}})
		s.t = t
		s.shows(oauth.CodeBrowserMismatch)
	})
	t.Run("no form", func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, issuer+path, strings.NewReader(`{"decision":"allow"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.server.ServeHTTP(w, r)
		if w.Code != oauth.Public(oauth.CodeContentTypeUnsupported).Status {
			t.Errorf("%d", w.Code)
		}
	})
	t.Run("what it asked has changed", func(t *testing.T) {
		h.vouch = func(c *client.Client) { c.DisplayName = "Another name" }
		defer func() { h.vouch = nil }()
		s := b.post(path, url.Values{"decision": {"allow"}, "token": {token}})
		s.t = t
		s.shows(oauth.CodeFormTokenInvalid)
	})
	if len(h.grants.orders) != 0 || len(h.consents.kept) != 0 {
		t.Error("something was given")
	}
	b.press(consent, "decision", "allow").answered() // the valid one is still good
}

func TestExpires(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	h.now = h.now.Add(authorize.PendingLifetime)
	b.press(consent, "decision", "allow").shows(oauth.CodeRequestNotWaiting)
	b.open("/authorize/nonsense").shows(oauth.CodeRequestNotWaiting)
	b.open("/authorize/" + strings.Repeat("A", 43)).shows(oauth.CodeRequestNotWaiting)
}

// TestTenantsApart: requests, sessions and cookies of one tenant are nothing at another, on the same host.
func TestTenantsApart(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.below = "/t/acme"
	consent := b.follow(b.open("/t/acme" + asks()))
	path := consent.find(actions, "form")
	if !strings.HasPrefix(path, "/t/acme/authorize/") {
		t.Fatalf("at %s", path)
	}
	b.open(strings.TrimPrefix(path, "/t/acme")).shows(oauth.CodeRequestNotWaiting)
	got := b.press(consent, "decision", "allow").answered()
	if got.Get("iss") != issuer+"/t/acme" {
		t.Errorf("answered %v", got)
	}
	if s := b.open(b.open(asks()).onward()); !strings.HasPrefix(s.onward(), "https://okta.test/") {
		t.Errorf("signed in at another tenant: %d %s", s.status, s.onward())
	}
	h.browser().open("/t/bare" + asks()).shows(oauth.CodeSignInUnserved)
	if w := h.browser().open("/t/nobody" + asks()); w.status != http.StatusNotFound {
		t.Errorf("%d", w.status)
	}
}

// TestHead looks, and does nothing: neither is a code issued nor a pushed request taken.
func TestHead(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	b.press(consent, "decision", "allow").answered()
	path := b.open(asks()).onward()
	for _, p := range []string{asks(), path, "/account", "/end_session"} {
		if s := b.send(http.MethodHead, p, nil); s.status != http.StatusOK || s.body != "" || s.header.Get("Location") != "" {
			t.Errorf("HEAD %s: %d %s", p, s.status, s.header)
		}
	}
	if len(h.requests.kept) != 1 || len(h.grants.orders) != 1 {
		t.Errorf("%d wait, %d codes", len(h.requests.kept), len(h.grants.orders))
	}
}

// TestStoreFails: who cannot be known is not taken for nobody.
func TestStoreFails(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.follow(b.open(asks()))
	h.sessions.err = session.ErrUnavailable
	down := b.press(consent, "decision", "allow")
	if down.shows(oauth.CodeTenantUnavailable); down.header.Get("Retry-After") != "1" {
		t.Errorf("%v", down.header)
	}
	h.sessions.err = nil
	b.press(consent, "decision", "allow").answered()
}

// TestVouched: who is not vouched for is asked about every time, and named as a stranger (T40).
func TestVouched(t *testing.T) {
	for name, one := range map[string]struct {
		vouch  func(*client.Client)
		change []string
		asked  bool // again
		shows  string
	}{
		"company":                {func(*client.Client) {}, nil, false, "agent"},
		"company on loopback":    {func(*client.Client) {}, []string{"redirect_uri", "http://127.0.0.1:4711/callback"}, false, "127.0.0.1:4711"},
		"document":               {func(c *client.Client) { c.Origin, c.Host = client.OriginDocument, "agents.acme.com" }, nil, false, "agents.acme.com"},
		"document on loopback":   {func(c *client.Client) { c.Origin, c.Host = client.OriginDocument, "agents.acme.com" }, []string{"redirect_uri", "http://127.0.0.1:4711/callback"}, true, "127.0.0.1:4711"},
		"dynamic":                {func(c *client.Client) { c.Origin = client.OriginDynamic }, nil, true, "unknown application"},
		"dynamic, approved":      {func(c *client.Client) { c.Origin, c.Approved = client.OriginDynamic, true }, nil, true, "unknown application"},
		"document, approved":     {func(c *client.Client) { c.Origin, c.Host, c.Approved = client.OriginDocument, "x.example", true }, nil, false, "x.example"},
		"offline said in words":  {func(*client.Client) {}, []string{"scope", "notes:read offline_access"}, false, "offline_access"},
		"identity said in words": {func(*client.Client) {}, []string{"scope", "notes:read openid email"}, false, "email"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.vouch = one.vouch
			b := h.browser()
			consent := b.follow(b.open(asks(one.change...)))
			if consent.status != http.StatusOK || !strings.Contains(consent.body, one.shows) {
				t.Fatalf("%d %s", consent.status, consent.body)
			}
			b.press(consent, "decision", "allow")
			again := b.follow(b.open(asks(one.change...)))
			if asked := strings.Contains(again.body, `name="decision"`); asked != one.asked {
				t.Errorf("asked again: %v", asked)
			}
		})
	}
	t.Run("approved by the company", func(t *testing.T) {
		h := newHouse(t)
		h.vouch = func(c *client.Client) { c.Approved = true }
		b := h.browser()
		if got := b.follow(b.open(asks())).answered(); got.Get("code") == "" {
			t.Errorf("answered %v", got)
		}
		if len(h.consents.kept) != 1 || h.consents.kept[0].Meaning != [32]byte{} { // seen on the account page, and nobody's yes
			t.Errorf("kept %+v", h.consents.kept)
		}
		if s := b.follow(b.open(asks("prompt", "consent"))); !strings.Contains(s.body, `name="decision"`) {
			t.Errorf("%d %s", s.status, s.body)
		}
	})
}

// TestPush: RFC 9126, with a client that has to.
// push pushes a request of a client that proves itself.
func (h *house) push(change func(url.Values), headers ...string) *httptest.ResponseRecorder {
	u, err := url.Parse(asks("client_id", "pusher"))
	must(h.t, err)
	form := u.Query()
	if change != nil {
		change(form)
	}
	r := httptest.NewRequestWithContext(h.t.Context(), http.MethodPost, issuer+"/par", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("pusher", snapshottest.Secret)
	for name, value := range pairs(headers) {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, r)
	return w
}

// pushed is the address to which the client then sends the browser.
func (h *house) pushed(change func(url.Values)) string {
	h.t.Helper()
	w := h.push(change)
	var answer struct {
		RequestURI string `json:"request_uri"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusCreated {
		h.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return "/authorize?client_id=pusher&request_uri=" + url.QueryEscape(answer.RequestURI)
}

func TestPush(t *testing.T) {
	h := newHouse(t)
	w := h.push(nil)
	var answer struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusCreated || answer.ExpiresIn != 60 ||
		!strings.HasPrefix(answer.RequestURI, "urn:ietf:params:oauth:request_uri:") || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	used := "/authorize?client_id=pusher&state=ignored&request_uri=" + url.QueryEscape(answer.RequestURI)
	h.browser().open(strings.Replace(used, "pusher", "agent", 1)).shows(oauth.CodeRequestURIInvalid) // another client
	b := h.browser()
	if got := b.press(b.follow(b.open(used)), "decision", "allow").answered(); got.Get("code") == "" || got.Get("state") != "st" {
		t.Errorf("answered %v", got)
	}
	h.browser().open(used).shows(oauth.CodeRequestURIInvalid) // once
	h.now = h.now.Add(time.Minute)

	for name, one := range map[string]struct {
		change  func(url.Values)
		headers []string
		status  int
		code    string
	}{
		"request_uri":     {func(f url.Values) { f.Set("request_uri", "urn:x") }, nil, 400, "request_uri_pushed"},
		"redirect":        {func(f url.Values) { f.Set("redirect_uri", "https://evil.example/") }, nil, 400, "redirect_uri_unregistered"},
		"scope":           {func(f url.Values) { f.Set("scope", "notes:write") }, nil, 400, "scope_empty"},
		"another client":  {func(f url.Values) { f.Set("client_id", "agent") }, nil, 401, "client_authentication_failed"},
		"wrong secret":    {nil, []string{"Authorization", "Basic cHVzaGVyOndyb25n"}, 401, "client_authentication_failed"},
		"no secret":       {nil, []string{"Authorization", ""}, 401, "client_authentication_failed"},
		"no client":       {func(f url.Values) { f.Del("client_id") }, []string{"Authorization", ""}, 401, "client_authentication_required"},
		"JSON":            {nil, []string{"Content-Type", "application/json"}, 400, "content_type_unsupported"},
		"twice":           {func(f url.Values) { f.Add("state", "2") }, nil, 400, "parameter_repeated"},
		"no proof":        {nil, []string{"DPoP", "nonsense"}, 400, "dpop_proof_invalid"},
		"thumbprint form": {func(f url.Values) { f.Set("dpop_jkt", "x") }, nil, 400, "dpop_jkt_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := h.push(one.change, one.headers...)
			var refused struct {
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &refused); err != nil || w.Code != one.status || !strings.HasPrefix(refused.Description, one.code+":") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	if s := h.browser().open("/par"); s.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", s.status)
	}
	// A public client pushes too, by its name alone.
	w = h.push(func(f url.Values) { f.Set("client_id", "agent") }, "Authorization", "")
	if w.Code != http.StatusCreated {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestNoOtherWayIn: who comes back to a request was asked what it asks. A sign-in for nothing is not that, so none leads to
// one: prompt=login and max_age would be met by whoever the IdP still knows.
func TestNoOtherWayIn(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.follow(b.open("/account"))
	waits := b.open(asks("prompt", "login")).onward()
	b.open(waits) // to the IdP, and not back
	delete(b.cookies, "__Host-chancery")
	b.open("/signin?then=" + url.QueryEscape(waits)).shows(oauth.CodeRequestMalformed)
	b.open("/signin?then=" + url.QueryEscape(waits+"?x")).shows(oauth.CodeRequestMalformed)
}

// TestAFlood: an address that has too many requests put by gets no more; who proves who he is, and who is on this machine,
// is not counted. What could not be read is on record.
func TestAFlood(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.open(asks())
	kept := len(h.requests.kept)
	h.budget.spent = true
	b.open(asks()).shows(oauth.CodeAddressRateExceeded)
	b.open("/signin").shows(oauth.CodeAddressRateExceeded)
	if len(h.requests.kept) != kept || h.budget.taken != 3 || len(h.idp.asks) != 0 {
		t.Errorf("%d put by, %d counted", len(h.requests.kept)-kept, h.budget.taken)
	}
	form, err := url.ParseQuery(strings.TrimPrefix(asks(), "/authorize?"))
	must(t, err)
	if s := b.post("/par", form); s.status != http.StatusTooManyRequests || h.budget.taken != 4 || s.header.Get("Retry-After") != "2" {
		t.Errorf("pushed: %d %v %s", s.status, s.header, s.body)
	}
	if s := b.open(asks()); s.status != http.StatusTooManyRequests || s.header.Get("Retry-After") != "2" { // whole seconds, not too early
		t.Errorf("%d %v", s.status, s.header)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+asks(), http.NoBody)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	if h.server.ServeHTTP(w, r); w.Code != http.StatusSeeOther {
		t.Errorf("on this machine: %d", w.Code)
	}
}

// TestCrowded: where strangers have filled what a tenant puts by, nobody is told that his request is wrong, and whoever proved
// himself has a room of his own, from the push on until his person is back.
func TestCrowded(t *testing.T) {
	h := newHouse(t)
	h.requests.full, h.pushes.full = true, true
	form, err := url.ParseQuery(strings.TrimPrefix(asks(), "/authorize?"))
	must(t, err)
	for name, s := range map[string]seen{"browser": h.browser().open(asks()), "push": h.browser().post("/par", form)} {
		if s.status != http.StatusServiceUnavailable || s.header.Get("Retry-After") != "1" || !strings.Contains(s.body, string(oauth.CodeOverloaded)) {
			t.Errorf("%s: %d %v %s", name, s.status, s.header, s.body)
		}
	}
	if len(h.lane.events) != 2 {
		t.Errorf("recorded %+v", h.lane.events)
	}
	b := h.browser()
	b.press(b.follow(b.open(h.pushed(nil))), "decision", "allow").answered()
	// Whoever has as many credentials as he likes is a stranger with each.
	h.vouch = func(c *client.Client) { c.Origin = client.OriginDynamic }
	if w := h.push(nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a client that registered itself: %d %s", w.Code, w.Body)
	}
	h.budget.spent = true
	if w := h.push(nil); w.Code != http.StatusTooManyRequests {
		t.Errorf("a client that registered itself, from an address that has had enough: %d %s", w.Code, w.Body)
	}
}

// TestUnread: what is no form is refused, and on record.
func TestUnread(t *testing.T) {
	for _, path := range []string{"/par", "/authorize", "/account"} {
		h := newHouse(t)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, issuer+path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.server.ServeHTTP(w, r)
		if len(h.lane.events) != 1 || h.lane.events[0].Code != string(oauth.CodeContentTypeUnsupported) || h.lane.events[0].Trace == "" {
			t.Errorf("%s: %d, recorded %+v", path, w.Code, h.lane.events)
		}
	}
}

// TestPostedFromAbroad: an authorization request may be posted (RFC 6749 §3.1), from any site. Such a form brings no cookie, and
// takes none away: what waits in the browser waits on.
func TestPostedFromAbroad(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	waits := b.open(asks()).onward()
	form, err := url.ParseQuery(strings.TrimPrefix(asks("state", "a b&c=d"), "/authorize?"))
	must(t, err)
	abroad := h.browser() // the same one, as its form comes
	abroad.site = "cross-site"
	s := abroad.post("/authorize", form)
	if s.status != http.StatusSeeOther || len(abroad.cookies) != 0 || !strings.HasPrefix(s.onward(), "/authorize?") {
		t.Fatalf("%d %q, cookies %v", s.status, s.onward(), abroad.cookies)
	}
	answer := b.press(b.follow(b.open(s.onward())), "decision", "allow").answered()
	if answer.Get("state") != "a b&c=d" {
		t.Errorf("%v", answer)
	}
	b.follow(b.open(waits)).answered()
}

// TestAnIdPThatDoesNotSay: an IdP that leaves out auth_time, or says an old one, is not asked for it over and over by the
// browser: the client hears that it cannot be had. What it would merely like, it goes without.
func TestAnIdPThatDoesNotSay(t *testing.T) {
	h := newHouse(t)
	h.idp.arrives = oauth.Refuse(oauth.Code(federation.CodeAuthTimeMissing), "", "")
	b := h.browser()
	answer := b.follow(b.open(asks("max_age", "60"))).answered()
	if answer.Get("error") != oauth.Public(oauth.CodeSignInUnfinished).Error || len(h.idp.asks) != 1 || len(h.requests.kept) != 0 {
		t.Errorf("%v after %d departures", answer, len(h.idp.asks))
	}

	h = newHouse(t)
	h.idp.arrives = oauth.Refuse(oauth.Code(federation.CodeACRUnmet), "", "")
	b = h.browser()
	left := b.open(b.open(asks("acr_values", "phr")).onward())
	back := b.open("/federation/oidc/okta/callback?code=1&state=" + url.QueryEscape(h.idp.asks[0].Then))
	h.idp.arrives = nil
	if left.status != http.StatusSeeOther || b.follow(back).status != http.StatusOK || len(h.idp.asks) != 2 || len(h.idp.asks[1].ACRValues) != 0 {
		t.Errorf("asked %+v", h.idp.asks)
	}
}
