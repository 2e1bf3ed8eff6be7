package provider_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

func TestArrive(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world, url.Values, *provider.Departure)
		want   error
	}{
		"as it should":            {func(*world, url.Values, *provider.Departure) {}, nil},
		"another state":           {func(_ *world, q url.Values, _ *provider.Departure) { q.Set("state", "x") }, provider.ErrState},
		"no state":                {func(_ *world, q url.Values, _ *provider.Departure) { q.Del("state") }, provider.ErrState},
		"no state on either side": {func(_ *world, q url.Values, d *provider.Departure) { q.Del("state"); d.State = provider.Secret{} }, provider.ErrState},
		"an empty state everywhere": {func(_ *world, q url.Values, d *provider.Departure) {
			q.Set("state", "")
			d.State = provider.NewSecret("")
		}, provider.ErrState},
		"two states":            {func(_ *world, q url.Values, _ *provider.Departure) { q.Add("state", "x") }, provider.ErrState},
		"two codes":             {func(_ *world, q url.Values, _ *provider.Departure) { q.Add("code", "x") }, provider.ErrState},
		"no code":               {func(_ *world, q url.Values, _ *provider.Departure) { q.Del("code") }, provider.ErrState},
		"a code of two lines":   {func(_ *world, q url.Values, _ *provider.Departure) { q.Set("code", "a\nb") }, provider.ErrState},
		"from another provider": {func(_ *world, _ url.Values, d *provider.Departure) { d.Provider = "slack" }, provider.ErrState},
		"to another callback":   {func(_ *world, _ url.Values, d *provider.Departure) { d.Redirect = "https://evil.example/" }, provider.ErrState},
		"too late":              {func(w *world, _ url.Values, _ *provider.Departure) { w.clock.add(10*time.Minute + time.Second) }, provider.ErrExpired},
		"before it began":       {func(w *world, _ url.Values, _ *provider.Departure) { w.clock.add(-time.Second) }, provider.ErrExpired},
		"declined":              {func(_ *world, q url.Values, _ *provider.Departure) { q.Set("error", "access_denied") }, provider.ErrDeclined},
		"declined with a wrong state": {func(_ *world, q url.Values, _ *provider.Departure) {
			q.Set("error", "access_denied")
			q.Set("state", "x")
		}, provider.ErrState},
	} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, "oauth2")
			back, d := w.depart(t, provider.Ask{Scopes: []string{"a"}})
			test.change(w, back, &d)
			code, err := w.Arrive(back, d)
			if !errors.Is(err, test.want) || code.IsZero() != (test.want != nil) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestArriveWithARefusal(t *testing.T) {
	for code, want := range map[string]provider.Outcome{
		"server_error": provider.Transient, "temporarily_unavailable": provider.Transient, "invalid_scope": provider.ScopeRefused,
		"login_required": provider.Terminal, "unauthorized_client": provider.Misconfigured, "canary-word": provider.Misconfigured,
	} {
		w := meet(t, "oauth2")
		back, d := w.depart(t, provider.Ask{})
		back.Set("error", code)
		back.Set("error_description", "canary-description")
		_, err := w.Arrive(back, d)
		checkQuiet(t, err)
		if outcome(t, err).Outcome != want {
			t.Errorf("%s: %v, want %s", code, err, want)
		}
	}
}

// The provider itself says no, and a departure that rested is the same.
func TestDeclined(t *testing.T) {
	w := meet(t, "oauth2")
	w.fake.Set(func(s *providertest.Switches) { s.Decline = true })
	back, d := w.depart(t, provider.Ask{})
	plaintext, err := d.Plaintext()
	if err != nil {
		t.Fatal(err)
	}
	if d, err = provider.ParseDeparture(plaintext); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Arrive(back, d); !errors.Is(err, provider.ErrDeclined) {
		t.Fatalf("got %v", err)
	}
}

// The verifier proves that who redeems is who departed (RFC 7636 §4.6).
func TestExchangeNeedsItsOwnVerifier(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*provider.Departure)
		asked  int
	}{
		"another verifier": {func(d *provider.Departure) { d.Verifier = provider.NewSecret(strings.Repeat("v", 43)) }, 1},
		"none":             {func(d *provider.Departure) { d.Verifier = provider.Secret{} }, 0},
		"another provider": {func(d *provider.Departure) { d.Provider = "slack" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, "oauth2")
			code, d := w.arrive(t, provider.Ask{Scopes: []string{"a"}})
			test.change(&d)
			if _, _, err := w.Exchange(t.Context(), code, d); err == nil || w.fake.Count("code") != test.asked {
				t.Fatalf("got %v after %d requests", err, w.fake.Count("code"))
			}
		})
	}
}

func TestDeparturesAreDifferent(t *testing.T) {
	w := meet(t, "oauth2")
	seen := map[string]bool{}
	for range 50 {
		_, d, err := w.Authorize(provider.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		if seen[d.State.Reveal()] || seen[d.Verifier.Reveal()] || len(d.Verifier.Reveal()) != 43 || len(d.State.Reveal()) != 43 {
			t.Fatal("state or verifier is short, or came twice")
		}
		seen[d.State.Reveal()], seen[d.Verifier.Reveal()] = true, true
	}
}

// Asking for more keeps what is there.
func TestIncremental(t *testing.T) {
	w := meet(t, "oauth2")
	c, _ := w.connect(t, "a")
	code, d := w.arrive(t, provider.Ask{Scopes: []string{"b"}, Held: c.Scopes})
	more, _, err := w.Exchange(t.Context(), code, d)
	if err != nil || len(more.Scopes) != 2 {
		t.Fatalf("%v %v", more.Scopes, err)
	}
}

// The token is there although the account cannot be read: it must not be lost, nor taken for confirmed.
func TestProbeFails(t *testing.T) {
	w := meet(t, "oauth2")
	code, d := w.arrive(t, provider.Ask{Scopes: []string{"a"}})
	w.fake.Break("probe", providertest.Fault{Kind: "status", Status: 500})
	c, account, err := w.Exchange(t.Context(), code, d)
	if !errors.Is(err, provider.ErrProbe) || c.Access.IsZero() || account != (provider.Account{}) {
		t.Fatalf("%+v %v", account, err)
	}
	if account, err = w.Probe(t.Context(), c); err != nil || account.Label != "alice" {
		t.Fatalf("the second time: %+v %v", account, err)
	}
}

// TestLabelsThatAreNoAddress: where the address that the manifest names first is absent, the name that stands for it is told
// apart: its bearer may have written one that reads like an address.
func TestLabelsThatAreNoAddress(t *testing.T) {
	for name, test := range map[string]struct {
		said      map[string]any
		otherwise bool
	}{
		"the address":     {map[string]any{"id": "7", "email": "alice@acme.com", "login": "alice"}, false},
		"another's name":  {map[string]any{"id": "7", "login": "ceo@acme.com"}, true},
		"an empty answer": {map[string]any{"id": "7", "email": "", "login": "ceo@acme.com"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, "oauth2", func(m *provider.Manifest, _ *provider.Settings, p *providertest.Profile) {
				m.Probe.Label = []string{"email", "login"}
				p.Who = func(string) any { return test.said }
			})
			if _, account := w.connect(t, "a"); account.Label == "" || account.Otherwise != test.otherwise {
				t.Errorf("%+v", account)
			}
		})
	}
}

// TestTokensStandAlone: a provider that repeats a token where a scope, something to keep or the account is read has it nowhere
// but in the credential's own places.
func TestTokensStandAlone(t *testing.T) {
	const refresh = "refresh-canary-0123456789"
	answer := map[string]any{
		"access_token": "access-canary-0123456789", "refresh_token": refresh, "token_type": "Bearer", "expires_in": 600, "scope": "a " + refresh,
		"url": "https://x.example/?t=" + refresh, "twin": refresh, "name": "alice", "site": "eu",
	}
	for name, id := range map[string]string{"an account": "name", "a token for an account": "twin"} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, "oauth2", func(m *provider.Manifest, _ *provider.Settings, _ *providertest.Profile) {
				m.Tokens.Keep = map[string]string{"url": "url", "twin": "twin", "site": "site"}
				m.Probe = &provider.ProbeRules{InToken: true, ID: id}
			})
			w.fake.Break("code", providertest.Fault{Kind: "status", Status: 200, Body: answer})
			code, departure := w.arrive(t, provider.Ask{Scopes: []string{"a"}})
			c, account, err := w.Exchange(t.Context(), code, departure)
			if (id == "name") != (err == nil) || c.Refresh.Reveal() != refresh {
				t.Fatalf("%v", err)
			}
			shown := fmt.Sprint(c.Scopes, c.Kept, account, err)
			if strings.Contains(shown, "canary") || c.Kept["site"] != "eu" || !slices.Equal(c.Scopes, []string{"a"}) {
				t.Errorf("%s", shown)
			}
		})
	}
}

func TestLabelsAreCleaned(t *testing.T) {
	w := meet(t, "oauth2", func(_ *provider.Manifest, _ *provider.Settings, p *providertest.Profile) {
		p.Who = func(string) any { return map[string]any{"id": 9007199254740993, "login": "ali\u202ece\u0000\n<b>"} }
	})
	if _, account := w.connect(t, "a"); account.Label != "alice<b>" || account.ID != "9007199254740993" {
		t.Fatalf("%+v", account)
	}
}
