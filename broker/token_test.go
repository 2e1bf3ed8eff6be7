package broker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestTokenAnswer(t *testing.T) {
	h := newHouse(t)
	w := h.post(t, nil)
	m := members(t, w)
	if w.Code != http.StatusOK || m["access_token"] != tokenText || m["token_type"] != "Bearer" || m["expires_in"] != 600.0 || m["scope"] != "notes:read" ||
		m["resource"] != "https://mcp.acme.com/notes" || len(m) != 5 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Pragma") != "no-cache" {
		t.Errorf("headers %v", w.Header())
	}
	if got := h.tokens.got; got.Tenant.Name != "default" || got.Trace != w.Header().Get("Chancery-Trace") || got.Remote != "192.0.2.1" || got.Form.Get("client_id") != "agent" {
		t.Errorf("request %+v", got)
	}
}

// TestRequestsThatAreNoRequests: each differs from a valid one in one thing. None reaches a grant; each is recorded.
func TestRequestsThatAreNoRequests(t *testing.T) {
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), int64(len(s)) }
	}
	kind := func(s string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Content-Type", s) } }
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		code   oauth.Code
	}{
		"JSON":                   {kind("application/json"), 400, oauth.CodeContentTypeUnsupported},
		"multipart":              {kind("multipart/form-data; boundary=x"), 400, oauth.CodeContentTypeUnsupported},
		"no type":                {func(r *http.Request) { r.Header.Del("Content-Type") }, 400, oauth.CodeContentTypeUnsupported},
		"broken type":            {kind("application/x-www-form-urlencoded; x"), 400, oauth.CodeContentTypeUnsupported},
		"a type that begins so":  {kind("application/x-www-form-urlencoded-not"), 400, oauth.CodeContentTypeUnsupported},
		"too large":              {body("x=" + strings.Repeat("a", oauth.MaxBody)), 413, oauth.CodeBodyTooLarge},
		"too many":               {body(strings.Repeat("a=&", 70) + form().Encode()), 400, oauth.CodeParameterRepeated},
		"a million names":        {body("grant_type=x" + manyNames(2000)), 400, oauth.CodeRequestMalformed},
		"repeated":               {body(form().Encode() + "&client_id=other"), 400, oauth.CodeParameterRepeated},
		"repeated, empty":        {body(form().Encode() + "&client_id="), 400, oauth.CodeParameterRepeated},
		"NUL":                    {body(form().Encode() + "&x=%00"), 400, oauth.CodeRequestMalformed},
		"not UTF-8":              {body(form().Encode() + "&x=%ff"), 400, oauth.CodeRequestMalformed},
		"broken escape":          {body(form().Encode() + "&x=%zz"), 400, oauth.CodeRequestMalformed},
		"a body that breaks off": {func(r *http.Request) { r.Body = io.NopCloser(brokenReader{}) }, 400, oauth.CodeRequestMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			w := h.post(t, c.change)
			wantRefusal(t, w, c.status, "invalid_request", c.code)
			if h.tokens.got.Tenant != nil || len(h.tokens.away) != 1 || oauth.AsError(h.tokens.away[0]).Code != c.code {
				t.Errorf("reached a grant, or was not recorded: %v", h.tokens.away)
			}
			if strings.Contains(h.log.String(), "the-client-secret") {
				t.Error("the secret is in the log")
			}
		})
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&p" + strings.Repeat("x", i%20) + string(rune('a'+i%26)) + "=1")
	}
	return b.String()
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestQueryIsNotRead (RFC 6749 §3.2): what is in the URL is no parameter, and is not logged.
func TestQueryIsNotRead(t *testing.T) {
	h := newHouse(t)
	w := h.post(t, func(r *http.Request) {
		r.URL.RawQuery = "client_id=evil&scope=all&client_secret=in-the-url"
		r.Header.Set("X-HTTP-Method-Override", "GET")
	})
	if w.Code != http.StatusOK || h.tokens.got.Form.Get("client_id") != "agent" || h.tokens.got.Form.Get("scope") != "" {
		t.Errorf("answered %d, form %v", w.Code, h.tokens.got.Form)
	}
	if strings.Contains(h.log.String(), "in-the-url") {
		t.Error("the query is in the log")
	}
}

func TestHeadersReachTheGrant(t *testing.T) {
	h := newHouse(t)
	h.post(t, func(r *http.Request) {
		r.Header["Authorization"] = []string{"Basic one", "Basic two"}
		r.Header["Dpop"] = []string{"p1", "p2"}
	})
	if got := h.tokens.got; len(got.Authorization) != 2 || len(got.Proofs) != 2 {
		t.Errorf("request %+v: a second header field was dropped", got)
	}
}

// TestForwardedFor: nobody is believed about the caller's address unless he is configured.
func TestForwardedFor(t *testing.T) {
	lie := func(r *http.Request) {
		r.RemoteAddr = "192.0.2.1:1234"
		for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "X-Client-IP"} {
			r.Header.Set(name, "203.0.113.9")
		}
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "http")
	}
	h := newHouse(t)
	h.post(t, lie)
	if h.tokens.got.Remote != "192.0.2.1" || h.tokens.got.Tenant.Issuer != publicURL {
		t.Errorf("from %s, issuer %s", h.tokens.got.Remote, h.tokens.got.Tenant.Issuer)
	}
	h.tokens.err = oauth.Refuse(oauth.CodeInternal, "", "")
	if w := h.post(t, lie); strings.Contains(w.Body.String(), "evil") {
		t.Errorf("the Host header is in the answer: %s", w.Body)
	}
	trusting := newHouse(t, func(c *broker.Config) { c.TrustedProxies = []string{"192.0.2.0/24"} })
	trusting.post(t, lie)
	if trusting.tokens.got.Remote != "203.0.113.9" {
		t.Errorf("behind a trusted proxy, from %s", trusting.tokens.got.Remote)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		error  string
		code   oauth.Code
		header map[string]string
	}{
		"a hidden code":     {oauth.Refuse(oauth.CodeIssUnknown, "https://x", "y"), 400, "invalid_grant", oauth.CodeAssertionUntrusted, nil},
		"access denied":     {&oauth.Error{Code: oauth.CodePolicyDenied, AccessDenied: true}, 400, "access_denied", oauth.CodePolicyDenied, nil},
		"client, by Basic":  {&oauth.Error{Code: oauth.CodeClientAuthenticationFailed, TriedBasic: true}, 401, "invalid_client", oauth.CodeClientAuthenticationFailed, map[string]string{"WWW-Authenticate": `Basic realm="chancery", charset="UTF-8"`}},
		"client, otherwise": {oauth.Refuse(oauth.CodeClientAuthenticationFailed, "", ""), 401, "invalid_client", oauth.CodeClientAuthenticationFailed, map[string]string{"WWW-Authenticate": ""}},
		"unavailable":       {&oauth.Error{Code: oauth.CodeLedgerUnavailable, RetryAfter: 1}, 503, "temporarily_unavailable", oauth.CodeLedgerUnavailable, map[string]string{"Retry-After": "1"}},
		"keys":              {&oauth.Error{Code: oauth.CodeKeysUnavailable, RetryAfter: 30e9}, 503, "temporarily_unavailable", oauth.CodeKeysUnavailable, map[string]string{"Retry-After": "30"}},
		"what is unknown":   {errors.New("pq: password is hunter2"), 500, "server_error", oauth.CodeInternal, nil},
		"a code unknown":    {oauth.Refuse("nonsense", "", ""), 500, "server_error", oauth.CodeInternal, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.tokens.err = c.err
			w := h.post(t, nil)
			wantRefusal(t, w, c.status, c.error, c.code)
			for name, want := range c.header {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if strings.Contains(w.Body.String(), "hunter2") || strings.Contains(w.Body.String(), "https://x") {
				t.Errorf("the inside is outside: %s", w.Body)
			}
		})
	}
}

// TestStepUpMembers: a member cannot take the place of the error's own.
func TestStepUpMembers(t *testing.T) {
	h := newHouse(t)
	h.tokens.err = &oauth.Error{Code: oauth.CodeStepUpRequired, Members: map[string]any{"acr_values": "phr", "max_age": int64(300), "error": "none"}}
	w := h.post(t, nil)
	wantRefusal(t, w, 400, "insufficient_user_authentication", oauth.CodeStepUpRequired)
	if m := members(t, w); m["acr_values"] != "phr" || m["max_age"] != 300.0 {
		t.Errorf("answered %s", w.Body)
	}
}

// TestCallersWhoLeave are no failure of ours.
func TestCallersWhoLeave(t *testing.T) {
	h := newHouse(t)
	h.tokens.err = oauth.Fail(oauth.CodeLedgerUnavailable, context.Canceled)
	h.post(t, func(r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		*r = *r.WithContext(ctx)
	})
	if bytes.Contains(h.log.Bytes(), []byte(`"level":"ERROR"`)) {
		t.Errorf("logged %s", h.log)
	}
	h.post(t, nil)
	if !bytes.Contains(h.log.Bytes(), []byte(`"level":"ERROR"`)) {
		t.Error("a failure of ours is not logged")
	}
}

func TestCORS(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) { c.CORSOrigins = []string{"https://app.example"} })
	for origin, listed := range map[string]bool{
		"https://app.example": true, "https://app.example:443": false, "https://APP.example": false, "http://app.example": false,
		"https://app.example.evil.example": false, "null": false, "*": false, "": false,
	} {
		for _, method := range []string{http.MethodPost, http.MethodOptions} {
			w := h.post(t, func(r *http.Request) {
				r.Method = method
				if origin != "" {
					r.Header.Set("Origin", origin)
				}
			})
			allowed := w.Header().Get("Access-Control-Allow-Origin")
			if (allowed == origin && origin != "") != listed || !listed && allowed != "" || w.Header().Get("Vary") != "Origin" || w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %q: %v", method, origin, w.Header())
			}
			if method == http.MethodOptions && (w.Code != http.StatusNoContent || (w.Header().Get("Access-Control-Allow-Methods") != "") != listed) {
				t.Errorf("preflight from %q: %d %v", origin, w.Code, w.Header())
			}
		}
	}
}
