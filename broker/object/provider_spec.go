package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/chancery-dev/chancery/vault/provider"
)

// ProviderSpec is a downstream service whose credentials are lent: what a company adds to a manifest.
type ProviderSpec struct {
	Disabled    bool   `json:"disabled,omitempty"`
	DisplayName string `json:"display_name,omitempty"` // what people call it, on the page where they connect
	Manifest    string `json:"manifest,omitempty"`     // the name of one that comes with the product
	// OwnManifest is a company's own, alone or over one of those (`extends`).
	OwnManifest  map[string]any `json:"own_manifest,omitempty"`
	ClientID     string         `json:"client_id,omitempty"`
	ClientSecret SecretRef      `json:"client_secret,omitzero"`
	PrivateKey   SecretRef      `json:"private_key,omitzero"` // PEM
	KeyID        string         `json:"key_id,omitempty"`     // of the private key at the provider
	AppID        string         `json:"app_id,omitempty"`     // who signs for an installation; client_id unless told
	// InstallationID is of the app: what is lent is the installation's, nobody connects.
	InstallationID   string            `json:"installation_id,omitempty"`
	ActAs            string            `json:"act_as,omitempty"` // whom a service account speaks for: itself unless told
	ConnectionConfig map[string]string `json:"connection_config,omitempty"`
	// ScopeMap leads from what clients ask for to the provider's scopes.
	ScopeMap        map[string][]string `json:"scope_map,omitzero"`
	DefaultScopes   []string            `json:"default_scopes,omitempty"`
	Allow           ProviderAllow       `json:"allow,omitzero"`
	Accounts        ProviderAccounts    `json:"accounts,omitzero"`
	MinTTL          Duration            `json:"min_ttl,omitzero"`
	RequireNarrowed bool                `json:"require_narrowed,omitempty"`
	Network         IdPNetwork          `json:"network,omitzero"`
}

// ProviderAllow says for which clients, at which resources, a provider's credentials are lent. Absent: for none.
type ProviderAllow struct {
	Clients   []string `json:"clients,omitempty"`
	Resources []string `json:"resources,omitempty"`
}

// ProviderAccounts bound which accounts a person may connect.
type ProviderAccounts struct {
	// EmailDomains are those that an account's label, an address then, may have. Absent: every account.
	EmailDomains []string `json:"email_domains,omitempty"`
}

// The values of act_as.
const (
	ActAsItself = "itself"
	ActAsEmail  = "email" // the address of the token's person (domain-wide delegation)
)

var errNoManifest = errors.New("names no manifest")

// catalogue is the manifests that come with the product; nobody changes it.
var catalogue = sync.OnceValues(func() (*provider.Catalogue, error) { return provider.NewCatalogue() })

// Manifests lists the manifests that come with the product.
func Manifests() []string {
	known, err := catalogue()
	if err != nil {
		return nil // the embedded ones are read by a test
	}
	return known.Names()
}

// ReadManifest is what the spec says of the service, complete. name is what an own manifest without a name is called.
func (s *ProviderSpec) ReadManifest(name string) (provider.Manifest, error) {
	known, err := catalogue()
	if err != nil {
		return provider.Manifest{}, err
	}
	if s.Manifest != "" {
		return known.Manifest(s.Manifest)
	}
	if len(s.OwnManifest) == 0 {
		return provider.Manifest{}, errNoManifest
	}
	own := maps.Clone(s.OwnManifest)
	if _, named := own["name"]; !named {
		own["name"] = name
	}
	var text bytes.Buffer // JSON is read as the YAML that it is
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(own); err != nil {
		return provider.Manifest{}, fmt.Errorf("own_manifest: %w", err)
	}
	return known.Decode(text.Bytes())
}

// ScopeKeys are what clients may ask for, sorted.
func (s *ProviderSpec) ScopeKeys() []string { return slices.Sorted(maps.Keys(s.ScopeMap)) }

// Keys implements Spec: a provider is found by its name.
func (s *ProviderSpec) Keys() []Key { return nil }
