package federation_test

import (
	"testing"

	"github.com/chancery-dev/chancery/federation"
)

func TestIsEveryTenant(t *testing.T) {
	for _, everybody := range []string{"common", "Common", "ORGANIZATIONS", "consumers", federation.PersonalAccounts, "9188040D-6C67-4C5B-B112-36A304B66DAD", "{tenantid}", "{tenantId}", "%7Btenantid%7D"} {
		if !federation.IsEveryTenant(everybody) {
			t.Errorf("%q passes for one tenant", everybody)
		}
	}
	for _, one := range []string{"", "72f988bf-86f1-41af-91ab-2d7cd011db47", "commons", " common"} {
		if federation.IsEveryTenant(one) {
			t.Errorf("%q is no place of everybody", one)
		}
	}
}
