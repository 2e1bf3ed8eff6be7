package broker_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// television answers what a test says.
type television struct {
	err error
	got grant.Request
}

func (v *television) Device(_ context.Context, r grant.Request) (device.Begun, error) {
	v.got = r
	if v.err != nil {
		return device.Begun{}, v.err
	}
	return device.Begun{DeviceCode: "the-device-code", UserCode: "WDJB-MJHT", ExpiresIn: 10 * time.Minute, Interval: 5 * time.Second}, nil
}

func (h *house) beginDevice(t *testing.T, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	body := url.Values{"client_id": {"tv"}, "scope": {"notes:read"}}.Encode()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	return h.serve(r)
}

// TestDeviceAnswer is RFC 8628 §3.2, member by member.
func TestDeviceAnswer(t *testing.T) {
	for path, at := range map[string]struct{ tenant, issuer string }{
		"/device_authorization": {"default", publicURL}, "/t/acme/device_authorization": {"acme", publicURL + "/t/acme"},
	} {
		v := &television{}
		w := newHouse(t, func(c *broker.Config) { c.Devices = v }).beginDevice(t, path, nil)
		want := map[string]any{
			"device_code": "the-device-code", "user_code": "WDJB-MJHT", "verification_uri": at.issuer + "/device",
			"verification_uri_complete": at.issuer + "/device?user_code=WDJB-MJHT", "expires_in": 600.0, "interval": 5.0,
		}
		if got := members(t, w); w.Code != http.StatusOK || !reflect.DeepEqual(got, want) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("answered %d %v", w.Code, got)
		}
		if v.got.Tenant.Name != at.tenant || v.got.Form.Get("scope") != "notes:read" || v.got.Remote != "192.0.2.1" {
			t.Errorf("asked %+v", v.got)
		}
	}
}

// TestDeviceRefusals: errors are the token endpoint's (RFC 8628 §3.2), and so is what cannot be read.
func TestDeviceRefusals(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) { c.Devices = &television{err: oauth.Refuse(oauth.CodeScopeEmpty, "", "")} })
	wantRefusal(t, h.beginDevice(t, "/device_authorization", nil), 400, "invalid_scope", oauth.CodeScopeEmpty)
	wantRefusal(t, h.beginDevice(t, "/device_authorization", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }), 400, "invalid_request", oauth.CodeContentTypeUnsupported)
	if len(h.tokens.away) != 1 {
		t.Errorf("turned away %v", h.tokens.away)
	}
	wantRefusal(t, h.beginDevice(t, "/t/none/device_authorization", nil), 404, "invalid_request", oauth.CodeTenantUnknown)
	if w := h.get(t, "/device_authorization"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
	if w := newHouse(t).beginDevice(t, "/device_authorization", nil); w.Code != http.StatusNotFound {
		t.Errorf("where it is not served: %d", w.Code)
	}
}

// TestPeoplesTokens: what people's grants give beside the access token is written, and where there is none, nothing is.
func TestPeoplesTokens(t *testing.T) {
	h := newHouse(t)
	if m := members(t, h.post(t, nil)); m["id_token"] != nil || m["refresh_token"] != nil {
		t.Errorf("answered %v", m)
	}
	h.tokens.response.IDToken, h.tokens.response.RefreshToken = "an-id-token", "a-refresh-token"
	if m := members(t, h.post(t, nil)); m["id_token"] != "an-id-token" || m["refresh_token"] != "a-refresh-token" {
		t.Errorf("answered %v", m)
	}
}
