package broker_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestConfigIsComplete(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(*broker.Config){
		"no public URL":   func(c *broker.Config) { c.PublicURL = "" },
		"trailing slash":  func(c *broker.Config) { c.PublicURL += "/" },
		"relative":        func(c *broker.Config) { c.PublicURL = "/x" },
		"no pictures":     func(c *broker.Config) { c.Pictures = nil },
		"no tokens":       func(c *broker.Config) { c.Tokens = nil },
		"no keys":         func(c *broker.Config) { c.JWKS = nil },
		"no readiness":    func(c *broker.Config) { c.Ready = nil },
		"no clock":        func(c *broker.Config) { c.Now = nil },
		"no limit":        func(c *broker.Config) { c.InFlight = 0 },
		"a proxy by name": func(c *broker.Config) { c.TrustedProxies = []string{"proxy"} },
	} {
		c := h.Config
		change(&c)
		if _, err := broker.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestPaths: what is not exactly a path of ours is 404, whatever it resembles; the tenant comes from the path alone.
func TestPaths(t *testing.T) {
	for path, want := range map[string]int{
		"/token":                    200,
		"/t/acme/token":             200,
		"/token/":                   404,
		"//token":                   404,
		"/./token":                  404,
		"/t//token":                 404,
		"/t/default/token":          404, // the default tenant lives at the root and nowhere else
		"/t/DEFAULT/token":          404,
		"/t/ACME/token":             404,
		"/t/acme/token/":            404,
		"/t/nobody/token":           404,
		"/t/gone/token":             404,
		"/t/%2e/token":              404,
		"/t/%2e%2e/token":           404,
		"/t/..%2ftoken":             404,
		"/t/acme%00/token":          404,
		"/t/acme%20/token":          404,
		"/t/acme%2f/token":          404,
		"/t/%61cme/token":           200, // an escape of a plain letter is that letter (RFC 3986 §6.2.2.2)
		"/t/acme;x=1/token":         404,
		"/t/-acme/token":            404,
		"/t/acm\u00e9/token":        404,
		"/t/acme/t/acme/token":      404,
		"/t/" + long(64) + "/token": 404,
		"/TOKEN":                    404,
		"/token%00":                 404,
		"/":                         404,
		"/admin/v1/clients":         404,
		"/metrics":                  404,
		"/debug/pprof/":             404,
	} {
		h := newHouse(t)
		w := h.post(t, func(r *http.Request) {
			u, err := r.URL.Parse(publicURL + strings.ReplaceAll(path, "\u00e9", "%C3%A9"))
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
			if strings.Contains(path, "/./") || strings.HasPrefix(path, "//") { // what Parse resolves, a client can send raw
				r.URL.Path = path
			}
		})
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if location := w.Header().Get("Location"); location != "" {
			t.Errorf("%s: redirected to %s", path, location)
		}
		if want == 404 && h.tokens.got.Tenant != nil {
			t.Errorf("%s: reached a grant", path)
		}
		for _, name := range h.pictures.asked {
			if strings.ContainsAny(name, "\x00/. %;\u00e9ACME") {
				t.Errorf("%s: looked up tenant %q", path, name)
			}
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

func TestTenantsAnswerForThemselves(t *testing.T) {
	h := newHouse(t)
	h.tokens.err = oauth.Refuse(oauth.CodePolicyDenied, "", "")
	w := h.post(t, func(r *http.Request) { r.URL.Path = "/t/acme/token" })
	wantRefusal(t, w, 400, "invalid_grant", oauth.CodePolicyDenied)
	if !strings.Contains(w.Body.String(), publicURL+"/t/acme/errors/") || h.tokens.got.Tenant.Name != "acme" {
		t.Errorf("answered %s", w.Body)
	}
	w = h.post(t, func(r *http.Request) { r.URL.Path = "/t/nobody/token" })
	wantRefusal(t, w, 404, "invalid_request", oauth.CodeTenantUnknown)
	if len(h.tokens.away) != 0 {
		t.Error("recorded for nobody")
	}
	h.pictures.err = errors.New("connection reset")
	w = h.post(t, nil)
	wantRefusal(t, w, 503, "temporarily_unavailable", oauth.CodeTenantUnavailable)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestMethods(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		method, path, allow string
	}{
		{"GET", "/token", "POST"},
		{"PUT", "/token", "POST"},
		{"HEAD", "/token", "POST"},
		{"TRACE", "/token", "POST"},
		{"POST", "/.well-known/jwks.json", "GET"},
		{"DELETE", "/t/acme/.well-known/oauth-authorization-server", "GET"},
		{"POST", "/livez", "GET"},
	} {
		w := h.serve(httptest.NewRequestWithContext(t.Context(), c.method, c.path, http.NoBody))
		if w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), c.allow) {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
	}
	w := h.get(t, "/token")
	wantRefusal(t, w, 405, "invalid_request", oauth.CodeMethodNotAllowed)
}

// TestSecurityHeaders are on every answer, whoever wrote it.
func TestSecurityHeaders(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/livez", "/readyz", "/token", "/nowhere", "/.well-known/jwks.json", "/errors/policy_denied", "/t/nobody/.well-known/jwks.json"} {
		header := h.get(t, path).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, header.Get(name))
			}
		}
		if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %q", path, csp)
		}
		if !strings.HasPrefix(header.Get("Chancery-Trace"), "trc_") {
			t.Errorf("%s: no trace", path)
		}
	}
	plain := newHouse(t, func(c *broker.Config) { c.PublicURL = "http://127.0.0.1:8080" })
	if got := plain.get(t, "/livez").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS without TLS: %q", got)
	}
}

// TestOverload: beyond the limit the answer is quick and looks nothing up; probes are answered; slots come back.
func TestOverload(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) { c.InFlight = 2 })
	inside, leave := make(chan struct{}), make(chan struct{})
	h.tokens.do = func(grant.Request) { inside <- struct{}{}; <-leave }
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { h.post(t, nil) })
		<-inside
	}
	if h.Serving() != 2 {
		t.Errorf("%d in flight", h.Serving())
	}
	before := len(h.pictures.asked)
	for _, path := range []string{"/token", "/t/acme/token", "/t/nobody/token"} {
		w := h.post(t, func(r *http.Request) { r.URL.Path = path })
		wantRefusal(t, w, 503, "temporarily_unavailable", oauth.CodeOverloaded)
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if len(h.pictures.asked) != before {
		t.Errorf("looked up %v", h.pictures.asked[before:])
	}
	// A flood costs one line a second, not one each.
	if log := h.log.String(); strings.Count(log, `"msg":"overloaded"`) != 1 || strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("log: %s", log)
	}
	if w := h.get(t, "/livez"); w.Code != http.StatusOK {
		t.Errorf("livez %d", w.Code)
	}
	if w := h.get(t, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("readyz %d", w.Code)
	}
	close(leave)
	all.Wait()
	h.tokens.do = nil
	if w := h.post(t, nil); w.Code != http.StatusOK || h.Serving() != 0 {
		t.Errorf("afterwards %d, %d in flight", w.Code, h.Serving())
	}
}

// TestSlowSenders hold no slot: whoever has not sent his form yet is not served yet (threat T56).
func TestSlowSenders(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) { c.InFlight = 1 })
	var all sync.WaitGroup
	var bodies []*io.PipeWriter
	for range 20 {
		body, sender := io.Pipe()
		bodies = append(bodies, sender)
		all.Go(func() { h.post(t, func(r *http.Request) { r.Body = body }) })
		if _, err := sender.Write([]byte("grant_type=")); err != nil { // it is being read
			t.Fatal(err)
		}
	}
	if w := h.post(t, nil); w.Code != http.StatusOK || h.Serving() != 0 {
		t.Errorf("beside slow senders: %d, %d in flight", w.Code, h.Serving())
	}
	for _, sender := range bodies {
		_ = sender.Close()
	}
	all.Wait()
}

// TestPanic becomes server_error, and takes no slot with it.
func TestPanic(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) { c.InFlight = 1 })
	h.tokens.do = func(grant.Request) { panic("boom") }
	for range 3 {
		w := h.post(t, nil)
		wantRefusal(t, w, 500, "server_error", oauth.CodeInternal)
		if strings.Contains(w.Body.String(), "boom") || strings.Contains(w.Body.String(), ".go:") {
			t.Errorf("answered %s", w.Body)
		}
	}
	if !strings.Contains(h.log.String(), "boom") || h.observed[0] != (observation{"/token", 500}) {
		t.Errorf("log %s, observed %v", h.log, h.observed)
	}
	h.tokens.do = func(grant.Request) { panic(http.ErrAbortHandler) }
	defer func() {
		if p := recover(); p == nil {
			t.Error("net/http's own signal was swallowed")
		}
	}()
	h.post(t, nil)
}

func TestHealth(t *testing.T) {
	h := newHouse(t)
	h.pictures.err = errors.New("an IdP, a tenant, anything") // readiness asks for none of it
	if w := h.get(t, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("ready: %d", w.Code)
	}
	h.ready = errors.New("dial tcp 10.0.0.5: refused")
	if w := h.get(t, "/readyz"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "10.0.0.5") {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
	h.ready = nil
	h.Drain()
	if w := h.get(t, "/readyz"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("draining: %d", w.Code)
	}
	if w := h.get(t, "/livez"); w.Code != http.StatusOK {
		t.Errorf("live: %d", w.Code)
	}
	h.pictures.err = nil
	if w := h.post(t, nil); w.Code != http.StatusOK {
		t.Errorf("a request while draining: %d", w.Code)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		w := h.serve(httptest.NewRequestWithContext(t.Context(), http.MethodHead, path, http.NoBody))
		if w.Code == http.StatusMethodNotAllowed {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
}

// TestReadinessHasADeadline: a database that hangs makes it fail, not hang.
func TestReadinessHasADeadline(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) {
		c.Ready = func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				return nil
			}
			return errors.New("it has one")
		}
	})
	if w := h.get(t, "/readyz"); w.Code != http.StatusServiceUnavailable {
		t.Error("no deadline")
	}
}

// TestLabelsAreBounded: what callers send is no label.
func TestLabelsAreBounded(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/x1", "/t/a1/token", "/t/a2/.well-known/jwks.json", "/errors/zzz", "/t/acme/errors/zzz"} {
		h.get(t, path)
	}
	for _, o := range h.observed {
		if strings.ContainsAny(o.route, "123") || strings.Contains(o.route, "zzz") {
			t.Errorf("route %q", o.route)
		}
	}
}

// TestProbesAreNoLever: anybody may ask for readiness as often as he likes, and gets neither a question to the database nor
// a line of log for each time.
func TestProbesAreNoLever(t *testing.T) {
	var asked, together, most atomic.Int64
	release := make(chan struct{})
	h := newHouse(t, func(c *broker.Config) {
		c.Ready = func(context.Context) error {
			asked.Add(1)
			most.Store(max(most.Load(), together.Add(1)))
			<-release
			together.Add(-1)
			return errors.New("the database is away")
		}
	})
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if w := h.get(t, "/readyz"); w.Code != http.StatusServiceUnavailable {
				t.Errorf("%d", w.Code)
			}
		})
	}
	for asked.Load() == 0 {
		runtime.Gosched()
	}
	close(release)
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("the database was asked %d times at once", most.Load())
	}
	if n := strings.Count(h.log.String(), "not ready"); n != 1 {
		t.Errorf("%d lines of log within a second", n)
	}
}
