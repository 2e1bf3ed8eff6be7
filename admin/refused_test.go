package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// last takes the only event that a request left.
func (l *lane) last(t *testing.T, p admin.Problem) audit.Event {
	t.Helper()
	if len(l.events) != 1 {
		t.Fatalf("%d events: %+v", len(l.events), l.events)
	}
	e := l.events[0]
	if e.Type != audit.TypeAdminRefused || e.Outcome != audit.Refused || e.Code != p.Code || e.Trace != p.Trace || e.ID == "" || e.At.IsZero() || e.Tenant.IsZero() {
		t.Fatalf("%+v", e)
	}
	if e.Remote != "192.0.2.1" || l.sources[0] != e.Remote { // as httptest has it
		t.Fatalf("from %s, counted for %s", e.Remote, l.sources[0])
	}
	l.events, l.sources = nil, nil
	return e
}

func TestEveryRefusalIsRecorded(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(t) {
		if r.permission == "" {
			continue
		}
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			path := r.at("acme")
			p := h.refused(t, request{method: r.method, path: path}, http.StatusUnauthorized, "credential_required")
			e := h.lane.last(t, p)
			if e.Principal != (audit.Principal{Kind: "anonymous"}) || e.Detail["credential"] != "absent" || e.Detail["permission"] != r.permission ||
				e.Detail["method"] != r.method || plain(e.Detail["route"]) != plain(r.path) || strings.Contains(r.path, "{tenant}") != (e.Detail["tenant"] == "acme") {
				t.Fatalf("%+v", e)
			}
			guess := "Bearer " + strings.Repeat("guess", 8)
			p = h.refused(t, request{method: r.method, path: path, header: map[string]string{"Authorization": guess}}, http.StatusUnauthorized, "credential_required")
			if e = h.lane.last(t, p); e.Detail["credential"] != "unknown" || strings.Contains(fmt.Sprint(e), "guess") {
				t.Fatalf("%+v", e)
			}
			for _, role := range admin.Roles() {
				if role.May(admin.Permission(r.permission)) {
					continue
				}
				p = h.refused(t, request{method: r.method, path: path, role: role}, http.StatusForbidden, "permission_denied")
				e = h.lane.last(t, p)
				if e.Principal != (audit.Principal{Kind: "token", Name: string(role)}) || e.Detail["role"] != string(role) || e.Detail["permission"] != r.permission {
					t.Fatalf("%+v", e)
				}
				break
			}
		})
	}
}

// plain writes :name and {name} alike.
func plain(route string) string { return strings.NewReplacer("{", "", "}", "", ":", "").Replace(route) }

func TestOtherRefusals(t *testing.T) {
	h := newHouse(t)
	p := h.refused(t, request{method: "GET", path: "/nowhere"}, http.StatusUnauthorized, "credential_required")
	if e := h.lane.last(t, p); e.Detail["route"] != "" || e.Detail["permission"] != "" {
		t.Fatalf("what the caller wrote is kept: %+v", e)
	}
	p = h.refused(t, request{method: "GUESS", path: "/nowhere"}, http.StatusUnauthorized, "credential_required")
	if e := h.lane.last(t, p); e.Detail["method"] != "" {
		t.Fatalf("what the caller wrote is kept: %+v", e)
	}
	p = h.refused(t, request{method: "GET", path: "/admin/v1/tenants/%27/clients"}, http.StatusBadRequest, "path_invalid")
	if len(h.lane.events) != 0 {
		t.Fatalf("%+v %+v", p, h.lane.events)
	}
	// The body says what is to be written, so its permission is asked for inside.
	body := resourceBody
	p = h.refused(t, request{method: "POST", path: "/admin/v1/apply", role: admin.RoleIdPAdmin, body: body}, http.StatusForbidden, "permission_denied")
	if e := h.lane.last(t, p); e.Detail["permission"] != "resource.write" || e.Principal.Name != string(admin.RoleIdPAdmin) {
		t.Fatalf("%+v", e)
	}
	w := h.do(t, request{method: "PUT", path: "/admin/v1/resources/notes", role: admin.RoleOwner, body: resourceBody, header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	if w.Code != http.StatusForbidden || len(h.lane.events) != 1 || h.lane.events[0].Code != "cross_origin" || h.lane.events[0].Principal.Kind != "anonymous" {
		t.Fatalf("%d %+v", w.Code, h.lane.events)
	}
	h.lane.events = nil
	h.ok(t, request{method: "PUT", path: "/admin/v1/resources/notes", role: admin.RoleOwner, body: resourceBody}, http.StatusCreated)
	h.refused(t, request{method: "GET", path: "/admin/v1/resources/other", role: admin.RoleOwner}, http.StatusNotFound, "object_unknown")
	if len(h.lane.events) != 0 {
		t.Fatalf("who may is no refusal: %+v", h.lane.events)
	}
}

func TestRefusalsNeedAPlace(t *testing.T) {
	for name, change := range map[string]func(*admin.Config){
		"no lane":   func(c *admin.Config) { c.Refusals = nil },
		"no tenant": func(c *admin.Config) { c.Root = tenant.UID{} },
	} {
		h := newHouse(t)
		change(&h.config)
		if _, err := admin.New(h.config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
