package object

import (
	"cmp"
	"time"

	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// IdPOIDC is how people sign in by OpenID Connect.
type IdPOIDC struct {
	ClientID        string    `json:"client_id,omitempty"`
	ClientSecret    SecretRef `json:"client_secret,omitzero"`
	AuthMethod      string    `json:"auth_method,omitempty"` // client_secret_basic unless told
	Scopes          []string  `json:"scopes,omitzero"`
	Algorithms      []string  `json:"algorithms,omitzero"` // of ID tokens and logout tokens
	Userinfo        *bool     `json:"userinfo,omitempty"`
	HostedDomains   []string  `json:"hosted_domains,omitzero"`
	OverageEndpoint string    `json:"overage_endpoint,omitempty"`
	// ReturnAfterLogout: the IdP knows our end_session endpoint as a place to come back to.
	ReturnAfterLogout bool `json:"return_after_logout,omitempty"`
}

// IdPSAML is how people sign in by SAML, and whose assertions of profile saml2-bearer count.
type IdPSAML struct {
	MetadataURL          string         `json:"metadata_url,omitempty"`
	Metadata             string         `json:"metadata,omitempty"`
	MetadataCertificates []string       `json:"metadata_certificates,omitempty"` // PEM: who signs the metadata, where it must be signed
	IDPEntityID          string         `json:"idp_entity_id,omitempty"`
	Certificates         []string       `json:"certificates,omitempty"` // PEM, for those who have no metadata
	SSOURL               string         `json:"sso_url,omitempty"`
	SLOURL               string         `json:"slo_url,omitempty"`
	SPEntityID           string         `json:"sp_entity_id,omitempty"`
	SignRequests         *bool          `json:"sign_requests,omitempty"`
	IDPInitiated         bool           `json:"idp_initiated,omitempty"`
	WantsEncrypted       bool           `json:"wants_encrypted,omitempty"` // our metadata has a key to encrypt with
	NameIDFormat         string         `json:"name_id_format,omitempty"`
	Attributes           SAMLAttributes `json:"attributes,omitzero"`
	// ACR maps AuthnContextClassRef to the acr values of policies.
	ACR map[string]string `json:"acr,omitempty"`
}

// SAMLAttributes name the attributes that mean something here; claims.groups names that of groups.
type SAMLAttributes struct {
	Subject string `json:"subject,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	Email   string `json:"email,omitempty"`
	AMR     string `json:"amr,omitempty"`
}

// The values of how our client authenticates at an IdP.
const (
	IdPAuthBasic      = "client_secret_basic"
	IdPAuthPost       = "client_secret_post"
	IdPAuthPrivateKey = "private_key_jwt"
)

// IsZero tells whether nothing is said of sign-in by OpenID Connect.
func (o IdPOIDC) IsZero() bool {
	return !o.IsSet() && o.ClientSecret.IsZero() && o.AuthMethod == "" && len(o.Scopes) == 0 && len(o.Algorithms) == 0 && o.Userinfo == nil &&
		len(o.HostedDomains) == 0 && o.OverageEndpoint == "" && !o.ReturnAfterLogout
}

// IsSet tells whether people sign in by OpenID Connect: whether we have a name at the IdP.
func (o IdPOIDC) IsSet() bool { return o.ClientID != "" }

// IsZero tells whether nothing is said of SAML.
func (s IdPSAML) IsZero() bool {
	said := cmp.Or(s.IDPEntityID, s.SSOURL, s.SLOURL, s.SPEntityID, s.NameIDFormat)
	return !s.IsSet() && said == "" && s.Attributes == (SAMLAttributes{}) && len(s.MetadataCertificates) == 0 && len(s.ACR) == 0 &&
		s.SignRequests == nil && !s.IDPInitiated && !s.WantsEncrypted
}

// IsSet tells whether it is said by what the IdP's messages are known: its metadata, or certificates.
func (s IdPSAML) IsSet() bool {
	return s.Metadata != "" || s.MetadataURL != "" || len(s.Certificates) > 0
}

// EntityID is the SAML IdP's: what the entry says, else its issuer.
func (s *IdentityProviderSpec) EntityID() string {
	if !s.SAML.IsSet() {
		return ""
	}
	return or(s.SAML.IDPEntityID, s.Issuer)
}

// SpeaksSAMLAlone tells whether the IdP has no issuer of tokens: its entity ID stands for one in links, and no token is its.
func (s *IdentityProviderSpec) SpeaksSAMLAlone() bool {
	return s.SAML.IsSet() && (s.Issuer == "" || s.Preset == PresetSAML)
}

// settle fills the entity ID that the entry says by its metadata.
func (s *IdentityProviderSpec) settle() {
	if s.SAML.Metadata == "" || s.SAML.IDPEntityID != "" {
		return
	}
	// No clock and no signature: those are checked at apply. What cannot be read Validate tells.
	if m, err := saml.ParseMetadata([]byte(s.SAML.Metadata), s.samlExpected(), time.Time{}); err == nil {
		s.SAML.IDPEntityID = m.EntityID
	}
}

// samlExpected is what the entry's metadata is compared with, its signature aside.
func (s *IdentityProviderSpec) samlExpected() saml.Expected {
	return saml.Expected{EntityID: s.SAML.IDPEntityID, Loopback: s.Network.AllowPrivateAddresses}
}

// fillSignIn says what is left out of how people sign in.
func (s *IdentityProviderSpec) fillSignIn(p preset) {
	if s.OIDC.IsSet() {
		known, _ := oidc.PresetNamed(or(s.Preset, DefaultPreset), s.Issuer)
		s.OIDC.AuthMethod = or(s.OIDC.AuthMethod, IdPAuthBasic)
		s.OIDC.Scopes = orList(s.OIDC.Scopes, known.Scopes)
		s.OIDC.Algorithms = orList(s.OIDC.Algorithms, p.algorithms)
		if s.OIDC.Userinfo == nil {
			s.OIDC.Userinfo = &p.userinfo
		}
		if known.Dialect.HostedDomainClaim != "" {
			s.OIDC.HostedDomains = orList(s.OIDC.HostedDomains, s.Domains)
		}
		s.OIDC.OverageEndpoint = or(s.OIDC.OverageEndpoint, known.OverageEndpoint)
	}
	if s.SAML.IsSet() {
		s.SAML.IDPEntityID = s.EntityID()
		if s.SAML.SignRequests == nil {
			yes := true
			s.SAML.SignRequests = &yes
		}
		if s.SAML.Attributes == (SAMLAttributes{}) {
			s.SAML.Attributes = p.attributes
		}
	}
}

// SAMLGroups is the attribute that carries groups in the IdP's assertions where claims.groups says nothing.
func (s *IdentityProviderSpec) SAMLGroups() string {
	p, _ := findPreset(s.Preset)
	return or(p.samlGroups, p.groups)
}
