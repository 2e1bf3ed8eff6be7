package object

import (
	"cmp"
	"slices"
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
	return o.ClientID == "" && o.ClientSecret.IsZero() && o.AuthMethod == "" && len(o.Scopes) == 0 && len(o.Algorithms) == 0 && o.Userinfo == nil &&
		len(o.HostedDomains) == 0 && o.OverageEndpoint == "" && !o.ReturnAfterLogout
}

// IsZero tells whether nothing is said of SAML.
func (s IdPSAML) IsZero() bool {
	said := cmp.Or(s.MetadataURL, s.Metadata, s.IDPEntityID, s.SSOURL, s.SLOURL, s.SPEntityID, s.NameIDFormat)
	return said == "" && s.Attributes == (SAMLAttributes{}) && len(slices.Concat(s.Certificates, s.MetadataCertificates)) == 0 && len(s.ACR) == 0 &&
		s.SignRequests == nil && !s.IDPInitiated && !s.WantsEncrypted
}

// SignsIn tells whether people may sign in at the IdP, by either way.
func (s *IdentityProviderSpec) SignsIn() bool { return !s.OIDC.IsZero() || !s.SAML.IsZero() }

// SpeaksSAMLAlone tells whether the IdP has no issuer of tokens: its entity ID stands for one.
func (s *IdentityProviderSpec) SpeaksSAMLAlone() bool { return s.Issuer == "" && !s.SAML.IsZero() }
