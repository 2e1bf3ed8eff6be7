package provider_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// GitHub answers a form unless it is asked for JSON, and refuses with status 200.
func TestGitHub(t *testing.T) {
	w := meet(t, "github-app")
	w.fake.Set(func(s *providertest.Switches) { s.FormAnswers = true })
	c, account := w.connect(t, "repo", "gist")
	if c.ExpiresAt.Sub(w.clock.now()) != 8*time.Hour || c.RefreshExpiresAt.Sub(w.clock.now()) != 15897600*time.Second || account.ID != "583231" {
		t.Errorf("%+v %+v", c, account)
	}
	for _, seen := range w.fake.Seen() {
		if seen.Header.Get("User-Agent") == "" || seen.Address != "github.com/login/oauth/authorize" && seen.Header.Get("Accept") != "application/json" {
			t.Errorf("%s was asked with %v", seen.Address, seen.Header)
		}
	}
	for _, dead := range []string{"form", "JSON"} {
		w.fake.Set(func(s *providertest.Switches) { s.FormAnswers = dead == "form" })
		gone := c
		gone.Refresh = provider.NewSecret("dead")
		_, err := w.Refresh(t.Context(), gone)
		if e := outcome(t, err); e.Outcome != provider.Terminal || e.Code != "bad_refresh_token" || e.Status != 200 {
			t.Errorf("%s: %v", dead, err)
		}
	}
}

// A GitHub app may be set not to end its tokens: then there is nothing to refresh.
func TestGitHubWithoutExpiry(t *testing.T) {
	w := meet(t, "github-app", func(_ *provider.Manifest, _ *provider.Settings, p *providertest.Profile) { p.Life, p.Rotation = 0, "" })
	c, _ := w.connect(t)
	if !c.ExpiresAt.IsZero() || !c.Refresh.IsZero() || c.Stale(w.clock.now().AddDate(5, 0, 0)) {
		t.Errorf("%+v", c)
	}
}

// Slack asks for a person's scopes by another name, with commas, and nests the person's token; a refresh does not.
func TestSlack(t *testing.T) {
	w := meet(t, "slack")
	address, d, err := w.Authorize(provider.Ask{Scopes: []string{"chat:write", "users:read"}})
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, address)
	if q.Get("user_scope") != "chat:write,users:read" || q.Has("scope") || q.Has("code_challenge") || !d.Verifier.IsZero() {
		t.Errorf("sent to %s", address)
	}
	c, _ := w.connect(t, "chat:write", "users:read")
	if !slices.Equal(c.Scopes, []string{"chat:write", "users:read"}) {
		t.Errorf("scopes %v", c.Scopes)
	}
	w.fake.Break("refresh", providertest.Fault{Kind: "status", Status: 200, Body: map[string]any{"ok": false, "error": "ratelimited"}, Header: map[string]string{"Retry-After": "3"}})
	_, err = w.Refresh(t.Context(), c)
	if e := outcome(t, err); e.Outcome != provider.RateLimited || e.RetryAfter != 3*time.Second {
		t.Errorf("got %v", err)
	}
}

// A bot's token beside the person's is not the person's.
func TestSlackBotTokenIsNotTaken(t *testing.T) {
	w := meet(t, "slack")
	code, d := w.arrive(t, provider.Ask{Scopes: []string{"chat:write"}})
	w.fake.Break("code", providertest.Fault{Kind: "status", Status: 200, Body: map[string]any{"ok": true, "access_token": "xoxb-bot", "token_type": "bot", "authed_user": map[string]any{"id": "U1"}}})
	if _, _, err := w.Exchange(t.Context(), code, d); outcome(t, err).Outcome != provider.Unknown {
		t.Fatalf("got %v", err)
	}
}

func TestAtlassian(t *testing.T) {
	w := meet(t, "atlassian")
	address, _, err := w.Authorize(provider.Ask{Scopes: []string{"read:jira-work"}})
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, address); q.Get("audience") != "api.atlassian.com" || q.Get("scope") != "read:jira-work offline_access read:me" {
		t.Errorf("sent to %s", address)
	}
	c, _ := w.connect(t, "read:jira-work")
	sites, err := w.Sites(t.Context(), c)
	if err != nil || len(sites) != 1 || sites[0] != (provider.Account{ID: "cloud-1", Label: "https://acme.atlassian.net"}) {
		t.Errorf("%v %v", sites, err)
	}
	for _, seen := range w.fake.Seen() {
		if seen.Address == "auth.atlassian.com/oauth/token" && seen.Header.Get("Content-Type") != "application/json" {
			t.Error("the body is not JSON")
		}
	}
}

// Linear has commas in the request, and a list in the answer.
func TestLinear(t *testing.T) {
	w := meet(t, "linear", func(m *provider.Manifest, _ *provider.Settings, _ *providertest.Profile) {
		m.AuthorizationParams["actor"] = "app"
	})
	address, _, err := w.Authorize(provider.Ask{Scopes: []string{"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, address); q.Get("scope") != "read,write" || q.Get("actor") != "app" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("sent to %s", address)
	}
	if c, _ := w.connect(t, "read", "write"); !slices.Equal(c.Scopes, []string{"read", "write"}) {
		t.Errorf("scopes %v", c.Scopes)
	}
}

// Google names email otherwise when it grants it, and keeps the refresh token.
func TestGoogle(t *testing.T) {
	w := meet(t, "google")
	c, _ := w.connect(t, "https://www.googleapis.com/auth/calendar.readonly")
	if !slices.Contains(c.Scopes, "email") || slices.Contains(c.Scopes, "https://www.googleapis.com/auth/userinfo.email") {
		t.Errorf("scopes %v", c.Scopes)
	}
	next, err := w.Refresh(t.Context(), c)
	if err != nil || next.Refresh.Reveal() != c.Refresh.Reveal() {
		t.Errorf("the refresh token did not stay: %v", err)
	}
	// A boundary is for buckets: anything else is lent whole, and the answer says so.
	lease, narrowed, err := w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"https://www.googleapis.com/auth/calendar.readonly"}})
	if err != nil || narrowed || lease.Access.Reveal() != c.Access.Reveal() {
		t.Errorf("narrowed %t: %v", narrowed, err)
	}
	// Another issuer's answer is a mix-up (RFC 9207).
	back, d := w.depart(t, provider.Ask{})
	back.Set("iss", "https://evil.example")
	if _, err := w.Arrive(back, d); err == nil {
		t.Error("another issuer was taken")
	}
}

// Microsoft's challenge goes back with the person; its numbers are more telling than its words.
func TestMicrosoft(t *testing.T) {
	w := meet(t, "microsoft")
	c, _ := w.connect(t, "Mail.Read")
	if !slices.Contains(c.Scopes, "offline_access") {
		t.Errorf("scopes %v", c.Scopes)
	}
	challenge := `{"access_token":{"capolids":{"essential":true,"values":["canary-policy"]}}}`
	w.fake.Break("refresh", providertest.Fault{Kind: "status", Status: 400, Body: map[string]any{"error": "invalid_grant", "suberror": "basic_action", "error_codes": []int{50076}, "claims": challenge}})
	_, err := w.Refresh(t.Context(), c)
	checkQuiet(t, err)
	e := outcome(t, err)
	if e.Outcome != provider.Terminal || e.Code != "50076" || e.Claims.Reveal() != challenge {
		t.Fatalf("got %v", err)
	}
	address, _, err := w.Authorize(provider.Ask{Scopes: []string{"Mail.Read"}, Claims: e.Claims, Hint: "alice@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, address); q.Get("claims") != challenge || q.Get("login_hint") != "alice@example.com" {
		t.Errorf("sent to %s", address)
	}
	w.fake.Break("refresh", providertest.Fault{Kind: "status", Status: 400, Body: map[string]any{"error": "invalid_grant", "error_codes": []int{90033}}})
	if _, err = w.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Transient {
		t.Errorf("got %v: the number says that it passes", err)
	}
	// The old token stays good after its successor was given.
	if _, err = w.Refresh(t.Context(), c); err != nil {
		t.Error(err)
	}
	if _, err = w.Refresh(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestMicrosoftTenant(t *testing.T) {
	_, err := provider.New(manifest(t, "microsoft"), settings(func(s *provider.Settings) { s.Config = map[string]string{"tenant": "acme.com/../evil"} }))
	if err == nil {
		t.Fatal("a tenant that is a path was taken")
	}
	p, err := provider.New(manifest(t, "microsoft"), settings(func(s *provider.Settings) { s.Config = map[string]string{"tenant": "acme.com"} }))
	if err != nil {
		t.Fatal(err)
	}
	if address, _, err := p.Authorize(provider.Ask{}); err != nil || !strings.HasPrefix(address, "https://login.microsoftonline.com/acme.com/oauth2/v2.0/authorize?") {
		t.Fatalf("%s %v", address, err)
	}
}

// Salesforce has no expires_in; the beginning is in milliseconds as text, and the API's host comes with the token and stays.
func TestSalesforce(t *testing.T) {
	w := meet(t, "salesforce")
	w.clock.add(1500 * time.Millisecond)
	c, _ := w.connect(t, "api")
	if got := c.ExpiresAt.Sub(w.clock.now()); got != 2*time.Hour || c.Kept["instance_url"] != "https://acme.my.salesforce.com" {
		t.Errorf("it lives %v, and keeps %v", got, c.Kept)
	}
	w.fake.Set(func(s *providertest.Switches) { s.NoSuccessor = true })
	next, err := w.Refresh(t.Context(), c)
	if err != nil || w.Lend(next).Kept["instance_url"] == "" || next.Refresh.Reveal() != c.Refresh.Reveal() {
		t.Errorf("%+v %v", next, err)
	}
	// With rotation, which an administrator may turn on.
	turning := meet(t, "salesforce", func(_ *provider.Manifest, _ *provider.Settings, p *providertest.Profile) {
		p.Rotation, p.Issued = "single_use", func(i providertest.Issued) map[string]any {
			return map[string]any{"access_token": i.Access, "refresh_token": i.Refresh, "issued_at": "1780000000000"}
		}
	})
	c, _ = turning.connect(t, "api")
	if next, err = turning.Refresh(t.Context(), c); err != nil || next.Refresh.Reveal() == c.Refresh.Reveal() {
		t.Errorf("the successor was not taken: %v", err)
	}
}

// Ends that cannot be read: the token is used now, and refreshed the next time; its successor is not lost.
func TestOddExpiry(t *testing.T) {
	for name, test := range map[string]struct {
		said any
		want time.Duration
	}{
		"text": {"3600", time.Hour}, "a fraction": {3599.7, 3599 * time.Second}, "nothing": {0, 0}, "less than nothing": {-1, 0}, "words": {"soon", 0},
		"for ever": {1e18, 10 * 365 * 24 * time.Hour}, "an object": {map[string]any{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, "oauth2")
			c, _ := w.connect(t, "a")
			w.fake.Break("refresh", providertest.Fault{Kind: "status", Status: 200, Body: map[string]any{"access_token": "x", "refresh_token": "y", "expires_in": test.said}})
			next, err := w.Refresh(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if got := next.ExpiresAt.Sub(w.clock.now()); got != test.want || next.Refresh.Reveal() != "y" || next.Stale(w.clock.now()) != (test.want == 0) {
				t.Errorf("it lives %v, want %v", got, test.want)
			}
		})
	}
}

func TestExpiryInTheToken(t *testing.T) {
	w := meet(t, "oauth2", func(m *provider.Manifest, _ *provider.Settings, p *providertest.Profile) {
		m.Expiry = provider.ExpiryRules{Source: provider.JWTExp, Default: provider.Duration(time.Minute)}
		p.Issued = func(i providertest.Issued) map[string]any {
			return map[string]any{"access_token": "e30.eyJleHAiOjE3OTUyNTUyMDB9.c2ln", "refresh_token": i.Refresh} // exp 1795255200
		}
		p.Probe = ""
	}, func(m *provider.Manifest, _ *provider.Settings, _ *providertest.Profile) { m.Probe = nil })
	if c, _ := w.connect(t, "a"); c.ExpiresAt.Unix() != 1795255200 {
		t.Errorf("it ends at %v", c.ExpiresAt)
	}
}

func TestHubSpotRevokesByPath(t *testing.T) {
	w := meet(t, "hubspot")
	c, _ := w.connect(t, "crm.objects.contacts.read")
	if err := w.Revoke(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	last := w.fake.Seen()[len(w.fake.Seen())-1]
	if last.Address != "api.hubapi.com/oauth/v1/refresh-tokens/"+c.Refresh.Reveal() || last.Method != "DELETE" {
		t.Errorf("%s %s", last.Method, last.Address)
	}
	// A token that is no segment of a path goes nowhere.
	c.Refresh = provider.NewSecret("../../contacts")
	err := w.Revoke(t.Context(), c)
	if outcome(t, err).Outcome != provider.Misconfigured || w.fake.Count("revoke") != 1 {
		t.Errorf("got %v", err)
	}
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
