package object

import (
	"slices"
	"testing"
)

func TestSameHuman(t *testing.T) {
	alice := Human{Tenant: "ten_1", UserUID: "usr_1", Email: "alice@acme.test"}
	for name, test := range map[string]struct {
		other Human
		same  bool
	}{
		"another session":                 {Human{Tenant: "ten_1", UserUID: "usr_1", IdPUID: "idp_2"}, true},
		"through another tenant":          {Human{Tenant: "ten_2", UserUID: "usr_1"}, true},
		"another user with the address":   {Human{Tenant: "ten_1", UserUID: "usr_2", Email: "Alice@Acme.TEST"}, true},
		"another user":                    {Human{Tenant: "ten_1", UserUID: "usr_2", Email: "bob@acme.test"}, false},
		"another user without an address": {Human{Tenant: "ten_1", UserUID: "usr_2"}, false},
		"nobody":                          {Human{}, false},
	} {
		if got := alice.Same(test.other); got != test.same || test.other.Same(alice) != got {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (Human{}).Same(Human{}) {
		t.Error("nobody is nobody")
	}
}

// Roles that approve are those that a second person's word is asked of, and no other.
func TestApprovingRoles(t *testing.T) {
	for _, role := range Roles() {
		want := map[string][]Need{"owner": {NeedPolicies, NeedTrust}, "policy-approver": {NeedPolicies}}[role]
		if got := approving(role); !slices.Equal(got, want) {
			t.Errorf("%s: %v", role, got)
		}
	}
}
