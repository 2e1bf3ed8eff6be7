package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const invitation = "iat_what-is-shown-this-once"

// register answers as a desk does, and remembers what it was asked.
type register struct {
	order registration.Order
	by    registration.By
	after string
	limit int
	ended []string
}

func (r *register) Invite(_ context.Context, t tenant.UID, o registration.Order, by registration.By) (registration.Initial, secret.Text, error) {
	r.order, r.by = o, by
	if o.Lifetime > registration.MaxInitialLifetime {
		return registration.Initial{}, secret.Text{}, registration.ErrInitial
	}
	return registration.Initial{Tenant: t, ID: "ini_1", Note: o.Note, CreatedBy: by.Principal.Name, Uses: o.Uses, UsesLeft: o.Uses}, secret.New(invitation), nil
}

func (r *register) Invitations(context.Context, tenant.UID) ([]registration.Initial, error) {
	return []registration.Initial{{ID: "ini_1", Uses: 2, UsesLeft: 1}}, nil
}

func (r *register) Uninvite(_ context.Context, _ tenant.UID, which string, _ registration.By) error {
	return r.end(which)
}

func (r *register) Registered(_ context.Context, _ tenant.UID, after string, limit int) ([]registration.Record, error) {
	r.after, r.limit = after, limit
	return []registration.Record{{ClientID: "dyn_1", TokenID: "ini_1", Access: registration.Digest{1}, Metadata: registration.Metadata{ClientName: "Notes"}}}, nil
}

func (r *register) Expel(_ context.Context, _ tenant.UID, clientID string, _ registration.By) error {
	return r.end(clientID)
}

func (r *register) end(which string) error {
	if strings.HasSuffix(which, "_9") {
		return registration.ErrUnknown
	}
	r.ended = append(r.ended, which)
	return nil
}

// TestRegistrations: tokens are shown once; lists hold no credential; and not everybody may.
func TestRegistrations(t *testing.T) {
	for _, base := range []string{"/admin/v1/tenants/default", "/admin/v1"} {
		desk := &register{}
		h := newHouse(t, func(c *admin.Config) { c.Registrations = desk })
		made := h.ok(t, request{method: http.MethodPost, path: base + "/registration-tokens?uses=20&expires_in=168h&note=pilot", role: admin.RoleAdmin}, 201)
		if made["token"] != invitation || made["id"] != "ini_1" || made["note"] != "pilot" || desk.order != (registration.Order{Uses: 20, Lifetime: 168 * time.Hour, Note: "pilot"}) || desk.by.Trace == "" || desk.by.Principal.Name == "" {
			t.Errorf("%v of %+v", made, desk)
		}
		h.ok(t, request{method: http.MethodPost, path: base + "/registration-tokens", role: admin.RoleOwner}, 201)
		if desk.order != (registration.Order{Uses: 1}) {
			t.Errorf("%+v", desk.order)
		}
		for _, query := range []string{"uses=0", "uses=10001", "uses=many", "expires_in=soon", "expires_in=3000h", "note=" + strings.Repeat("x", 129)} {
			h.refused(t, request{method: http.MethodPost, path: base + "/registration-tokens?" + query, role: admin.RoleOwner}, 400, "parameter_invalid")
		}
		h.refused(t, request{method: http.MethodPost, path: base + "/registration-tokens?lifetime=1h", role: admin.RoleOwner}, 400, "parameter_unknown")

		all := h.ok(t, request{method: http.MethodGet, path: base + "/registration-tokens", role: admin.RoleOwner}, 200)
		items, _ := all["items"].([]any)
		one, _ := items[0].(map[string]any)
		if _, there := one["token"]; there || one["uses_left"] != 1.0 {
			t.Errorf("%v", all)
		}
		page := h.ok(t, request{method: http.MethodGet, path: base + "/registrations?limit=1&cursor=dyn_0", role: admin.RoleOwner}, 200)
		items, _ = page["items"].([]any)
		one, _ = items[0].(map[string]any)
		if page["next"] != "dyn_1" || one["client_id"] != "dyn_1" || one["registration_token"] != "ini_1" || len(one) != 6 || desk.after != "dyn_0" || desk.limit != 1 {
			t.Errorf("%v", page)
		}
		for path, unknown := range map[string]string{"/registration-tokens/ini_1": "/registration-tokens/ini_9", "/registrations/dyn_1": "/registrations/dyn_9"} {
			h.ok(t, request{method: http.MethodDelete, path: base + path, role: admin.RoleOwner}, 204)
			h.refused(t, request{method: http.MethodDelete, path: base + unknown, role: admin.RoleOwner}, 404, "registration_unknown")
			h.refused(t, request{method: http.MethodDelete, path: base + path, role: admin.RoleViewer}, 403, "permission_denied")
		}
		if len(desk.ended) != 2 {
			t.Errorf("ended %v", desk.ended)
		}
		for _, role := range []admin.Role{admin.RoleViewer, admin.RoleAuditor, admin.RoleIdPAdmin, admin.RolePolicyAuthor} {
			h.refused(t, request{method: http.MethodPost, path: base + "/registration-tokens", role: role}, 403, "permission_denied")
		}
	}
}
