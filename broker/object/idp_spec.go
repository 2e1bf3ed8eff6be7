package object

import (
	"slices"

	"github.com/chancery-dev/chancery/federation"
)

// IdentityProviderSpec is a trusted issuer. What is absent is filled from its preset.
type IdentityProviderSpec struct {
	Disabled    bool              `json:"disabled,omitempty"`
	DisplayName string            `json:"display_name,omitempty"` // what people call it, on the page where they choose
	Preset      string            `json:"preset,omitempty"`
	Issuer      string            `json:"issuer,omitempty"`
	JWKS        IdPKeys           `json:"jwks,omitzero"`
	Network     IdPNetwork        `json:"network,omitzero"`
	OIDC        IdPOIDC           `json:"oidc,omitzero"`
	SAML        IdPSAML           `json:"saml,omitzero"`
	Domains     []string          `json:"domains,omitempty"`
	Assertions  AssertionTrust    `json:"assertions,omitzero"`
	Subject     SubjectMatching   `json:"subject,omitzero"`
	Claims      ClaimTranslations `json:"claims,omitzero"`
}

// IdPKeys say where the issuer's keys are: by discovery unless told.
type IdPKeys struct {
	URI      string         `json:"uri,omitempty"`
	Inline   map[string]any `json:"inline,omitempty"` // a JWK set
	NotAfter string         `json:"not_after,omitempty"`
}

// IsZero tells whether nothing is said of keys.
func (k IdPKeys) IsZero() bool { return k.URI == "" && k.Inline == nil && k.NotAfter == "" }

// IdPNetwork is how this one issuer is reached.
type IdPNetwork struct {
	CABundle              string `json:"ca_bundle,omitempty"`
	Proxy                 string `json:"proxy,omitempty"`
	AllowPrivateAddresses bool   `json:"allow_private_addresses,omitempty"`
}

// AssertionTrust bounds what this issuer's assertions can do. Absent lists allow nothing.
type AssertionTrust struct {
	Profiles      []string `json:"profiles,omitempty"`
	Algorithms    []string `json:"algorithms,omitzero"`
	MaxLifetime   Duration `json:"max_lifetime,omitzero"`
	ClockSkew     Duration `json:"clock_skew,omitzero"`
	Clients       []string `json:"clients,omitempty"`
	Resources     []string `json:"resources,omitempty"`
	Scopes        []string `json:"scopes,omitempty"`
	AbsentScope   string   `json:"absent_scope,omitempty"`
	Reuse         string   `json:"reuse,omitempty"`
	ErrorProfile  string   `json:"error_profile,omitempty"`
	Tenants       []string `json:"tenants,omitempty"`
	SAMLEntityIDs []string `json:"saml_entity_ids,omitempty"`
	// Audiences are what tokens of profiles jwt-bearer and workload may be addressed to beside us.
	Audiences []string `json:"audiences,omitempty"`
}

func (a AssertionTrust) lists(p federation.Profile) bool {
	return slices.Contains(a.Profiles, string(p))
}

// otherThanIDJAG tells whether tokens count that were not made for us alone.
func (a AssertionTrust) otherThanIDJAG() bool {
	return a.lists(federation.ProfileJWTBearer) || a.lists(federation.ProfileWorkload)
}

// SubjectMatching says how an assertion's subject is found among the users.
type SubjectMatching struct {
	Match        []string `json:"match,omitzero"`
	Provision    string   `json:"provision,omitempty"`
	EmailDomains []string `json:"email_domains,omitempty"`
	Guests       string   `json:"guests,omitempty"`
}

// ClaimTranslations name the claims that policies ask about.
type ClaimTranslations struct {
	Groups        string            `json:"groups,omitempty"`
	GroupsFrom    []string          `json:"groups_from,omitzero"`
	GroupsOverage string            `json:"groups_overage,omitempty"`
	GroupAliases  map[string]string `json:"group_aliases,omitempty"`
}

// HasInlineKeys tells whether a key set is written into the object; `{keys: []}` is none.
func (k IdPKeys) HasInlineKeys() bool { return hasKeys(k.Inline) }

func hasKeys(set map[string]any) bool {
	keys, isList := set["keys"].([]any)
	return len(set) > 0 && (!isList || len(keys) > 0)
}
