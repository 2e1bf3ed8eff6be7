package assertion

import (
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

// findIssuer looks the entry up that is to judge the assertion, by exact match,
// before anything that it names is fetched.
func (w *walk) findIssuer(registry *federation.Registry, message *jws.Message) (*federation.IdentityProvider, error) {
	unverified, err := message.Unverified()
	if err != nil {
		return nil, w.refuseClaims(err)
	}
	issuer := unverified.Issuer
	if issuer == "" && w.profile == "" {
		issuer = issuerOfSVID(unverified.Subject)
	}
	if issuer == "" {
		return nil, w.trail.Refuse(federation.CodeClaimMissing, "iss", "", "an issuer", nil)
	}
	if issuer == w.request.Issuer {
		// ID-JAG §5: an assertion of ours is for others; redeeming it here would
		// turn a token endpoint into its own identity provider.
		return nil, w.trail.Refuse(federation.CodeOwnAssertion, "iss", issuer, "the issuer of an IdP", nil)
	}
	idp, found := registry.Lookup(issuer)
	switch {
	case !found && registry.Disabled(issuer):
		return nil, w.trail.Refuse(federation.CodeIssDisabled, "iss", issuer, "an enabled entry", nil)
	case !found:
		return nil, w.trail.Refuse(federation.CodeIssUnknown, "iss", issuer, "an issuer in the registry", nil)
	case w.profile == federation.ProfileIDJAG && !idp.Assertions.Allows(federation.ProfileIDJAG):
		w.trail.For(idp)
		return nil, w.trail.Refuse(federation.CodeProfileNotAllowed, "profile", string(federation.ProfileIDJAG), "a profile of the entry", nil)
	}
	if w.profile == "" {
		w.profile = profileOf(idp) // "" is refused by checkPlainType, once the signature holds
	}
	w.idp = idp
	w.trail.For(idp)
	w.trail.Pass("iss", issuer, idp.Name)
	return idp, nil
}

// issuerOfSVID: JWT-SVID §3 has no iss; the trust domain of sub says whose it is. The
// registry has trust domains under the dialect of SPIFFE only.
func issuerOfSVID(subject string) string {
	trustDomain, _, ok := federation.ParseSPIFFEID(subject)
	if !ok {
		return ""
	}
	return federation.SPIFFEIssuer(trustDomain)
}
