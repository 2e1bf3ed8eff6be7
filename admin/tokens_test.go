package admin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin"
)

func TestTokens(t *testing.T) {
	for _, base := range []string{"/admin/v1/tenants/default", "/admin/v1"} {
		h := newHouse(t)
		one := h.ok(t, request{method: http.MethodGet, path: base + "/tokens/" + knownToken, role: admin.RoleAuditor}, 200)
		if one["jti"] != knownToken || one["state"] != "live" {
			t.Errorf("answered %v", one)
		}
		h.refused(t, request{method: http.MethodGet, path: base + "/tokens/tok_1", role: admin.RoleOwner}, 404, "token_unknown")
		h.refused(t, request{method: http.MethodGet, path: base + "/tokens/" + knownToken, role: admin.RoleViewer}, 403, "permission_denied")
	}
}

func TestTokensAreListed(t *testing.T) {
	h := newHouse(t)
	first := h.ok(t, request{method: http.MethodGet, path: "/admin/v1/tokens?client=claude&live=true&limit=1&since=2030-01-01T00:00:00Z", role: admin.RoleOperator}, 200)
	if q := h.tokens.asked; q.Client != "claude" || !q.LiveOnly || q.Limit != 1 || q.Since.Year() != 2030 || q.After.ID != "" {
		t.Errorf("asked %+v", q)
	}
	next, ok := first["next"].(string)
	if !ok {
		t.Fatalf("no next page: %v", first)
	}
	h.ok(t, request{method: http.MethodGet, path: "/admin/v1/tokens?cursor=" + next, role: admin.RoleOwner}, 200)
	if q := h.tokens.asked; q.After.ID != knownToken || !q.After.IssuedAt.Equal(time.Unix(1900000000, 0)) {
		t.Errorf("asked %+v", q)
	}
	for query, code := range map[string]string{
		"cursor=forged":       "cursor_invalid",
		"cursor=bi4":          "cursor_invalid",
		"cursor=MSB0b2tfAA":   "cursor_invalid", // "1 tok_" and a NUL byte, which PostgreSQL does not take
		"cursor=MSB0b2tf_w":   "cursor_invalid", // and 0xff, which is no UTF-8
		"live=perhaps":        "parameter_invalid",
		"limit=0":             "parameter_invalid",
		"since=yesterday":     "parameter_invalid",
		"client=a&user=b":     "parameter_invalid",
		"clients=claude":      "parameter_unknown",
		"client=a&client=b":   "parameter_repeated",
		"user=" + long(t, 65): "parameter_invalid",
	} {
		h.refused(t, request{method: http.MethodGet, path: "/admin/v1/tokens?" + query, role: admin.RoleOwner}, 400, code)
	}
}

func long(t *testing.T, n int) string {
	t.Helper()
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a'
	}
	return string(b)
}

func TestRevocations(t *testing.T) {
	for path, kind := range map[string]string{
		"/tokens/" + knownToken + "/revoke": "token", "/clients/claude/revoke": "client", "/users/alice/revoke": "user",
		"/users/usr_01JZ8Q0V9V2B7T5D4N3M2K1H0G/revoke": "user", "/identity-providers/okta/revoke": "idp",
	} {
		for _, base := range []string{"/admin/v1/tenants/default", "/admin/v1"} {
			h := newHouse(t)
			done := h.ok(t, request{method: http.MethodPost, path: base + path + "?reason=stolen", role: admin.RoleOperator}, 200)
			if done["kind"] != kind || done["applied"] != true || done["event"] != "evt_1" || done["tokens"] == nil {
				t.Errorf("%s: answered %v", path, done)
			}
			if q := h.tokens.done[0]; q.DryRun || q.Reason != "stolen" || q.By.Kind != "token" || q.By.Name != "operator" || q.Trace == "" {
				t.Errorf("%s: done %+v", path, q)
			}
			if done = h.ok(t, request{method: http.MethodPost, path: base + path + "?dry_run=true", role: admin.RoleOwner}, 200); done["applied"] != false || !h.tokens.done[1].DryRun {
				t.Errorf("%s: dry run answered %v", path, done)
			}
			for _, role := range []admin.Role{admin.RoleAuditor, admin.RoleViewer, admin.RolePolicyAuthor, admin.RoleIdPAdmin} {
				h.refused(t, request{method: http.MethodPost, path: base + path, role: role}, 403, "permission_denied")
			}
			h.refused(t, request{method: http.MethodPost, path: base + path}, 401, "credential_required")
			h.refused(t, request{method: http.MethodPost, path: base + path + "?reason=" + long(t, 256), role: admin.RoleOwner}, 400, "parameter_invalid")
			h.refused(t, request{method: http.MethodGet, path: base + path, role: admin.RoleOwner}, 405, "method_not_allowed")
			if len(h.tokens.done) != 2 {
				t.Errorf("%s: %d done", path, len(h.tokens.done))
			}
		}
	}
	h := newHouse(t)
	h.refused(t, request{method: http.MethodPost, path: "/admin/v1/clients/nobody/revoke", role: admin.RoleOwner}, 404, "object_unknown")
	h.refused(t, request{method: http.MethodPost, path: "/admin/v1/tokens/tok_1/revoke", role: admin.RoleOwner}, 404, "token_unknown")
	h.refused(t, request{method: http.MethodPost, path: "/admin/v1/tenants/nobody/clients/claude/revoke", role: admin.RoleOwner}, 404, "tenant_unknown")
	if done := h.ok(t, request{method: http.MethodPost, path: "/admin/v1/clients/countless/revoke", role: admin.RoleOwner}, 200); done["tokens"] != nil || done["applied"] != true {
		t.Errorf("not counted: %v", done)
	}
}
