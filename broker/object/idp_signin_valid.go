package object

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// Bounds of what an entry says of sign-in.
const (
	maxDomains      = 64
	maxCertificates = 16
)

func (s *IdentityProviderSpec) checkSignIn(f *findings) {
	f.text("spec.display_name", s.DisplayName)
	s.checkDomains(f)
	s.checkOIDC(f)
	s.checkSAML(f)
	if !s.OIDC.IsSet() && !s.SAML.IsSet() {
		return
	}
	p, known := findPreset(s.Preset)
	if known && (p.platform || s.Dialect().SPIFFE) {
		f.addCode("sign_in_of_preset", "spec.preset", "people do not sign in at %s: leave oidc and saml out", p.name)
	}
	if s.OIDC.IsSet() && s.SAML.IsSet() {
		f.addCode("sign_in_twice", "spec.saml", "has oidc beside it: people sign in at one entry in one way; make two IdentityProviders")
	}
}

// checkDomains: one spelling each, so that an address leads to one IdP whoever writes it (T14).
func (s *IdentityProviderSpec) checkDomains(f *findings) {
	if len(s.Domains) > maxDomains {
		f.add("spec.domains", "%d domains: at most %d", len(s.Domains), maxDomains)
	}
	f.each("spec.domains", s.Domains, func(domain string) string {
		if canonical, ok := federation.CanonicalDomain(domain); ok && canonical == domain {
			return ""
		}
		if ascii, err := idna.Lookup.ToASCII(domain); err == nil && ascii != domain && domainProblem(ascii) == "" {
			return "is written in another way than it is compared: expected " + ascii
		}
		return domainProblem(domain)
	})
}

func (s *IdentityProviderSpec) checkOIDC(f *findings) {
	o := s.OIDC
	f.text("spec.oidc.client_id", o.ClientID)
	f.secretRef("spec.oidc.client_secret", o.ClientSecret)
	f.oneOf("spec.oidc.auth_method", o.AuthMethod, IdPAuthBasic, IdPAuthPost, IdPAuthPrivateKey)
	f.filled("spec.oidc.scopes", o.Scopes)
	f.each("spec.oidc.scopes", o.Scopes, scopeProblem)
	f.filled("spec.oidc.algorithms", o.Algorithms)
	f.eachOf("spec.oidc.algorithms", o.Algorithms, jws.Algorithms()...)
	f.filled("spec.oidc.hosted_domains", o.HostedDomains)
	f.each("spec.oidc.hosted_domains", o.HostedDomains, domainProblem)
	f.value("spec.oidc.overage_endpoint", o.OverageEndpoint, httpsProblem)
	if !o.IsSet() || len(f.problems) > 0 {
		return
	}
	known, signsIn := oidc.PresetNamed(or(s.Preset, DefaultPreset), s.Issuer)
	switch {
	case s.Preset == PresetSAML:
		f.addCode("sign_in_of_preset", "spec.oidc", "preset saml speaks SAML alone: expected spec.saml, or another preset")
		return
	case !signsIn: // told by checkSignIn
		return
	case s.Issuer == "":
		return // told by Validate
	case o.AuthMethod == IdPAuthPrivateKey && !o.ClientSecret.IsZero():
		f.add("spec.oidc.client_secret", "is for %s and %s: with private_key_jwt our key is the proof", IdPAuthBasic, IdPAuthPost)
	case o.AuthMethod != IdPAuthPrivateKey && o.ClientSecret.IsZero():
		f.add("spec.oidc.client_secret", "is required: expected {env: NAME} or {file: PATH}, or auth_method: private_key_jwt")
	case o.Scopes != nil && !slices.Contains(o.Scopes, "openid"):
		f.add("spec.oidc.scopes", "lacks openid, without which nobody signs in (OpenID Connect Core §3.1.2.1)")
	case known.Dialect.HostedDomainClaim != "" && len(o.HostedDomains)+len(s.Domains) == 0:
		f.add("spec.oidc.hosted_domains", "is required, or domains: anybody in the world has an account at %s", s.Issuer)
	case known.Dialect.HostedDomainClaim == "" && len(o.HostedDomains) > 0:
		f.add("spec.oidc.hosted_domains", "%s does not say in a claim whose account it is: leave it out", or(s.Preset, DefaultPreset))
	case s.Claims.GroupsOverage == OverageFetch && o.OverageEndpoint == "" && known.OverageEndpoint == "":
		f.add("spec.oidc.overage_endpoint", "is required with groups_overage: fetch, with this preset")
	case s.Claims.GroupsOverage == OverageFetch && !slices.Contains(s.WithDefaults().Claims.GroupsFrom, string(federation.GroupsFromClaim)):
		f.add("spec.claims.groups_overage", "fetch needs claim among groups_from")
	default:
		s.tryEntry(f)
	}
}

// tryEntry makes the entry as the picture will, with a place and a credential that stand for ours: what it refuses is
// refused here, where somebody sees it.
func (s *IdentityProviderSpec) tryEntry(f *findings) {
	filled := s.WithDefaults()
	known, _ := oidc.PresetNamed(filled.Preset, filled.Issuer)
	e := oidc.Entry{
		Provider: &federation.IdentityProvider{UID: "draft", Name: "draft", Issuer: filled.Issuer, Dialect: filled.Dialect()},
		ClientID: filled.OIDC.ClientID, Authentication: oidc.AuthSecretBasic, Secret: oidc.NewSecret("draft"),
		Algorithms: filled.OIDC.Algorithms, Scopes: filled.OIDC.Scopes, CallbackURL: "https://draft.invalid/callback",
		ClockSkew: time.Duration(filled.Assertions.ClockSkew), HostedDomains: filled.OIDC.HostedDomains, Dialect: known.Dialect,
	}
	if err := e.Validate(); err != nil {
		f.add("spec.oidc", "%s", err)
	}
}

func (s *IdentityProviderSpec) checkSAML(f *findings) {
	a := s.SAML
	f.value("spec.saml.metadata_url", a.MetadataURL, httpsProblem)
	f.value("spec.saml.idp_entity_id", a.IDPEntityID, entityIDProblem)
	f.value("spec.saml.sp_entity_id", a.SPEntityID, entityIDProblem)
	f.value("spec.saml.sso_url", a.SSOURL, httpsProblem)
	f.value("spec.saml.slo_url", a.SLOURL, httpsProblem)
	f.value("spec.saml.name_id_format", a.NameIDFormat, entityIDProblem)
	f.text("spec.saml.attributes.subject", a.Attributes.Subject)
	f.text("spec.saml.attributes.tenant", a.Attributes.Tenant)
	f.text("spec.saml.attributes.email", a.Attributes.Email)
	f.text("spec.saml.attributes.amr", a.Attributes.AMR)
	for _, class := range labelNames(a.ACR) {
		if wrong := entityIDProblem(class); wrong != "" {
			f.add("spec.saml.acr", "%s %s", quote(class), wrong)
		}
		if wrong := acrProblem(a.ACR[class]); wrong != "" {
			f.add("spec.saml.acr."+class, "%s %s", quote(a.ACR[class]), wrong)
		}
	}
	f.certificates("spec.saml.certificates", a.Certificates)
	f.certificates("spec.saml.metadata_certificates", a.MetadataCertificates)
	if !a.IsSet() || len(f.problems) > 0 {
		return
	}
	s.checkSAMLSource(f)
	s.checkSAMLNames(f)
	if len(f.problems) == 0 && a.MetadataURL == "" {
		s.tryProvider(f)
	}
}

// checkSAMLSource: one place says by what the IdP is known.
func (s *IdentityProviderSpec) checkSAMLSource(f *findings) {
	a := s.SAML
	switch {
	case a.Metadata != "" && a.MetadataURL != "":
		f.add("spec.saml", "names both metadata and metadata_url: expected one")
	case len(a.Certificates) > 0 && (a.Metadata != "" || a.MetadataURL != ""):
		f.add("spec.saml.certificates", "is for an IdP without metadata, which has its certificates in it: expected one of them")
	case len(a.Certificates) == 0 && (a.SSOURL != "" || a.SLOURL != ""):
		f.add("spec.saml.sso_url", "is for an IdP without metadata, which has its endpoints in it: leave sso_url and slo_url out")
	case len(a.Certificates) > 0 && len(a.MetadataCertificates) > 0:
		f.add("spec.saml.metadata_certificates", "is for metadata, and there is none")
	case a.Metadata != "" && s.unreadable() != nil:
		f.addCode("saml_metadata", "spec.saml.metadata", "%s", told(s.unreadable()))
	case s.EntityID() == "":
		f.add("spec.saml.idp_entity_id", "is required: which IdP it is about is said here, and not by whoever serves or signs a document")
	}
}

// unreadable says why the entry's metadata cannot be read, whatever the time is.
func (s *IdentityProviderSpec) unreadable() error {
	_, err := saml.ParseMetadata([]byte(s.SAML.Metadata), s.samlExpected(), time.Time{})
	return err
}

// told says what was received and what was expected, where a refusal knows.
func told(err error) string {
	r, ok := errors.AsType[*federation.Refusal](err)
	if !ok || len(r.Checks) == 0 {
		return fmt.Sprint(err)
	}
	last := r.Checks[len(r.Checks)-1]
	return last.Name + ": received " + quote(last.Received) + ", expected " + last.Expected
}

// checkSAMLNames: what keys accounts is one IdP's, and stays.
func (s *IdentityProviderSpec) checkSAMLNames(f *findings) {
	a := s.SAML
	if wrong := pinnedProblem(s.EntityID()); wrong != "" {
		f.addCode("issuer_of_many", "spec.saml.idp_entity_id", "%s %s", quote(s.EntityID()), wrong)
	}
	if a.SPEntityID != "" && a.SPEntityID == s.EntityID() {
		f.add("spec.saml.sp_entity_id", "is the IdP's own: ours is another one")
	}
	if a.NameIDFormat == saml.NameIDTransient && a.Attributes.Subject == "" && s.WithDefaults().SAML.Attributes.Subject == "" {
		f.add("spec.saml.name_id_format", "a transient name is another one each time, and keys no account (SAML core §8.3.8): name an attribute by attributes.subject")
	}
	if a.Attributes.Tenant != "" && len(s.Assertions.Tenants) == 0 && s.Dialect().Tenant == "" {
		f.add("spec.saml.attributes.tenant", "names the IdP-side tenant, and assertions.tenants lists none: nobody could sign in")
	}
}

// tryProvider makes the provider as the picture will, as far as the entry alone says it.
func (s *IdentityProviderSpec) tryProvider(f *findings) {
	p := saml.Provider{
		IdP: &federation.IdentityProvider{UID: "draft"}, EntityID: s.EntityID(), Loopback: s.Network.AllowPrivateAddresses,
		Self: saml.ServiceProvider{EntityID: "https://draft.invalid/metadata", ACS: "https://draft.invalid/acs"},
	}
	path := "spec.saml.metadata"
	if s.SAML.Metadata != "" {
		m, err := saml.ParseMetadata([]byte(s.SAML.Metadata), s.samlExpected(), time.Time{})
		if err != nil {
			return // told already
		}
		p.Certificates, p.SignOn, p.Logout = m.Certificates, m.SignOn, m.Logout
	} else {
		path = "spec.saml.certificates"
		p.Certificates, _ = Certificates(s.SAML.Certificates)
		p.SignOn, p.Logout = s.SAML.Endpoints()
	}
	switch err := p.Validate(); {
	case errors.Is(err, saml.ErrEndpoint):
		f.add("spec.saml.sso_url", "is http: allowed on loopback with network.allow_private_addresses only")
	case err != nil:
		f.add(path, "%s", err)
	}
}

// Endpoints are those of an IdP without metadata. Where it does not say how, it takes messages either way.
func (s IdPSAML) Endpoints() (signOn, logout []saml.Endpoint) {
	both := func(location string) []saml.Endpoint {
		if location == "" {
			return nil
		}
		return []saml.Endpoint{{Binding: saml.BindingRedirect, Location: location}, {Binding: saml.BindingPOST, Location: location}}
	}
	return both(s.SSOURL), both(s.SLOURL)
}

// Certificates reads a list of PEM texts, of one certificate each.
func Certificates(list []string) ([]*x509.Certificate, error) {
	certificates := make([]*x509.Certificate, 0, len(list))
	for i, text := range list {
		certificate, err := certificateOf(text)
		if err != nil {
			return nil, fmt.Errorf("[%d] %w", i, err)
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}

var errCertificate = errors.New("is no PEM text of one certificate")

func certificateOf(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" || !strings.HasPrefix(strings.TrimSpace(text), "-----BEGIN") {
		return nil, errCertificate
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errCertificate
	}
	return certificate, nil
}

// certificates checks a list of PEM texts. Their ends are not: an IdP's certificate may have ended, and verify nothing.
func (f *findings) certificates(path string, list []string) {
	if len(list) > maxCertificates {
		f.add(path, "%d certificates: at most %d", len(list), maxCertificates)
		return
	}
	for i, text := range list {
		if _, err := certificateOf(text); err != nil {
			f.add(fmt.Sprintf("%s[%d]", path, i), "%s", err)
		}
	}
}

// entityIDProblem: SAML metadata §2.2.1: a URI of at most 1024 characters. It is compared byte for byte.
func entityIDProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
		return "holds characters besides printable ASCII without spaces"
	}
	return ""
}

// acrProblem: acr_values is a list parted by spaces (OpenID Connect Core §3.1.2.1).
func acrProblem(s string) string {
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
		return "is no acr value: expected printable ASCII without spaces"
	}
	return ""
}
