package admin_test

import (
	"net/http"
	"testing"

	"github.com/chancery-dev/chancery/admin"
)

const (
	platformBody = `{"apiVersion":"chancery/v1","kind":"IdentityProvider","metadata":{"name":"ci"},"spec":{"issuer":"https://ci.acme.com","assertions":{"profiles":["workload"]}}}`
	byRuleBody   = `{"apiVersion":"chancery/v1","kind":"Client","metadata":{"name":"build"},"spec":{"auth":{"method":"workload"},"grant_types":["urn:ietf:params:oauth:grant-type:jwt-bearer"]}}`
	bySecretBody = `{"apiVersion":"chancery/v1","kind":"Client","metadata":{"name":"claude"},"spec":{"auth":{"method":"client_secret_basic"},"grant_types":["urn:ietf:params:oauth:grant-type:jwt-bearer"]}}`
)

func ruleTo(client string) string {
	return `{"apiVersion":"chancery/v1","kind":"Workload","metadata":{"name":"rule"},"spec":{"idp":"ci","client":"` + client + `","match":{"sub":"acme"}}}`
}

// TestWhoMayLeadToAClient: who may write workloads, and not clients, leads tokens to the clients that were made for it, and
// to no other by any road.
func TestWhoMayLeadToAClient(t *testing.T) {
	const rule = "/admin/v1/workloads/rule"
	h := newHouse(t)
	h.ok(t, request{method: "PUT", path: "/admin/v1/identity-providers/ci", role: admin.RoleIdPAdmin, body: platformBody}, http.StatusCreated)
	h.ok(t, request{method: "PUT", path: "/admin/v1/clients/build", role: admin.RoleAdmin, body: byRuleBody}, http.StatusCreated)
	h.ok(t, request{method: "PUT", path: "/admin/v1/clients/claude", role: admin.RoleAdmin, body: bySecretBody}, http.StatusCreated)
	for _, client := range []string{"claude", "nobody"} {
		for _, r := range []request{
			{method: "PUT", path: rule, body: ruleTo(client)},
			{method: "PUT", path: rule + "?dry_run=true", body: ruleTo(client)},
			{method: "PUT", path: "/admin/v1/tenants/default/workloads/rule", body: ruleTo(client)},
			{method: "POST", path: "/admin/v1/apply", body: ruleTo(client)},
		} {
			r.role = admin.RoleIdPAdmin
			p := h.refused(t, r, http.StatusForbidden, "permission_denied")
			if e := h.lane.last(t, p); e.Detail["permission"] != "client.write" {
				t.Errorf("%s %s: %v", r.method, r.path, e.Detail)
			}
		}
	}
	h.ok(t, request{method: "PUT", path: rule, role: admin.RoleIdPAdmin, body: ruleTo("build")}, http.StatusCreated)
	h.ok(t, request{method: "POST", path: "/admin/v1/apply", role: admin.RoleIdPAdmin, body: ruleTo("build")}, http.StatusOK)
	h.refused(t, request{method: "PUT", path: rule, role: admin.RoleIdPAdmin, body: ruleTo("claude")}, http.StatusForbidden, "permission_denied") // nor by changing one that is there
	h.ok(t, request{method: "DELETE", path: rule, role: admin.RoleIdPAdmin}, http.StatusOK)

	answer := h.do(t, request{method: "PUT", path: rule, role: admin.RoleAdmin, body: ruleTo("claude")})
	if warned := answer.Header().Values("Chancery-Warning"); answer.Code != http.StatusCreated || len(warned) == 0 {
		t.Errorf("%d, warnings %q", answer.Code, warned)
	}
}
