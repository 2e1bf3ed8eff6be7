package signin

import (
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
)

// HomeRealm finds the IdP of whoever gave a login hint: by exactly the domain of an address in its one form, or the domain
// alone. No suffix counts, and a hint of another kind finds nobody (T14).
func (d *Desk) HomeRealm(t *snapshot.Tenant, loginHint string) (*federation.IdentityProvider, bool) {
	_, domain, ok := federation.CanonicalEmail(loginHint)
	if !ok {
		if domain, ok = federation.CanonicalDomain(loginHint); !ok {
			return nil, false
		}
	}
	uid, ok := t.SignIn.Domains[domain]
	if !ok {
		return nil, false
	}
	for _, idp := range t.SignIn.IdPs {
		if idp.UID == uid && !idp.Disabled {
			return idp, true
		}
	}
	return nil, false
}
