package token

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func post(t *testing.T, w *harness.World, path, contentType, body string) harness.Answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Server().Base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	a, err := harness.Do(http.DefaultClient, request)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRequests(t *testing.T) {
	each(t, "", func(t *testing.T, w *harness.World) {
		const form = "application/x-www-form-urlencoded"
		valid := func() url.Values { return w.NewCall(w.IdP.IDJAG(idptest.Alice)).Form }
		t.Run("form", func(t *testing.T) {
			for name, body := range map[string]string{
				"as it is":                    valid().Encode(),
				"empty code, as the Go SDK's": "code=&" + valid().Encode(),
				"empty parameters are absent": valid().Encode() + "&scope=&resource=&client_assertion=&client_assertion_type=",
				"unknown parameters":          valid().Encode() + "&audience=x&foo=bar",
				"resource twice, the same":    valid().Encode() + "&resource=" + url.QueryEscape(harness.Notes) + "&resource=" + url.QueryEscape(harness.Notes),
			} {
				if a := post(t, w, "/token", form, body); a.Status != http.StatusOK {
					t.Errorf("%s: %d %s", name, a.Status, a.Body)
				}
			}
			post(t, w, "/token", form+"; charset=utf-8", valid().Encode()).Granted(t)
		})
		t.Run("GET", func(t *testing.T) {
			a := w.Server().Get("/token?" + valid().Encode())
			a.Refused(t, http.StatusMethodNotAllowed, "invalid_request", "method_not_allowed")
			if !strings.Contains(a.Header.Get("Allow"), http.MethodPost) {
				t.Errorf("Allow is %q", a.Header.Get("Allow"))
			}
		})
		t.Run("unknown tenant", func(t *testing.T) {
			post(t, w, "/t/nobody/token", form, valid().Encode()).Refused(t, http.StatusNotFound, "invalid_request", "tenant_unknown")
			post(t, w, "/t/"+strings.Repeat("x", 300)+"/token", form, valid().Encode()).Refused(t, http.StatusNotFound, "invalid_request", "tenant_unknown")
		})
		refusals := []struct {
			name, contentType, body, oauthError, code string
			status                                    int
		}{
			{"JSON", "application/json", `{"grant_type":"` + harness.GrantType + `"}`, "invalid_request", "content_type_unsupported", 400},
			{"no content type", "", valid().Encode(), "invalid_request", "content_type_unsupported", 400},
			{"multipart", "multipart/form-data; boundary=x", "--x--", "invalid_request", "content_type_unsupported", 400},
			{"repeated parameter", form, valid().Encode() + "&grant_type=" + harness.GrantType, "invalid_request", "parameter_repeated", 400},
			{"repeated empty", form, valid().Encode() + "&scope=&scope=", "invalid_request", "parameter_repeated", 400},
			{"assertion twice", form, valid().Encode() + "&assertion=x", "invalid_request", "parameter_repeated", 400},
			{"bad escape", form, valid().Encode() + "&x=%zz", "invalid_request", "request_malformed", 400},
			{"NUL", form, valid().Encode() + "&x=%00", "invalid_request", "request_malformed", 400},
			{"no UTF-8", form, valid().Encode() + "&x=%ff", "invalid_request", "request_malformed", 400},
			{"many parameters", form, valid().Encode() + strings.Repeat("&a=1", 0) + manyParameters(1000), "invalid_request", "request_malformed", 400},
			{"too large", form, "x=" + strings.Repeat("a", 65<<10), "invalid_request", "body_too_large", 413},
			{"10 MB", form, "x=" + strings.Repeat("a", 10<<20), "invalid_request", "body_too_large", 413},
			{"no grant type", form, "client_id=claude", "invalid_request", "parameter_missing", 400},
			{"empty body", form, "", "invalid_request", "parameter_missing", 400},
			{"another grant", form, "grant_type=password&username=a&password=b", "unsupported_grant_type", "grant_type_unsupported", 400},
		}
		for _, r := range refusals {
			t.Run(r.name, func(t *testing.T) {
				post(t, w, "/token", r.contentType, r.body).Refused(t, r.status, r.oauthError, r.code)
			})
		}
		t.Run("no assertion", func(t *testing.T) {
			w.Send(w.Server(), w.NewCall("")).Refused(t, http.StatusBadRequest, "invalid_request", "parameter_missing")
		})
		t.Run("nothing from the query", func(t *testing.T) {
			v := valid()
			assertion := v.Get("assertion")
			v.Del("assertion")
			post(t, w, "/token?assertion="+assertion, form, v.Encode()).Refused(t, http.StatusBadRequest, "invalid_request", "parameter_missing")
		})
		t.Run("Host and forwarding headers change nothing", func(t *testing.T) {
			c := w.NewCall(w.IdP.IDJAG(idptest.Alice))
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-URL", "X-Forwarded-Prefix"} {
				c.Header.Set(name, "evil.example")
			}
			token := harness.Decode(t, w.Send(w.Server(), c).Granted(t).AccessToken)
			if token.Claims["iss"] != w.Issuer {
				t.Errorf("iss is %v", token.Claims["iss"])
			}
		})
		t.Run("error pages", func(t *testing.T) {
			a := w.Redeem("x").Refused(t, http.StatusBadRequest, "invalid_grant", "assertion_malformed")
			page := w.Server().Get(strings.TrimPrefix(a.URI, w.Issuer))
			if page.Status != http.StatusOK || !strings.Contains(page.Body, "assertion_malformed") {
				t.Errorf("%d %s", page.Status, page.Body)
			}
		})
	})
}

func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&p" + strings.Repeat("x", i%40) + string(rune('a'+i%26)) + "=1")
	}
	return b.String()
}
