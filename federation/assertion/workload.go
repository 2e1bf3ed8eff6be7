package assertion

import (
	"encoding/json"
	"strconv"

	"github.com/chancery-dev/chancery/federation"
)

// readWorkload reads what a platform says of a workload of its own (SEP-1933, RFC
// 7523 §3). Everything but the common claims is the platform's word, for Workload
// rules and policies: scope, resource, client_id and email too.
func (c *claimSet) readWorkload(idp *federation.IdentityProvider) {
	c.readCommon(idp)
	c.issued = c.time("iat")
	c.actor = c.object("act")
}

// checkSubjectTenant: whose the subject is at the IdP, in the dialect's own words.
func (w *walk) checkSubjectTenant(c *claimSet) error {
	if w.idp.Dialect.SPIFFE {
		return w.checkSPIFFEID(c)
	}
	return w.checkDialectTenant(c)
}

// checkDialectTenant: the IdP-side tenant. Where the dialect has a claim of its own
// for it (T12), it is exactly the one that the issuer names, where it names one; listed,
// where there is a list. One of the two must be. Names that stand for every tenant
// are nobody's.
func (w *walk) checkDialectTenant(c *claimSet) error {
	dialect, listed := w.idp.Dialect, w.idp.Assertions.Tenants
	name := dialect.TenantClaim
	if name == "" {
		return w.checkTenant(c)
	}
	switch {
	case federation.IsEveryTenant(c.tenant):
		return w.trail.Refuse(federation.CodeTenantUnlisted, name, c.tenant, "one tenant", nil)
	case dialect.Tenant != "" && c.tenant != dialect.Tenant:
		return w.trail.Refuse(federation.CodeTenantUnlisted, name, c.tenant, dialect.Tenant, nil)
	case (dialect.Tenant == "" || len(listed) > 0) && !contains(listed, c.tenant):
		return w.trail.Refuse(federation.CodeTenantUnlisted, name, c.tenant, "a tenant of the entry", nil)
	}
	w.trail.Pass(name, c.tenant, "the tenant of the entry")
	return nil
}

// scalar is a claim's value as text: a string as it is, a number or boolean in its
// JSON form. Objects, lists and null have none.
func scalar(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case bool:
		return strconv.FormatBool(value), true
	case int64:
		return strconv.FormatInt(value, 10), true
	case json.Number:
		return value.String(), true
	default:
		return "", false
	}
}

// Claim returns one claim, registered ones too, by its path from the outermost name
// inwards: a string as it is, a number or boolean in its JSON form. Anything else
// is not found.
func (v *Verified) Claim(path []string) (value string, found bool) {
	if len(path) == 0 {
		return "", false
	}
	current, present := v.claims.claims.Value(path[0])
	for _, name := range path[1:] {
		members, ok := current.(map[string]any)
		if !ok {
			return "", false
		}
		if current, present = members[name]; !present {
			return "", false
		}
	}
	if !present {
		return "", false
	}
	return scalar(current)
}

// RedemptionKey names the assertion among those of its issuer: by jti, or, where
// there is none, by a digest of what was signed. The two cannot be equal.
func (v *Verified) RedemptionKey() string {
	if v.claims.id != "" {
		return "jti:" + v.claims.id
	}
	return "sha256:" + v.digest
}

// Guest tells whether it says that the subject is a guest at the IdP.
func (v *Verified) Guest() bool { return v.claims.guest }
