package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// custody answers as an inventory does, and remembers what it was asked.
type custody struct {
	query   downstream.Query
	by      downstream.By
	done    []string
	brought downstream.Import
	fail    error
}

func (c *custody) List(_ context.Context, _ tenant.UID, q downstream.Query) ([]downstream.Record, error) {
	c.query = q
	return []downstream.Record{{ID: "con_1", Status: "connected", Scopes: []string{}}}, c.fail
}

func (c *custody) Get(_ context.Context, _ tenant.UID, id string) (downstream.Record, error) {
	return downstream.Record{ID: id, Status: "suspended", Scopes: []string{}}, c.fail
}

func (c *custody) act(what, id string, by downstream.By) (connection.Connection, error) {
	c.by, c.done = by, append(c.done, what+" "+id)
	return connection.Connection{}, c.fail
}

func (c *custody) Suspend(_ context.Context, _ tenant.UID, id string, by downstream.By) (connection.Connection, error) {
	return c.act("suspend", id, by)
}

func (c *custody) Resume(_ context.Context, _ tenant.UID, id string, by downstream.By) (connection.Connection, error) {
	return c.act("resume", id, by)
}

func (c *custody) Revoke(_ context.Context, _ tenant.UID, id string, by downstream.By) (connection.Connection, error) {
	return c.act("revoke", id, by)
}

func (c *custody) Test(_ context.Context, _ tenant.UID, id string, by downstream.By) (downstream.Tested, error) {
	_, err := c.act("test", id, by)
	return downstream.Tested{Works: true, Account: provider.Account{ID: "7", Label: "alice"}}, err
}

func (c *custody) Import(_ context.Context, _ tenant.UID, m downstream.Import, by downstream.By) (downstream.Record, error) {
	c.brought, c.by = m, by
	return downstream.Record{ID: "con_2", Scopes: []string{}}, c.fail
}

func TestConnections(t *testing.T) {
	for _, base := range []string{"/admin/v1/tenants/default/connections", "/admin/v1/connections"} {
		desk := &custody{}
		h := newHouse(t, func(c *admin.Config) { c.Connections = desk })
		list := h.ok(t, request{method: "GET", path: base + "?user=alice&provider=github&status=connected&limit=1&cursor=con_0", role: admin.RoleOperator}, 200)
		if list["next"] != "con_1" || desk.query != (downstream.Query{User: "alice", Provider: "github", Status: "connected", After: "con_0", Limit: 1}) {
			t.Errorf("%v %+v", list, desk.query)
		}
		h.ok(t, request{method: "GET", path: base + "/con_1", role: admin.RoleOperator}, 200)
		for _, action := range []string{"suspend", "resume"} {
			if one := h.ok(t, request{method: "POST", path: base + "/con_1/" + action + "?reason=incident", role: admin.RoleAdmin}, 200); one["id"] != "con_1" || desk.by.Reason != "incident" || desk.by.Trace == "" || desk.by.Principal.Name == "" {
				t.Errorf("%v %+v", one, desk.by)
			}
		}
		if done := h.ok(t, request{method: "POST", path: base + "/con_1/test", role: admin.RoleAdmin}, 200); done["works"] != true {
			t.Error(done)
		}
		if w := h.do(t, request{method: "DELETE", path: base + "/con_1", role: admin.RoleAdmin}); w.Code != http.StatusNoContent {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if want := "suspend con_1, resume con_1, test con_1, revoke con_1"; strings.Join(desk.done, ", ") != want {
			t.Error(desk.done)
		}
		const hush = "hush-hush-hush"
		w := h.do(t, request{method: "POST", path: base, role: admin.RoleAdmin, body: `{"user":"alice","provider":"github","refresh_token":"` + hush + `","scopes":["repo"]}`})
		if w.Code != http.StatusCreated || strings.Contains(w.Body.String(), hush) || desk.brought.Refresh.Reveal() != hush || !desk.brought.Access.IsZero() || !desk.brought.Secret.IsZero() {
			t.Errorf("%d %s %+v", w.Code, w.Body, desk.brought)
		}
		bad := h.do(t, request{method: "POST", path: base, role: admin.RoleAdmin, body: `{"user":"alice","provider":"github","refresh_token":"` + hush + `","refresh":"` + hush + `"}`})
		if bad.Code != http.StatusBadRequest || strings.Contains(bad.Body.String(), hush) {
			t.Errorf("%d %s", bad.Code, bad.Body)
		}
		for _, role := range []admin.Role{admin.RoleOperator, admin.RoleViewer, admin.RolePolicyAuthor, admin.RoleIdPAdmin, admin.RoleAuditor} {
			h.refused(t, request{method: "POST", path: base, role: role, body: `{}`}, 403, "permission_denied")
			h.refused(t, request{method: "DELETE", path: base + "/con_1", role: role}, 403, "permission_denied")
		}
	}
}

func TestConnectionsRefuse(t *testing.T) {
	for code, test := range map[string]struct {
		err    error
		status int
	}{
		"connection_unknown": {connection.ErrGone, 404}, "connection_changed": {connection.ErrMoved, 409}, "connection_state": {downstream.ErrState, 409},
		"parameter_invalid": {downstream.ErrQuery, 400}, "import_refused": {downstream.ErrImport, 422},
	} {
		h := newHouse(t, func(c *admin.Config) { c.Connections = &custody{fail: test.err} })
		h.refused(t, request{method: "POST", path: "/admin/v1/connections/con_1/suspend", role: admin.RoleOwner}, test.status, code)
		h.refused(t, request{method: "GET", path: "/admin/v1/connections", role: admin.RoleOwner}, test.status, code)
	}
	h := newHouse(t)
	h.refused(t, request{method: "GET", path: "/admin/v1/connections", role: admin.RoleOwner}, 404, "route_unknown")
	h.refused(t, request{method: "GET", path: "/admin/v1/connections?owner=alice", role: admin.RoleOwner}, 400, "parameter_unknown")
}

// hooks answers as a desk does, and remembers what it was asked.
type hooks struct {
	filter webhook.Filter
	order  webhook.Order
	fail   error
}

func (h *hooks) List(_ context.Context, _ tenant.UID, f webhook.Filter) ([]webhook.Record, error) {
	h.filter = f
	return []webhook.Record{{ID: "msg_1", State: webhook.GivenUp}}, h.fail
}

func (h *hooks) Replay(_ context.Context, _ tenant.UID, o webhook.Order) (int64, error) {
	h.order = o
	return 3, h.fail
}

func TestWebhooks(t *testing.T) {
	for _, base := range []string{"/admin/v1/tenants/default/webhooks", "/admin/v1/webhooks"} {
		desk := &hooks{}
		h := newHouse(t, func(c *admin.Config) { c.Webhooks = desk })
		list := h.ok(t, request{method: "GET", path: base + "?state=given_up&endpoint=https://acme.com/hook&cursor=msg_2&limit=1", role: admin.RoleOperator}, 200)
		if list["next"] != "msg_1" || desk.filter != (webhook.Filter{State: "given_up", Endpoint: "https://acme.com/hook", Before: "msg_2", Limit: 1}) {
			t.Errorf("%v %+v", list, desk.filter)
		}
		done := h.ok(t, request{method: "POST", path: base + "/replay?since=2026-11-21T12:00:00Z&endpoint=https://acme.com/hook", role: admin.RoleOperator}, 200)
		if done["replayed"] != 3.0 || desk.order.Endpoint != "https://acme.com/hook" || desk.order.Since.Hour() != 12 || desk.order.Trace == "" || desk.order.By.Name == "" {
			t.Errorf("%v %+v", done, desk.order)
		}
		h.refused(t, request{method: "POST", path: base + "/replay?since=yesterday", role: admin.RoleOwner}, 400, "parameter_invalid")
		h.refused(t, request{method: "POST", path: base + "/replay?since=2026-11-21T12:00:00Z", role: admin.RoleViewer}, 403, "permission_denied")
		h.refused(t, request{method: "GET", path: base, role: admin.RoleViewer}, 403, "permission_denied")
	}
	h := newHouse(t, func(c *admin.Config) { c.Webhooks = &hooks{fail: webhook.ErrQuery} })
	h.refused(t, request{method: "GET", path: "/admin/v1/webhooks", role: admin.RoleOwner}, 400, "parameter_invalid")
	h.refused(t, request{method: "GET", path: "/admin/v1/webhooks?body=yes", role: admin.RoleOwner}, 400, "parameter_unknown")
	h = newHouse(t)
	h.refused(t, request{method: "GET", path: "/admin/v1/webhooks", role: admin.RoleOwner}, 404, "route_unknown")
}
