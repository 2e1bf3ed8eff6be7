package object

// ProviderSpec is a downstream service whose credentials are lent: what a company adds to a manifest.
type ProviderSpec struct {
	Disabled     bool                `json:"disabled,omitempty"`
	DisplayName  string              `json:"display_name,omitempty"`
	Manifest     string              `json:"manifest,omitempty"` // the name of an embedded one
	ClientID     string              `json:"client_id,omitempty"`
	ClientSecret SecretRef           `json:"client_secret,omitzero"`
	ScopeMap     map[string][]string `json:"scope_map,omitzero"`
	Allow        ProviderAllow       `json:"allow,omitzero"`
}

// ProviderAllow says for which clients, at which resources, a provider's credentials are lent. Absent: for none.
type ProviderAllow struct {
	Clients   []string `json:"clients,omitzero"`
	Resources []string `json:"resources,omitzero"`
}
