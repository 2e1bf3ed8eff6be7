package broker_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// ask is a valid request about a token; change edits it.
func (h *house) ask(t *testing.T, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	body := url.Values{"token": {"a.b.c"}, "token_type_hint": {"access_token"}, "client_id": {"server"}, "client_secret": {"the-client-secret"}}.Encode()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	return h.serve(r)
}

func TestIntrospectionAnswer(t *testing.T) {
	h := newHouse(t)
	for path, name := range map[string]string{"/introspect": "default", "/t/acme/introspect": "acme"} {
		w := h.ask(t, path, nil)
		if w.Code != http.StatusOK || w.Body.String() != `{"active":true}` || w.Header().Get("Content-Type") != "application/json" ||
			w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("answered %d %s %v", w.Code, w.Body, w.Header())
		}
		if got := h.about.got; got.Tenant.Name != name || got.Form.Get("token") != "a.b.c" || got.Trace != w.Header().Get("Chancery-Trace") || got.Remote != "192.0.2.1" {
			t.Errorf("asked %+v", got)
		}
	}
}

func TestRevocationAnswer(t *testing.T) {
	h := newHouse(t)
	for path, name := range map[string]string{"/revoke": "default", "/t/acme/revoke": "acme"} {
		w := h.ask(t, path, nil)
		if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" || h.about.got.Tenant.Name != name {
			t.Errorf("answered %d %s %v", w.Code, w.Body, w.Header())
		}
	}
}

// TestQuestionsThatAreNone: each differs from a valid one in one thing. None is answered; each is recorded.
func TestQuestionsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		code   oauth.Code
	}{
		"JSON":      {func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 400, oauth.CodeContentTypeUnsupported},
		"repeated":  {func(r *http.Request) { r.Body = http.NoBody; *r = *withBody(r, "token=a&token=b") }, 400, oauth.CodeParameterRepeated},
		"too large": {func(r *http.Request) { *r = *withBody(r, "token="+strings.Repeat("a", oauth.MaxBody)) }, 413, oauth.CodeBodyTooLarge},
	} {
		for _, path := range []string{"/introspect", "/revoke"} {
			h := newHouse(t)
			w := h.ask(t, path, c.change)
			wantRefusal(t, w, c.status, "invalid_request", c.code)
			if h.about.got.Tenant != nil || len(h.about.away) != 1 {
				t.Errorf("%s at %s: asked, or not recorded", name, path)
			}
		}
	}
	h := newHouse(t)
	for _, path := range []string{"/introspect", "/revoke"} {
		wantRefusal(t, h.get(t, path), 405, "invalid_request", oauth.CodeMethodNotAllowed)
		wantRefusal(t, h.ask(t, "/t/nobody"+path, nil), 404, "invalid_request", oauth.CodeTenantUnknown)
	}
	h.about.err = &oauth.Error{Code: oauth.CodeClientAuthenticationFailed, TriedBasic: true}
	for _, path := range []string{"/introspect", "/revoke"} {
		w := h.ask(t, path, nil)
		wantRefusal(t, w, 401, "invalid_client", oauth.CodeClientAuthenticationFailed)
		if w.Header().Get("WWW-Authenticate") == "" {
			t.Error("no challenge (RFC 6749 §5.2)")
		}
	}
}

func withBody(r *http.Request, body string) *http.Request {
	other := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), strings.NewReader(body))
	other.Header = r.Header
	return other
}
