package assertion

import "github.com/chancery-dev/chancery/federation"

// checkSPIFFEID: JWT-SVID §3.1: sub is the SPIFFE ID of a workload, of the trust
// domain that the issuer is; or, where the issuer is an https URL that speaks for
// trust domains, of one that the entry lists among its tenants. Without a list it
// speaks for none.
func (w *walk) checkSPIFFEID(c *claimSet) error {
	const name = "sub"
	trustDomain, path, ok := federation.ParseSPIFFEID(c.subject)
	if !ok || path == "" { // the trust domain itself is no workload
		return w.trail.Refuse(federation.CodeClaimMalformed, name, c.subject, "the SPIFFE ID of a workload", nil)
	}
	own, _, isTrustDomain := federation.ParseSPIFFEID(w.idp.Issuer)
	listed := w.idp.Assertions.Tenants
	switch {
	case isTrustDomain && trustDomain != own:
		return w.trail.Refuse(federation.CodeTenantUnlisted, name, trustDomain, own, nil)
	case (!isTrustDomain || len(listed) > 0) && !contains(listed, trustDomain):
		return w.trail.Refuse(federation.CodeTenantUnlisted, name, trustDomain, "a trust domain among the tenants of the entry", nil)
	}
	c.tenant = trustDomain
	w.trail.Pass(name, trustDomain, "a trust domain of "+w.idp.Name)
	return nil
}
