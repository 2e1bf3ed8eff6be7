package admin_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/person"
)

// asked waits for otto.
type asked struct{ said []bool }

func (a *asked) WaitingFor(_ context.Context, who person.Person) ([]admin.Approval, error) {
	if who.Name != "otto" {
		return nil, nil
	}
	return []admin.Approval{{ID: "apr_1", Group: "security"}}, nil
}

func (a *asked) Answer(_ context.Context, who person.Person, id string, allow bool, _ approval.Visit) (approval.State, error) {
	switch {
	case id != "apr_1":
		return "", approval.ErrGone
	case who.Name == "adam":
		return "", approval.ErrSubject
	case who.Name != "otto":
		return "", approval.ErrNotAsked
	case len(a.said) > 0:
		return "", approval.ErrSettled
	}
	a.said = append(a.said, allow)
	return approval.Allowed, nil
}

// Who is asked needs no role; and no program answers, whatever its role is.
func TestApprovalsAreAnsweredByPersons(t *testing.T) {
	h := newHouse(t, peopled)
	for _, role := range admin.Roles() {
		h.refused(t, request{method: "GET", path: "/admin/v1/approvals", role: role}, http.StatusForbidden, "permission_denied")
		h.refused(t, request{method: "POST", path: "/admin/v1/approvals/apr_1/allow", role: role}, http.StatusForbidden, "permission_denied")
	}
	h.refused(t, request{method: "GET", path: "/admin/v1/tenants/acme/approvals", header: as("otto")}, http.StatusForbidden, "permission_denied")
	h.refused(t, request{method: "POST", path: "/admin/v1/tenants/acme/approvals/apr_1/allow", header: as("olga")}, http.StatusForbidden, "permission_denied")
	for name, want := range map[string]int{"otto": 1, "nobody": 0} {
		told := h.ok(t, request{method: "GET", path: "/admin/v1/approvals", header: as(name)}, http.StatusOK)
		if items, ok := told["items"].([]any); !ok || len(items) != want {
			t.Fatalf("%s: %v", name, told)
		}
	}
	h.refused(t, request{method: "POST", path: "/admin/v1/approvals/apr_1/allow", header: as("adam")}, http.StatusForbidden, "approval_not_asked")
	h.refused(t, request{method: "POST", path: "/admin/v1/approvals/apr_1/deny", header: as("nobody")}, http.StatusForbidden, "approval_not_asked")
	h.refused(t, request{method: "POST", path: "/admin/v1/approvals/apr_2/allow", header: as("otto")}, http.StatusNotFound, "approval_unknown")
	h.ok(t, request{method: "POST", path: "/admin/v1/approvals/apr_1/allow", header: as("otto")}, http.StatusOK)
	h.refused(t, request{method: "POST", path: "/admin/v1/approvals/apr_1/deny", header: as("otto")}, http.StatusConflict, "approval_settled")
}
