package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// In each service's own words: a dead token sends the person back, a wrong client secret never does.
func TestDeadTokenAndWrongSecret(t *testing.T) {
	for name, want := range walks {
		if !want.refreshes {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := meet(t, name)
			c, _ := w.connect(t, want.scopes...)
			dead := c
			dead.Refresh = provider.NewSecret("canary-dead-token")
			_, err := w.Refresh(t.Context(), dead)
			checkQuiet(t, err)
			if outcome(t, err).Outcome != provider.Terminal {
				t.Errorf("a dead token: %v", err)
			}
			w.fake.Set(func(s *providertest.Switches) { s.WrongSecret = true })
			_, err = w.Refresh(t.Context(), c)
			checkQuiet(t, err)
			if outcome(t, err).Outcome != provider.Misconfigured {
				t.Errorf("a wrong client secret: %v", err)
			}
			// The company puts it right, and the token is as good as before.
			w.fake.Set(func(s *providertest.Switches) { s.WrongSecret = false })
			if _, err := w.Refresh(t.Context(), c); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// checkQuiet: nothing that is secret, and nothing that the provider said, is in an error.
func checkQuiet(t *testing.T, err error) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if s := fmt.Sprintf(verb, err); strings.Contains(s, "canary") {
			t.Errorf("the error tells too much: %s", s)
		}
	}
}

// Atlassian answers both alike. The second request, without the token, tells them apart; when it fails, nobody is sent away.
func TestAmbiguousRefusals(t *testing.T) {
	w := meet(t, "atlassian")
	c, _ := w.connect(t, "read:jira-work")
	dead := c
	dead.Refresh = provider.NewSecret("dead")

	if _, err := w.Refresh(t.Context(), dead); outcome(t, err).Outcome != provider.Terminal || w.fake.Count("code") != 2 {
		t.Fatalf("got %v after %d codes", err, w.fake.Count("code"))
	}
	for _, seen := range w.fake.Seen() {
		if seen.Form.Get("grant_type") == "authorization_code" && seen.Form.Get("refresh_token") != "" {
			t.Error("the second request holds the token")
		}
	}
	// What RFC 6749 has for a client that may not is a dead token here.
	w.fake.Break("refresh", status(403, said("unauthorized_client")))
	if _, err := w.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Terminal {
		t.Errorf("got %v, want terminal", err)
	}
	w.fake.Break("code", providertest.Fault{Kind: "status", Status: 503})
	if _, err := w.Refresh(t.Context(), dead); outcome(t, err).Outcome != provider.Transient {
		t.Fatalf("got %v, want transient: it is not known which", err)
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		fault providertest.Fault
		want  provider.Outcome
		code  string
		wait  time.Duration
	}{
		"429 in seconds":              {status(429, nil, "Retry-After", "30"), provider.RateLimited, "", 30 * time.Second},
		"429 until a moment":          {status(429, nil, "Retry-After", "Sat, 21 Nov 2026 09:02:00 GMT"), provider.RateLimited, "", 2 * time.Minute},
		"429 for a year":              {status(429, nil, "Retry-After", "31536000"), provider.RateLimited, "", 24 * time.Hour},
		"429 for less than nothing":   {status(429, nil, "Retry-After", "-5"), provider.RateLimited, "", 0},
		"429 for a word":              {status(429, nil, "Retry-After", "soon"), provider.RateLimited, "", 0},
		"403 with Retry-After":        {status(403, nil, "Retry-After", "60"), provider.RateLimited, "", time.Minute},
		"503 in the provider's words": {status(503, said("temporarily_unavailable"), "Retry-After", "9"), provider.Transient, "temporarily_unavailable", 9 * time.Second},
		"a dead token":                {status(400, said("invalid_grant")), provider.Terminal, "invalid_grant", 0},
		"with status 200":             {status(200, said("invalid_grant")), provider.Terminal, "invalid_grant", 0},
		"a wrong secret":              {status(401, said("invalid_client")), provider.Misconfigured, "invalid_client", 0},
		"another redirect URI":        {status(400, said("redirect_uri_mismatch")), provider.Misconfigured, "redirect_uri_mismatch", 0},
		"scopes":                      {status(400, said("invalid_scope")), provider.ScopeRefused, "invalid_scope", 0},
		"a new word":                  {status(400, said("canary_word")), provider.Terminal, "", 0}, // the fake knows the client: settled by asking again
		"a wall in front":             {status(403, nil), provider.Transient, "", 0},
		"a conflict":                  {status(409, said("conflict")), provider.Transient, "", 0},
		"a redirect":                  {status(302, nil, "Location", "https://evil.example/"), provider.Misconfigured, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, "oauth2")
			c, _ := w.connect(t, "a")
			w.fake.Break("refresh", test.fault)
			_, err := w.Refresh(t.Context(), c)
			checkQuiet(t, err)
			if e := outcome(t, err); e.Outcome != test.want || e.Code != test.code || e.RetryAfter != test.wait {
				t.Errorf("got %s %q after %v, want %s %q after %v", e.Outcome, e.Code, e.RetryAfter, test.want, test.code, test.wait)
			}
			// None of them used the token up.
			if _, err := w.Refresh(t.Context(), c); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func status(code int, body any, header ...string) providertest.Fault {
	f := providertest.Fault{Kind: "status", Status: code, Body: body}
	if len(header) == 2 {
		f.Header = map[string]string{header[0]: header[1]}
	}
	return f
}

func said(code string) any {
	return map[string]any{"error": code, "error_description": "canary-description"}
}

// A provider that refuses everything in a word that nobody listed does not send people through consent.
func TestRefusedAlike(t *testing.T) {
	w := meet(t, "oauth2")
	c, _ := w.connect(t, "a")
	no := providertest.Answer{Status: 403, Body: map[string]any{"error": "computer_says_no"}}
	w.fake.Set(func(s *providertest.Switches) {
		s.WrongSecret, s.Override = true, map[providertest.Refusal]providertest.Answer{providertest.BadClient: no}
	})
	if _, err := w.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Misconfigured {
		t.Fatalf("got %v, want misconfigured", err)
	}
}

func TestRefreshTokenThatEnded(t *testing.T) {
	w := meet(t, "github-app")
	c, _ := w.connect(t)
	w.clock.add(15897600 * time.Second) // six months
	if _, err := w.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Terminal || w.fake.Count("refresh") != 0 {
		t.Fatalf("got %v after %d requests", err, w.fake.Count("refresh"))
	}
}

// The provider has taken something back: what is left is what it says.
func TestScopesThatWereTakenBack(t *testing.T) {
	w := meet(t, "oauth2")
	c, _ := w.connect(t, "a", "b")
	w.fake.Break("refresh", status(200, map[string]any{"access_token": "x", "scope": "b"}))
	next, err := w.Refresh(t.Context(), c)
	if err != nil || len(next.Scopes) != 1 || next.Scopes[0] != "b" {
		t.Fatalf("%v %v", next.Scopes, err)
	}
	if _, _, err := w.Narrow(t.Context(), next, provider.Wanted{Scopes: []string{"a"}}); err == nil {
		t.Error("what was taken back was lent")
	}
}

func TestOutcomeOfOthers(t *testing.T) {
	if got := provider.OutcomeOf(http.ErrBodyNotAllowed); got != provider.Unknown {
		t.Errorf("an error of nobody's is %s", got)
	}
}
