package broker_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// TestErrorPages: every public code has its page, which says what the catalogue says; the others have none.
func TestErrorPages(t *testing.T) {
	h := newHouse(t)
	for _, row := range oauth.Catalogue() {
		w := h.get(t, "/errors/"+string(row.Code))
		if row.Face != "" {
			if w.Code != 404 || strings.Contains(w.Body.String(), row.Fix) {
				t.Errorf("%s stays inside, and has a page", row.Code)
			}
			continue
		}
		text := html.UnescapeString(w.Body.String())
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(text, row.Text) || !strings.Contains(text, row.Fix) || !strings.Contains(text, row.Section) {
			t.Errorf("%s: %d", row.Code, w.Code)
		}
		if _, who, _ := strings.Cut(text, "Who fixes it</dt><dd>"); strings.HasPrefix(who, row.Who+"<") {
			t.Errorf("%s: nobody knows who %q is", row.Code, row.Who)
		}
		if strings.Contains(text, " or <code>access_denied") != row.Entitlement {
			t.Errorf("%s: entitlement %v", row.Code, row.Entitlement)
		}
	}
	for _, path := range []string{"/errors/", "/errors/nothing", "/errors/POLICY_DENIED", "/errors/policy_denied/", "/errors/%3Cscript%3E", "/t/default/errors/x"} {
		if w := h.get(t, path); w.Code != 404 || strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := h.get(t, "/t/acme/errors/policy_denied"); w.Code != 200 {
		t.Errorf("a tenant's page: %d", w.Code)
	}
}

// TestErrorPageShowsOnlyTraces: what is in the query comes back only if it is an id that we could have made.
func TestErrorPageShowsOnlyTraces(t *testing.T) {
	h := newHouse(t)
	trace := id.New(id.Trace, now)
	if body := h.get(t, "/errors/policy_denied?trace="+trace).Body.String(); strings.Count(body, trace) != 2 {
		t.Errorf("the trace is shown %d times", strings.Count(body, trace))
	}
	for _, bad := range []string{"<script>alert(1)</script>", trace + "<img src=x>", "trc_", "dec_" + trace[4:], trace + "x", `"onload="x`, "trc_../../x", "\u202e" + trace} {
		body := h.get(t, "/errors/policy_denied?trace="+url.QueryEscape(bad)).Body.String()
		if strings.Contains(body, "Trace") || strings.Contains(body, "<img") || strings.Contains(body, "<script") {
			t.Errorf("%q is shown", bad)
		}
	}
}

// TestErrorPagePolicy: the page's own style, and nothing else, may apply.
func TestErrorPagePolicy(t *testing.T) {
	w := newHouse(t).get(t, "/errors/policy_denied")
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, found := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	csp := w.Header().Get("Content-Security-Policy")
	if !found || !strings.Contains(csp, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the style is not the one that %q allows", csp)
	}
	for _, no := range []string{"script-src", "unsafe", "img-src", "http:", "https:", "*"} {
		if strings.Contains(csp, no) {
			t.Errorf("%q holds %s", csp, no)
		}
	}
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("%q lacks %s", csp, want)
		}
	}
	if body := w.Body.String(); strings.Contains(body, " style=") || strings.Contains(body, "<script") || strings.Contains(body, "src=") {
		t.Error("the page has inline styles, scripts or sources")
	}
}
