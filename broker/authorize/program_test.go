package authorize_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestToAProgram: a browser starts a program only at once after a person's press. What it would not start has a link; and
// only the consent's policy lets its form lead there.
func TestToAProgram(t *testing.T) {
	const program = "com.acme.agent:/callback"
	goes := func(s seen) bool {
		t.Helper()
		if !strings.HasPrefix(s.onward(), program+"?") {
			t.Fatalf("%d %q", s.status, s.onward())
		}
		if s.status != http.StatusSeeOther && !strings.Contains(s.body, `href="`+program+`?`) {
			t.Errorf("no link: %s", s.body)
		}
		return s.status == http.StatusSeeOther
	}
	for _, meant := range []bool{true, false} {
		h := newHouse(t)
		b := h.browser()
		b.meant = meant
		for _, decision := range []string{"deny", "allow"} {
			consent := b.follow(b.open(asks("redirect_uri", program)))
			if policy := consent.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' com.acme.agent:") {
				t.Errorf("policy %q", policy)
			}
			if at := goes(b.press(consent, "decision", decision)); at != meant {
				t.Errorf("%s, pressed %v: goes at once %v", decision, meant, at)
			}
		}
		if at := goes(b.follow(b.open(asks("redirect_uri", program)))); at != meant {
			t.Errorf("unasked, pressed %v: goes at once %v", meant, at)
		}
		h.grants.needs = "phr"
		stepUp := b.follow(b.open(asks("redirect_uri", program)))
		if goes(b.press(stepUp, "way", "")) {
			t.Error("a form that may lead to this server alone is redirected to a program")
		}
	}
}
