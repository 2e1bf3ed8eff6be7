package broker_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/registration"
)

// desk answers what a test says.
type desk struct {
	err error
	got registration.Request
	did string
}

func (d *desk) answer(did string, r registration.Request) ([]byte, error) {
	d.did, d.got = did, r
	return []byte(`{"client_id":"dyn_1"}`), d.err
}

func (d *desk) Register(_ context.Context, r registration.Request) ([]byte, error) {
	return d.answer("register", r)
}

func (d *desk) Read(_ context.Context, r registration.Request) ([]byte, error) {
	return d.answer("read", r)
}

func (d *desk) Replace(_ context.Context, r registration.Request) ([]byte, error) {
	return d.answer("replace", r)
}

func (d *desk) Remove(_ context.Context, r registration.Request) error {
	_, err := d.answer("remove", r)
	return err
}

func newCounter(t *testing.T, changes ...func(*broker.Config)) (*house, *desk) {
	t.Helper()
	d := &desk{}
	return newHouse(t, append([]func(*broker.Config){func(c *broker.Config) { c.Registrations = d }}, changes...)...), d
}

func (h *house) call(t *testing.T, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return h.serve(r)
}

// TestRegistration: each method reaches its own, with the tenant of the path, and is answered as the standards say.
func TestRegistration(t *testing.T) {
	h, d := newCounter(t)
	for _, c := range []struct {
		method, path, did, tenant, client string
		status                            int
	}{
		{http.MethodPost, "/register", "register", "default", "", 201},
		{http.MethodPost, "/t/acme/register", "register", "acme", "", 201},
		{http.MethodGet, "/register/dyn_1", "read", "default", "dyn_1", 200},
		{http.MethodPut, "/t/acme/register/dyn_1", "replace", "acme", "dyn_1", 200},
		{http.MethodDelete, "/register/dyn_1", "remove", "default", "dyn_1", 204},
	} {
		w := h.call(t, c.method, c.path, "{}", "Content-Type", "application/json; charset=utf-8", "Authorization", "bearer rat_x")
		if w.Code != c.status || d.did != c.did || d.got.Tenant.Name != c.tenant || d.got.ClientID != c.client || d.got.Bearer != "rat_x" || d.got.Trace == "" || d.got.Remote == "" {
			t.Errorf("%s %s: %d, %s %+v", c.method, c.path, w.Code, d.did, d.got)
		}
		if w.Header().Get("Cache-Control") != "no-store" || (c.status == 204) != (w.Body.Len() == 0) {
			t.Errorf("%s %s: %v %q", c.method, c.path, w.Header(), w.Body)
		}
	}
	if strings.Contains(h.log.String(), "rat_x") {
		t.Error("the log holds a credential")
	}
}

// TestRegistrationRefused: what cannot be read reaches nobody.
func TestRegistrationRefused(t *testing.T) {
	h, d := newCounter(t)
	wantRefusal(t, h.call(t, http.MethodPost, "/register", "a=b", "Content-Type", "application/x-www-form-urlencoded"), 400, "invalid_client_metadata", oauth.CodeRegistrationContentType)
	wantRefusal(t, h.call(t, http.MethodPost, "/register", "{}"), 400, "invalid_client_metadata", oauth.CodeRegistrationContentType)
	wantRefusal(t, h.call(t, http.MethodPost, "/register", strings.Repeat(" ", registration.MaxBody+1), "Content-Type", "application/json"), 413, "invalid_request", oauth.CodeBodyTooLarge)
	wantRefusal(t, h.call(t, http.MethodPost, "/t/nobody/register", "{}", "Content-Type", "application/json"), 404, "invalid_request", oauth.CodeTenantUnknown)
	wantRefusal(t, h.call(t, http.MethodGet, "/register", ""), 405, "invalid_request", oauth.CodeMethodNotAllowed)
	if d.did != "" {
		t.Errorf("%s was done", d.did)
	}

	// RFC 6750 §3: a challenge, and what was wrong only to who showed something.
	d.err = oauth.Refuse(oauth.CodeRegistrationTokenMissing, "", "")
	w := h.call(t, http.MethodGet, "/register/dyn_1", "")
	wantRefusal(t, w, 401, "invalid_token", oauth.CodeRegistrationTokenMissing)
	if w.Header().Get("WWW-Authenticate") != `Bearer realm="chancery"` || d.got.Bearer != "" {
		t.Errorf("%v %q", w.Header(), d.got.Bearer)
	}
	d.err = oauth.Refuse(oauth.CodeRegistrationTokenInvalid, "", "")
	for _, shown := range []string{"Bearer x", "Basic YTpi", "Bearer", "x"} {
		w = h.call(t, http.MethodGet, "/register/dyn_1", "", "Authorization", shown)
		wantRefusal(t, w, 401, "invalid_token", oauth.CodeRegistrationTokenInvalid)
		if w.Header().Get("WWW-Authenticate") != `Bearer realm="chancery", error="invalid_token"` || d.got.Bearer == "" {
			t.Errorf("%s: %v %q", shown, w.Header(), d.got.Bearer)
		}
	}
	d.err = nil
	if h.call(t, http.MethodGet, "/register/dyn_1", "", "Authorization", "Bearer a", "Authorization", "Bearer b"); d.got.Bearer != "?" {
		t.Errorf("of two credentials one is taken: %q", d.got.Bearer)
	}
}

// TestRegistrationForBrowsers: listed origins, and no other, may read the answer.
func TestRegistrationForBrowsers(t *testing.T) {
	h, _ := newCounter(t, func(c *broker.Config) { c.CORSOrigins = []string{"http://localhost:6274"} })
	for origin, want := range map[string]string{"http://localhost:6274": "http://localhost:6274", "https://evil.example": ""} {
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			w := h.call(t, method, "/register", "{}", "Content-Type", "application/json", "Origin", origin)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %s: %q", method, origin, got)
			}
		}
	}
}

// TestNobodyRegisters where no desk is.
func TestNobodyRegisters(t *testing.T) {
	h := newHouse(t)
	if w := h.call(t, http.MethodPost, "/register", "{}", "Content-Type", "application/json"); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}
