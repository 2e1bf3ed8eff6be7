package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/diagnose"
)

// tests answers as rehearsal.Tests does, and keeps what it was asked.
type tests struct{ asked []rehearsal.TestAsk }

func (s *tests) IdP(_ context.Context, a rehearsal.TestAsk) (rehearsal.TestAnswer, error) {
	s.asked = append(s.asked, a)
	switch {
	case a.Name == "" && a.Draft == nil && a.Assertion == "":
		return rehearsal.TestAnswer{}, rehearsal.ErrNothing
	case a.Name == "sleeping":
		return rehearsal.TestAnswer{}, rehearsal.ErrInactive
	case a.Name == "nobody":
		return rehearsal.TestAnswer{}, object.ErrNotFound
	}
	return rehearsal.TestAnswer{Passed: true, Report: diagnose.Report{Rows: []diagnose.Row{{Check: "configuration", Status: diagnose.Pass}}}}, nil
}

// waiting holds one capture, which somebody reads once.
type waiting struct{ seen *capture.Seen }

func (w *waiting) Arm(_ context.Context, _ tenant.UID, idp, _, issuer string, length time.Duration, by audit.Principal, trace string) (capture.Arm, error) {
	if idp == "" || by.Name == "" || trace == "" {
		return capture.Arm{}, fmt.Errorf("incomplete: %q %v %q", idp, by, trace)
	}
	return capture.Arm{ID: "cap_1", Issuer: issuer, ExpiresAt: time.Unix(0, 0).Add(length).UTC()}, nil
}

func (w *waiting) Take(_ context.Context, _ tenant.UID, _, _, id string, _ audit.Principal, _ string) (*capture.Seen, error) {
	if id != "cap_1" {
		return nil, capture.ErrGone
	}
	seen := w.seen
	w.seen = nil
	return seen, nil
}

func (w *waiting) Disarm(_ context.Context, _ tenant.UID, _, _, id string, _ audit.Principal, _ string) error {
	if id != "cap_1" {
		return capture.ErrGone
	}
	return nil
}

const idpBody = `{"apiVersion":"chancery/v1","kind":"IdentityProvider","metadata":{"name":"okta"},"spec":{"issuer":"https://acme.okta.com"}}`

func TestTestsOfIdPs(t *testing.T) {
	asked := &tests{}
	h := newHouse(t, func(c *admin.Config) { c.IdPTests = asked })
	post := func(body string) request {
		return request{method: "POST", path: "/admin/v1/idp-tests", role: admin.RoleIdPAdmin, body: body}
	}
	answer := h.ok(t, post(`{"name":"okta","assertion":"a.b.c","client_id":"agent"}`), http.StatusOK)
	if answer["passed"] != true || asked.asked[0].Tenant != "default" || asked.asked[0].Assertion != "a.b.c" || asked.asked[0].ClientID != "agent" || asked.asked[0].By.Name == "" || asked.asked[0].Trace == "" {
		t.Errorf("%v %+v", answer, asked.asked)
	}
	h.ok(t, post(`{"object":`+idpBody+`}`), http.StatusOK)
	if draft := asked.asked[1].Draft; draft == nil || draft.Metadata.Name != "okta" {
		t.Errorf("%+v", asked.asked[1])
	}
	h.refused(t, post(`{}`), http.StatusBadRequest, "body_invalid")
	h.refused(t, post(`{"title":"okta"}`), http.StatusBadRequest, "body_invalid")
	h.refused(t, post(`{"object":`+resourceBody+`}`), http.StatusBadRequest, "body_invalid")
	h.refused(t, post(`{"object":`+strings.Replace(idpBody, "https://acme.okta.com", "ftp://acme", 1)+`}`), http.StatusBadRequest, "object_invalid")
	h.refused(t, post(`{"name":"nobody"}`), http.StatusNotFound, "object_unknown")
	h.refused(t, post(`{"name":"sleeping"}`), http.StatusConflict, "tenant_inactive")
	for _, role := range []admin.Role{admin.RoleViewer, admin.RoleAuditor, admin.RoleOperator, admin.RolePolicyAuthor} {
		r := post(`{"name":"okta"}`)
		r.role = role
		h.refused(t, r, http.StatusForbidden, "permission_denied")
	}
}

func TestCaptures(t *testing.T) {
	w := &waiting{}
	h := newHouse(t, func(c *admin.Config) { c.Captures = w })
	h.ok(t, request{method: "PUT", path: "/admin/v1/identity-providers/okta", role: admin.RoleIdPAdmin, body: idpBody}, http.StatusCreated)
	const at = "/admin/v1/identity-providers/okta/captures"
	armed := h.ok(t, request{method: "POST", path: at + "?for=60", role: admin.RoleIdPAdmin}, http.StatusCreated)
	if armed["id"] != "cap_1" || armed["issuer"] != "https://acme.okta.com" || armed["expires_at"] != "1970-01-01T00:01:00Z" {
		t.Errorf("%v", armed)
	}
	if got := h.ok(t, request{method: "GET", path: at + "/cap_1", role: admin.RoleIdPAdmin}, http.StatusOK); got["state"] != "waiting" {
		t.Errorf("%v", got)
	}
	w.seen = &capture.Seen{Trace: "trc_1", Claims: map[string]any{"sub": "alice"}}
	got := h.ok(t, request{method: "GET", path: at + "/cap_1?wait=1", role: admin.RoleIdPAdmin}, http.StatusOK)
	if seen, _ := got["seen"].(map[string]any); got["state"] != "captured" || seen["trace"] != "trc_1" {
		t.Errorf("%v", got)
	}
	h.ok(t, request{method: "DELETE", path: at + "/cap_1", role: admin.RoleIdPAdmin}, http.StatusNoContent)
	for _, method := range []string{"GET", "DELETE"} {
		h.refused(t, request{method: method, path: at + "/cap_2", role: admin.RoleIdPAdmin}, http.StatusNotFound, "capture_unknown")
	}
	h.refused(t, request{method: "POST", path: at + "?for=3601", role: admin.RoleIdPAdmin}, http.StatusBadRequest, "parameter_invalid")
	h.refused(t, request{method: "POST", path: "/admin/v1/identity-providers/nobody/captures", role: admin.RoleIdPAdmin}, http.StatusNotFound, "object_unknown")
	h.refused(t, request{method: "POST", path: at, role: admin.RoleOperator}, http.StatusForbidden, "permission_denied")
}
