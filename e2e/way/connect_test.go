package way_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// providers are two services of others, with one fake behind both: what stands in their addresses is replaced when it runs.
const providers = `
apiVersion: chancery/v1
kind: Provider
metadata: {name: tracker}
spec:
  display_name: Tracker
  own_manifest:
    name: tracker
    extends: oauth2
    authorization_url: {{fake}}/as.example.com/authorize
    token_url: {{fake}}/as.example.com/token
    revoke: {url: "{{fake}}/as.example.com/revoke", format: form}
    probe: {url: "{{fake}}/as.example.com/me", id: id, label: [login]}
  network: {allow_private_addresses: true}
  client_id: client-1
  client_secret: {env: CHANCERY_E2E_PROVIDER_SECRET}
  scope_map: {"issues:read": [a], "issues:write": [b]}
  default_scopes: ["issues:read"]
  allow: {clients: [claude], resources: [notes]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: lending}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [vend]}
  modules: {"lending.rego": "package chancery.authz\ndecision := {\"allow\": true, \"scopes\": input.requested.scopes} if input.client.name == \"claude\"\n"}
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: other}
spec:
  own_manifest:
    name: other
    extends: oauth2
    authorization_url: {{fake}}/as.example.com/authorize
    token_url: {{fake}}/as.example.com/token
  network: {allow_private_addresses: true}
  client_id: client-1
  client_secret: {env: CHANCERY_E2E_PROVIDER_SECRET}
  scope_map: {"issues:read": [a]}
  allow: {clients: [host], resources: [notes]}
---
`

// tracked is a world beside which there is a service to connect.
type tracked struct {
	*harness.World
	t    *testing.T
	fake *providertest.Server
}

func startTracked(t *testing.T, e harness.Engine) tracked {
	t.Helper()
	profile, ok := providertest.Named("oauth2")
	if !ok {
		t.Fatal("no profile")
	}
	objects := strings.NewReplacer(
		"applies_to: {resources: [notes]}", "applies_to: {resources: [notes], actions: [issue, authorize, refresh, connect]}",
		`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange"]`,
	).Replace(harness.SignInObjects)
	w := harness.Start(t, harness.Options{Engine: e, Objects: objects, Env: []string{harness.ProviderSecret + "=" + providertest.ClientSecret}})
	profile.Redirect = w.Issuer + "/connect/tracker/callback"
	fake := providertest.Start(profile, time.Now)
	t.Cleanup(fake.Close)
	w.Apply(w.Server(), strings.ReplaceAll(providers, "{{fake}}", fake.URL()))
	return tracked{w, t, fake}
}

// signedIn is a person who is signed in.
func (w tracked) signedIn(name string) *harness.Person {
	w.t.Helper()
	p := harness.NewPerson(w.t, name)
	says(w.t, p.GoOn(p.Open(w.Issuer+"/account")), http.StatusOK, "Your account")
	return p
}

// goes presses the button of a page that leads to the provider, and comes back with what it says: the address.
func (w tracked) goes(p *harness.Person, page *harness.Page) string {
	w.t.Helper()
	p.StopAt(w.fake.URL())
	away := p.Press(page, "decision", "allow")
	if away.Outside == nil {
		w.t.Fatalf("no way to the provider: %d %s", away.Status, away.Body)
	}
	p.StopAt("")
	target := away.Outside
	callback := target.Query().Get("redirect_uri")
	back, err := w.fake.Visit(target.String())
	if err != nil {
		w.t.Fatal(err)
	}
	return callback + "?" + back.Encode()
}

func (w tracked) connects(p *harness.Person, path string) *harness.Page {
	w.t.Helper()
	confirm := p.Open(w.goes(p, p.Open(w.Issuer+path)))
	return p.Press(confirm, "decision", "allow")
}

func says(t *testing.T, page *harness.Page, status int, text string) {
	t.Helper()
	if page.Status != status || !strings.Contains(page.Body, text) {
		t.Fatalf("%d, want %d and %q: %s", page.Status, status, text, page.Body)
	}
}

// TestConnect: alice connects an account of hers, asks for more, tests it, and takes it back, which ends it at the provider.
func TestConnect(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := startTracked(t, e)
		alice := w.signedIn("alice")
		says(t, alice.Open(w.Issuer+"/connections"), http.StatusOK, "You have connected none.")
		page := alice.Open(w.Issuer + "/connect/tracker")
		says(t, page, http.StatusOK, "issues:read")
		if strings.Contains(page.Body, "issues:write") {
			t.Error("more is asked than the company's default")
		}
		confirm := alice.Open(w.goes(alice, page))
		says(t, confirm, http.StatusOK, "Is this the right account?")
		if !strings.Contains(confirm.Body, "alice") {
			t.Errorf("whose it is is not said: %s", confirm.Body)
		}
		says(t, alice.Open(w.Issuer+"/connections"), http.StatusOK, "You have connected none.")
		listed := alice.Press(confirm, "decision", "allow")
		says(t, listed, http.StatusOK, "Tracker")

		// More, and the connection keeps what it has.
		more := w.connects(alice, "/connect/tracker?scope=issues%3Awrite")
		says(t, more, http.StatusOK, "issues:write")
		if !strings.Contains(more.Body, "issues:read") || strings.Count(more.Body, `name="remove"`) != 1 {
			t.Errorf("not one connection with both: %s", more.Body)
		}

		// It is tested, and removed.
		tested := w.pressFirst(alice, more, "test")
		says(t, tested, http.StatusOK, "answers: the account is")
		before := w.fake.Count("revoke")
		removed := w.pressFirst(alice, tested, "remove")
		says(t, removed, http.StatusOK, "is removed here, and ended there")
		if w.fake.Count("revoke") == before {
			t.Error("the provider was not told")
		}
		says(t, alice.Open(w.Issuer+"/connections"), http.StatusOK, "You have connected none.")
		says(t, alice.Open(w.Issuer+"/account"), http.StatusOK, "/connections")
	})
}

func (w tracked) pressFirst(p *harness.Person, page *harness.Page, name string) *harness.Page {
	w.t.Helper()
	for _, f := range page.Forms {
		for _, b := range f.Buttons {
			if b.Name == name {
				return p.Send(f, url.Values{b.Name: {b.Value}})
			}
		}
	}
	w.t.Fatalf("no button %s on %s", name, page.Body)
	return nil
}

// TestConnectRefuses: a no anywhere connects nothing; nobody but who began it completes it, nor anywhere else, nor twice; an
// answer of one provider is none of another.
func TestConnectRefuses(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := startTracked(t, e)
		alice, eve, stranger := w.signedIn("alice"), w.signedIn("eve"), w.signedIn("alice")
		start := func() string { return w.goes(alice, alice.Open(w.Issuer+"/connect/tracker")) }

		// 1. No, here and there.
		says(t, alice.Press(alice.Open(w.Issuer+"/connect/tracker"), "decision", "deny"), http.StatusOK, "You have connected none.")
		w.fake.Set(func(s *providertest.Switches) { s.Decline = true })
		says(t, alice.Open(start()), http.StatusForbidden, "connect_declined")
		w.fake.Set(func(s *providertest.Switches) { s.Decline = false })
		says(t, alice.Press(alice.Open(start()), "decision", "deny"), http.StatusOK, "You have connected none.")
		if w.fake.Count("revoke") != 1 {
			t.Errorf("%d revocations of what was not confirmed", w.fake.Count("revoke"))
		}

		// 2. Other people, other browsers.
		back := start()
		says(t, eve.Open(back), http.StatusForbidden, "browser_mismatch")
		says(t, stranger.Open(back), http.StatusForbidden, "browser_mismatch")
		codes := w.fake.Count("code")

		// 3. Another provider's callback.
		says(t, alice.Open(strings.Replace(back, "/connect/tracker/", "/connect/other/", 1)), http.StatusNotFound, "connect_gone")
		if w.fake.Count("code") != codes {
			t.Error("a code was redeemed for who did not begin it")
		}

		// 4. Once.
		confirm := alice.Open(back)
		says(t, confirm, http.StatusOK, "Is this the right account?")
		says(t, alice.Open(back), http.StatusNotFound, "connect_gone")
		says(t, eve.Open(confirm.URL.String()), http.StatusForbidden, "browser_mismatch")
		says(t, alice.Press(confirm, "decision", "allow"), http.StatusOK, "Tracker")
		says(t, alice.Open(confirm.URL.String()), http.StatusNotFound, "connect_gone")

		// 5. Where there is nothing to connect.
		says(t, alice.Open(w.Issuer+"/connect/nowhere"), http.StatusNotFound, "connect_provider_unknown")
		says(t, alice.Open(w.Issuer+"/interact/lnk_"+strings.Repeat("A", 43)), http.StatusNotFound, "connect_gone")

		// 6. Whom policy lets do nothing where it is lent.
		says(t, eve.Press(eve.Open(w.Issuer+"/connect/tracker"), "decision", "allow"), http.StatusBadRequest, "policy_denied")
	})
}

// TestConnectByLink: the agent is told where its person connects; nobody else can, and it works once.
func TestConnectByLink(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := startTracked(t, e)
		alice, eve := w.signedIn("alice"), w.signedIn("eve")
		token := w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t).AccessToken
		vend := func() (int, map[string]any) {
			return ask(t, w.Issuer+"/token", url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {token}, "client_id": {harness.ClientID}, "client_secret": {w.Secret},
				"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "audience": {"tracker"}, "scope": {"issues:read"},
			})
		}
		status, refused := vend()
		link, _ := refused["interaction_uri"].(string)
		if status != http.StatusBadRequest || refused["error"] != "interaction_required" || !strings.HasPrefix(link, w.Issuer+"/interact/lnk_") {
			t.Fatalf("%d %v", status, refused)
		}
		if _, again := vend(); again["interaction_uri"] != link {
			t.Errorf("another link: %v", again["interaction_uri"])
		}
		says(t, eve.Open(link), http.StatusForbidden, "connect_wrong_person")
		page := alice.Open(link)
		says(t, page, http.StatusOK, "claude")
		says(t, alice.Press(alice.Open(w.goes(alice, page)), "decision", "allow"), http.StatusOK, "go back to your agent")
		says(t, alice.Open(link), http.StatusNotFound, "connect_gone")
		if status, lent := vend(); status != http.StatusOK || lent["access_token"] == "" {
			t.Errorf("%d %v", status, lent)
		}
	})
}

// TestConnectFails: each way in which a provider's side goes wrong has its own page, connects nothing, and leaves nothing there.
func TestConnectFails(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := startTracked(t, e)
		alice := w.signedIn("alice")
		start := func() string { return w.goes(alice, alice.Open(w.Issuer+"/connect/tracker")) }

		// 1. An answer that nobody asked for, and one of another issuer's request.
		back, err := url.Parse(start())
		if err != nil {
			t.Fatal(err)
		}
		query := back.Query()
		query.Del("code")
		back.RawQuery = query.Encode()
		says(t, alice.Open(back.String()), http.StatusBadRequest, "connect_answer_invalid")

		// 2. The provider does not say whose it is: what came is given back.
		there := start()
		ended := w.fake.Count("revoke")
		for range 3 { // it may be asked again
			w.fake.Break("probe", providertest.Fault{Kind: "status", Status: http.StatusInternalServerError})
		}
		says(t, alice.Open(there), http.StatusServiceUnavailable, "connect_account_unread")
		harness.Eventually(t, 10*time.Second, "what came is given back", func() bool { return w.fake.Count("revoke") > ended })

		// 3. It takes nothing of what it gave itself.
		there = start()
		w.fake.Break("code", providertest.Fault{Kind: "status", Status: http.StatusBadRequest, Body: map[string]any{"error": "invalid_grant"}})
		says(t, alice.Open(there), http.StatusForbidden, "connect_refused")

		// 4. The company lets work accounts in alone, which this one is not.
		w.Apply(w.Server(), strings.ReplaceAll(strings.Replace(only("tracker"), "  allow:", "  accounts: {email_domains: [acme.com]}\n  allow:", 1), "{{fake}}", w.fake.URL()))
		ended = w.fake.Count("revoke")
		says(t, alice.Open(start()), http.StatusForbidden, "connect_account_not_allowed")
		if w.fake.Count("revoke") == ended {
			t.Error("what came is not given back")
		}
		says(t, alice.Open(w.Issuer+"/connections"), http.StatusOK, "You have connected none.")
	})
}

// only is one of the providers.
func only(name string) string {
	for doc := range strings.SplitSeq(providers, "\n---\n") {
		if strings.Contains(doc, "metadata: {name: "+name+"}") {
			return doc
		}
	}
	return ""
}
