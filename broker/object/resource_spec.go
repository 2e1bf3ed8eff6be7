package object

import "time"

// ResourceSpec is a protected resource, such as an MCP server.
type ResourceSpec struct {
	Disabled      bool             `json:"disabled,omitempty"`
	URI           string           `json:"uri,omitempty"`
	Scopes        map[string]Scope `json:"scopes,omitempty"`
	DefaultScopes []string         `json:"default_scopes,omitempty"`
	Server        ResourceServer   `json:"server,omitzero"`
	Token         ResourceToken    `json:"token,omitzero"`
}

// Scope is one scope of a resource.
type Scope struct {
	Risk        string   `json:"risk,omitempty"`
	Description string   `json:"description,omitempty"`
	Implies     []string `json:"implies,omitempty"`
}

// ResourceServer is the resource as a client of ours.
type ResourceServer struct {
	Client string `json:"client,omitempty"` // who may introspect its tokens
}

// ResourceToken is what tokens for the resource look like.
type ResourceToken struct {
	Lifetime  Duration `json:"lifetime,omitzero"`
	DPoP      string   `json:"dpop,omitempty"`
	Algorithm string   `json:"algorithm,omitempty"`
	Claims    []string `json:"claims,omitempty"`
}

// What a resource's tokens can be.
const (
	DefaultTokenLifetime = 10 * time.Minute
	MinTokenLifetime     = 30 * time.Second
	MaxTokenLifetime     = 24 * time.Hour

	DefaultTokenAlgorithm = "ES256"
)

// WithDefaults returns a copy in which what is absent says what it means.
func (s *ResourceSpec) WithDefaults() *ResourceSpec {
	filled := *s
	filled.Token.Lifetime = Duration(s.Token.Lifetime.Or(DefaultTokenLifetime))
	filled.Token.DPoP = or(s.Token.DPoP, DPoPOptional)
	filled.Token.Algorithm = or(s.Token.Algorithm, DefaultTokenAlgorithm)
	return &filled
}
