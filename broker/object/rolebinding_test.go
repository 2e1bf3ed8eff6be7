package object_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

const bindingDoc = `apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: owners}
spec: {role: owner, users: [alice], groups: [security]}
`

func TestRoleBindingRefuses(t *testing.T) {
	for name, test := range map[string]struct{ from, to, says string }{
		"no role":         {"role: owner, ", "", "spec.role"},
		"a slip":          {"role: owner", "role: ownr", `nearest known: "owner"`},
		"nothing like it": {"role: owner", "role: superuser", "unknown role"},
		"a reach":         {"users: [alice]", "tenants: some, users: [alice]", "own or all"},
		"all elsewhere":   {"metadata: {name: owners}", "metadata: {name: owners, tenant: acme}", "all is for tenant default"},
		"no name":         {"[alice]", "[Alice!]", "is no name"},
		"twice":           {"[security]", "[security, security]", "listed twice"},
		"a control":       {"[security]", `["sec\u0007"]`, "control"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := strings.Replace(bindingDoc, test.from, test.to, 1)
			if name == "all elsewhere" {
				doc = strings.Replace(doc, "role: owner", "role: owner, tenants: all", 1)
			}
			objects, err := object.Decode(strings.NewReader(doc), object.Options{})
			if err == nil {
				err = objects[0].Validate()
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%v, not %q", err, test.says)
			}
		})
	}
}

// binds tells whether the stored binding binds the user who has a name now.
func (h *house) binds(t *testing.T, name string, groups ...string) bool {
	t.Helper()
	owner, err := h.path.TenantUID(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.store.Get(t.Context(), owner, object.KindRoleBinding, "owners")
	if err != nil {
		t.Fatal(err)
	}
	uid := ""
	user, err := h.store.Get(t.Context(), owner, object.KindUser, name)
	if err == nil {
		uid = user.UID
	} else if !errors.Is(err, object.ErrNotFound) {
		t.Fatal(err)
	}
	spec, err := object.ParseSpec(stored.Kind, stored.Spec)
	if err != nil {
		t.Fatal(err)
	}
	b, ok := spec.(*object.RoleBindingSpec)
	return ok && b.Binds(stored.Keys, uid, groups)
}

// Whoever takes a user's name does not take his role.
func TestARoleIsNotInheritedByName(t *testing.T) {
	h := newHouse(t)
	if plan := h.apply(t, bindingDoc, by("apply")); !hasWarning(plan.Warnings, "reference_unknown", "") {
		t.Errorf("a name of nobody is not warned of: %v", plan.Warnings)
	}
	if h.binds(t, "alice") {
		t.Fatal("nobody is bound")
	}
	h.apply(t, allDocs(), by("apply"))
	if h.binds(t, "alice") {
		t.Fatal("whoever comes to a name that was bound before is bound")
	}
	h.apply(t, bindingDoc, by("apply")) // the same text means somebody now
	if !h.binds(t, "alice") || h.binds(t, "nobody") {
		t.Fatal("alice is bound, and nobody else")
	}
	if !h.binds(t, "nobody", "security") || h.binds(t, "nobody", "Security") || h.binds(t, "nobody", "") {
		t.Fatal("groups bind by their exact names")
	}
	h.delete(t, object.KindUser, "alice")
	h.apply(t, allDocs(), by("apply"))
	if h.binds(t, "alice") {
		t.Fatal("another alice inherits a role")
	}
}

func TestARoleBindingForNobodyWarns(t *testing.T) {
	h := newHouse(t)
	plan := h.apply(t, strings.Replace(bindingDoc, ", users: [alice], groups: [security]", "", 1), by("apply"))
	if !hasWarning(plan.Warnings, "binds_nobody", "") || h.binds(t, "alice", "security") {
		t.Fatalf("%v", plan.Warnings)
	}
}
