package admin

import (
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

// Which roles approve is said twice: to those who are asked, and to those whose bindings wait for a second person.
func TestRolesThatApprove(t *testing.T) {
	approve := map[object.Need][]string{object.NeedPolicies: {"owner", "policy-approver"}, object.NeedTrust: {"owner"}}
	for need, roles := range approve {
		var may []string
		for _, r := range Roles() {
			if r.May(neededFor(need)) {
				may = append(may, string(r))
			}
		}
		if !slices.Equal(may, roles) {
			t.Errorf("%s: %v, want %v", need, may, roles)
		}
	}
	if neededFor("") != "" || RoleOwner.May(neededFor("")) {
		t.Error("nothing is needed for nothing, and nobody holds that")
	}
}

// A Standing without parts, or of nobody, lets nobody approve.
func TestStandingOfNobody(t *testing.T) {
	for _, h := range []object.Human{{}, {UserUID: "usr_1", Home: "default"}} {
		if may, err := (Standing{}).May(t.Context(), h, "default", object.NeedPolicies); may || err != nil {
			t.Errorf("%+v: %v, %v", h, may, err)
		}
	}
}
