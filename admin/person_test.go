package admin_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// door lets in whoever says his name as a token.
type door map[string]person.Person

func (d door) Enter(_ context.Context, r person.Request) (person.Person, error) {
	_, name, _ := strings.Cut(r.Authorization[0], " ")
	switch name {
	case "away":
		return person.Person{}, errors.New("the database is away")
	case "bound":
		return person.Person{}, oauth.Refuse(oauth.CodeDPoPProofRequired, "no proof", "a proof")
	}
	p, known := d[name]
	if !known {
		return person.Person{}, oauth.Refuse(oauth.CodeAccessTokenInvalid, "no access token of ours", "a live one")
	}
	return p, nil
}

func somebody(tenantName, name string, bound ...person.Bound) person.Person {
	return person.Person{Tenant: &snapshot.Tenant{Name: tenantName}, UID: "usr_" + name, Name: name, Bound: bound}
}

func peopled(c *admin.Config) {
	c.People = door{
		"olga":   somebody("default", "olga", person.Bound{Role: "owner", All: true}),
		"otto":   somebody("default", "otto", person.Bound{Role: "owner"}),
		"adam":   somebody("default", "adam", person.Bound{Role: "admin"}),
		"acme":   somebody("acme", "acme", person.Bound{Role: "owner"}),
		"nobody": somebody("default", "nobody"),
		"odd":    somebody("default", "odd", person.Bound{Role: "root"}),
		"two":    somebody("default", "two", person.Bound{Role: "auditor"}, person.Bound{Role: "viewer"}),
	}
}

func as(name string) map[string]string { return map[string]string{"Authorization": "Bearer " + name} }

const acmeBody = `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"acme"},"spec":{}}`

func bindingBody(spec string) string {
	return `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"owners"},"spec":` + spec + `}`
}

func TestPersonsReachWhatTheirBindingsSay(t *testing.T) {
	h := newHouse(t, peopled)
	h.ok(t, request{method: "PUT", path: "/admin/v1/tenants/acme", role: admin.RoleOwner, body: acmeBody}, http.StatusCreated)
	for _, test := range []struct {
		who, method, path, body string
		status                  int
	}{
		{"otto", "GET", "/admin/v1/clients", "", http.StatusOK},
		{"otto", "GET", "/admin/v1/tenants/default/clients", "", http.StatusOK},
		{"otto", "GET", "/admin/v1/tenants/acme/clients", "", http.StatusForbidden},
		{"otto", "GET", "/admin/v1/tenants/nowhere/clients", "", http.StatusForbidden},
		{"otto", "GET", "/admin/v1/tenants", "", http.StatusForbidden},
		{"otto", "GET", "/metrics", "", http.StatusForbidden},
		{"otto", "PUT", "/admin/v1/tenants/default", strings.Replace(acmeBody, "acme", "default", 1), http.StatusOK},
		{"olga", "GET", "/admin/v1/tenants/acme/clients", "", http.StatusOK},
		{"olga", "GET", "/admin/v1/tenants", "", http.StatusOK},
		{"olga", "GET", "/metrics", "", http.StatusOK},
		{"olga", "PUT", "/admin/v1/tenants/acme", acmeBody, http.StatusOK},
		{"acme", "GET", "/admin/v1/tenants/acme/clients", "", http.StatusOK},
		{"acme", "GET", "/admin/v1/clients", "", http.StatusForbidden},
		{"acme", "GET", "/admin/v1/tenants/default/clients", "", http.StatusForbidden},
		{"acme", "GET", "/admin/v1/openapi.json", "", http.StatusOK},
		{"acme", "PUT", "/admin/v1/tenants/acme", acmeBody, http.StatusForbidden}, // limits and plan are the operator's
		{"nobody", "GET", "/admin/v1/clients", "", http.StatusForbidden},
		{"odd", "GET", "/admin/v1/clients", "", http.StatusForbidden},
		{"two", "GET", "/admin/v1/clients", "", http.StatusOK},
		{"two", "GET", "/admin/v1/audit/events", "", http.StatusOK},
		{"two", "GET", "/admin/v1/clients/claude/secrets", "", http.StatusForbidden},
		{"adam", "GET", "/admin/v1/role-bindings", "", http.StatusForbidden},
		{"stranger", "GET", "/admin/v1/clients", "", http.StatusUnauthorized},
		{"bound", "GET", "/admin/v1/clients", "", http.StatusUnauthorized},
		{"away", "GET", "/admin/v1/clients", "", http.StatusServiceUnavailable},
	} {
		w := h.do(t, request{method: test.method, path: test.path, body: test.body, header: as(test.who)})
		if w.Code != test.status {
			t.Errorf("%s: %s %s: %d %s, not %d", test.who, test.method, test.path, w.Code, w.Body, test.status)
		}
		if challenges := w.Header().Values("WWW-Authenticate"); test.status == http.StatusUnauthorized && len(challenges) != 2 {
			t.Errorf("%s: %v", test.who, challenges)
		}
	}
}

func TestPersonsAreRecordedAsThemselves(t *testing.T) {
	h := newHouse(t, peopled)
	p := h.refused(t, request{method: "GET", path: "/admin/v1/tenants/default/clients", header: as("acme")}, http.StatusForbidden, "permission_denied")
	e := h.lane.last(t, p)
	if e.Principal.Kind != "user" || e.Principal.ID != "usr_acme" || e.Principal.Name != "acme" || e.Detail["person_tenant"] != "acme" {
		t.Fatalf("%+v", e)
	}
	h.refused(t, request{method: "GET", path: "/admin/v1/clients", header: as("stranger")}, http.StatusUnauthorized, "access_token_invalid")
}

func TestNoPeopleWithoutADoor(t *testing.T) {
	h := newHouse(t)
	h.refused(t, request{method: "GET", path: "/admin/v1/clients", header: as("olga")}, http.StatusUnauthorized, "credential_required")
}

// Nobody gives himself a role that he does not hold (T71).
func TestBindingsAreForThoseWhoHoldThem(t *testing.T) {
	const all, own = `{"role":"owner","users":["otto"],"tenants":"all"}`, `{"role":"owner","users":["olga"],"groups":["rulers"]}`
	h := newHouse(t, peopled)
	put := func(who, path, body string) request {
		return request{method: "PUT", path: "/admin/v1/" + path, body: body, header: as(who)}
	}
	h.refused(t, put("otto", "role-bindings/owners", bindingBody(all)), http.StatusForbidden, "permission_denied")
	h.refused(t, request{method: "POST", path: "/admin/v1/apply", body: bindingBody(all), header: as("otto")}, http.StatusForbidden, "permission_denied")
	h.ok(t, put("otto", "role-bindings/owners", bindingBody(own)), http.StatusCreated)
	h.ok(t, put("olga", "role-bindings/owners", bindingBody(all)), http.StatusOK)
	// What reaches all is not to be taken away either.
	h.refused(t, put("otto", "role-bindings/owners", bindingBody(own)), http.StatusForbidden, "permission_denied")
	h.refused(t, request{method: "DELETE", path: "/admin/v1/role-bindings/owners", header: as("otto")}, http.StatusForbidden, "permission_denied")
	h.refused(t, request{method: "POST", path: "/admin/v1/apply?prune=true", body: resourceBody, header: as("otto")}, http.StatusForbidden, "permission_denied")
	h.ok(t, put("olga", "role-bindings/owners", bindingBody(own)), http.StatusOK)
	// Who writes users does not sign in as one who rules, nor puts himself into the group of those who do.
	user := func(name, spec string) string {
		return `{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"` + name + `"},"spec":` + spec + `}`
	}
	h.refused(t, put("adam", "users/olga", user("olga", `{"email":"adam@acme.com"}`)), http.StatusForbidden, "permission_denied")
	h.refused(t, put("adam", "users/adam", user("adam", `{"groups":["rulers"]}`)), http.StatusForbidden, "permission_denied")
	h.ok(t, put("otto", "users/olga", user("olga", `{"groups":["rulers"]}`)), http.StatusCreated)
	h.refused(t, request{method: "DELETE", path: "/admin/v1/users/olga", header: as("adam")}, http.StatusForbidden, "permission_denied")
	h.ok(t, put("adam", "users/eve", user("eve", `{"groups":["readers"]}`)), http.StatusCreated)
	// Who rules is not for everybody who may export.
	told := h.do(t, request{method: "GET", path: "/admin/v1/export", header: as("adam")})
	if told.Code != http.StatusOK || strings.Contains(told.Body.String(), "RoleBinding") {
		t.Fatalf("%d %s", told.Code, told.Body)
	}
}

func TestRolesAreThoseThatBindingsMayName(t *testing.T) {
	var names []string
	for _, r := range admin.Roles() {
		names = append(names, string(r))
		if r.May("approval.decide") {
			t.Errorf("the role %s decides what is asked of single persons", r)
		}
		if r != admin.RoleOwner && (r.May("rolebinding.write") || r.May("rolebinding.read")) {
			t.Errorf("the role %s gives roles", r)
		}
	}
	if !slices.Equal(names, object.Roles()) {
		t.Fatalf("%v, and bindings name %v", names, object.Roles())
	}
}
