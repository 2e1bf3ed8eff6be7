package provider

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// Kind is how a credential comes to be.
type Kind string

// The kinds. With OAuth2 a person connects an account; the others need none.
const (
	OAuth2            Kind = "oauth2"             // RFC 6749 §4.1, with PKCE (RFC 7636)
	ClientCredentials Kind = "client_credentials" // RFC 6749 §4.4
	JWTBearer         Kind = "jwt_bearer"         // RFC 7523 §2.1, signed with a key of ours
	TokenExchange     Kind = "token_exchange"     // RFC 8693
	Static            Kind = "static"             // entered by hand: API key, personal access token, basic
)

// Rotation is what becomes of a refresh token that was used.
type Rotation string

// The rotations.
const (
	RotationNone   Rotation = "none"         // it stays good
	SingleUse      Rotation = "single_use"   // it is dead at once
	RotationWindow Rotation = "reuse_window" // it is good for a moment longer, so that a lost answer can be asked for again
)

// ExpirySource is where the end of an access token is written.
type ExpirySource string

// The sources.
const (
	ExpiresIn   ExpirySource = "expires_in"    // seconds from the answer
	IssuedAtTTL ExpirySource = "issued_at+ttl" // milliseconds or seconds of its beginning, and expiry.default
	JWTExp      ExpirySource = "jwt_exp"       // the token is a JWT: its exp, unverified
	ExpiresAt   ExpirySource = "expires_at"    // RFC 3339
	NoExpiry    ExpirySource = "none"          // it ends when somebody ends it
)

// AuthMethod is how we prove at the token endpoint who we are.
type AuthMethod string

// The methods.
const (
	AuthBasic  AuthMethod = "client_secret_basic"
	AuthPost   AuthMethod = "client_secret_post"
	AuthKey    AuthMethod = "private_key_jwt" // RFC 7523 §2.2
	AuthNone   AuthMethod = "none"            // a public client
	AuthBearer AuthMethod = "bearer"          // revocation only: the access token itself
)

// Manifest is what is particular to one provider. See docs/providers.md for every key.
type Manifest struct {
	Name          string   `yaml:"name"`
	Extends       string   `yaml:"extends"` // another manifest, whose keys these replace
	DisplayName   string   `yaml:"display_name"`
	Kind          Kind     `yaml:"kind"`
	Documentation []string `yaml:"documentation"` // where the facts are from
	Reviewed      string   `yaml:"reviewed"`      // the day on which they were compared, YYYY-MM-DD

	AuthorizationURL string `yaml:"authorization_url"`
	TokenURL         string `yaml:"token_url"`
	RefreshURL       string `yaml:"refresh_url"` // absent: token_url
	Issuer           string `yaml:"issuer"`      // RFC 9207: an iss in the answer must be this

	ScopeSeparator      string            `yaml:"scope_separator"`
	ScopeParameter      string            `yaml:"scope_parameter"`
	Scopes              ScopeRules        `yaml:"scopes"`
	AuthorizationParams map[string]string `yaml:"authorization_params"`
	TokenParams         map[string]string `yaml:"token_params"`
	RefreshParams       map[string]string `yaml:"refresh_params"`
	Headers             map[string]string `yaml:"headers"` // of every request to the provider

	TokenRequestAuthMethod AuthMethod `yaml:"token_request_auth_method"`
	BodyFormat             string     `yaml:"body_format"` // form or json
	Accept                 string     `yaml:"accept"`
	DisablePKCE            bool       `yaml:"disable_pkce"` // for those who refuse parameters that they do not know

	ConnectionConfig map[string]ConfigRule `yaml:"connection_config"` // what stands for {name} in URLs
	Present          Presentation          `yaml:"present"`
	Tokens           Tokens                `yaml:"tokens"`
	Refresh          RefreshRules          `yaml:"refresh"`
	Expiry           ExpiryRules           `yaml:"expiry"`
	Errors           ErrorRules            `yaml:"errors"`
	Revoke           *RevokeRules          `yaml:"revoke"`    // absent: the provider cannot
	Downscope        *DownscopeRules       `yaml:"downscope"` // absent: the provider cannot
	Probe            *ProbeRules           `yaml:"probe"`
	Sites            *ProbeRules           `yaml:"sites"`
	Assertion        *AssertionRules       `yaml:"assertion"`
	Installation     *InstallationRules    `yaml:"installation"`
}

// ScopeRules are a provider's habits with scopes.
type ScopeRules struct {
	Always   []string          `yaml:"always"`   // asked for each time
	Unlisted []string          `yaml:"unlisted"` // granted, but never named in an answer
	Aliases  map[string]string `yaml:"aliases"`  // asked under one name, granted under another
}

// ConfigRule bounds one value that a company or a person gives.
type ConfigRule struct {
	Pattern string `yaml:"pattern"` // of the whole value
	Title   string `yaml:"title"`
	Default string `yaml:"default"`
}

// Presentation is how an access token is shown to the provider's API.
type Presentation struct {
	Header string `yaml:"header"` // absent: Authorization
	Scheme string `yaml:"scheme"` // absent: Bearer; "none" for the bare value
}

// Tokens says where an answer holds what. Paths are names joined by dots.
type Tokens struct {
	Paths        TokenPaths        `yaml:"paths"`
	RefreshPaths *TokenPaths       `yaml:"refresh_paths"` // in an answer to a refresh; absent: the same
	Types        []string          `yaml:"types"`         // token_type that we can present; absent: bearer, or none named
	Keep         map[string]string `yaml:"keep"`          // kept beside the credential and given with it: name → path
}

// TokenPaths are the places. Absent means the name in RFC 6749 §5.1.
type TokenPaths struct {
	AccessToken      string `yaml:"access_token"`
	RefreshToken     string `yaml:"refresh_token"`
	TokenType        string `yaml:"token_type"`
	Scope            string `yaml:"scope"`
	ExpiresIn        string `yaml:"expires_in"`
	ExpiresAt        string `yaml:"expires_at"`
	IssuedAt         string `yaml:"issued_at"`
	RefreshExpiresIn string `yaml:"refresh_expires_in"`
}

// RefreshRules are about refresh tokens. An answer without a successor leaves the old one (RFC 6749 §6): rotation that a
// company can turn on is written as single_use.
type RefreshRules struct {
	Rotation    Rotation `yaml:"rotation"`
	ReuseWindow Duration `yaml:"reuse_window"`
}

// ExpiryRules are about the end of access tokens.
type ExpiryRules struct {
	Source  ExpirySource `yaml:"source"`
	Default Duration     `yaml:"default"` // when an answer does not say
}

// ErrorRules tell refusals apart. The lists go before those of RFC 6749.
type ErrorRules struct {
	In200         *Condition `yaml:"in_200"` // a refusal with status 200
	Paths         []string   `yaml:"paths"`  // where codes are, the most telling first; absent: error
	Claims        string     `yaml:"claims"` // where a challenge is that the person must be sent back with
	Terminal      []string   `yaml:"terminal"`
	Transient     []string   `yaml:"transient"`
	Misconfigured []string   `yaml:"misconfigured"`
	RateLimited   []string   `yaml:"rate_limited"`
	// Ambiguous codes mean a dead token or a wrong client secret: a second request, without the token, tells.
	Ambiguous []string `yaml:"ambiguous"`
}

// Condition holds when there is something at the path, or what Equals says.
type Condition struct {
	Path   string `yaml:"path"`
	Equals string `yaml:"equals"`
}

// RevokeRules are how a credential is ended. RFC 7009 where nothing else is said.
type RevokeRules struct {
	URL       string            `yaml:"url"`
	Method    string            `yaml:"method"`    // POST or DELETE
	Token     string            `yaml:"token"`     // refresh (or access where there is none) or access
	Format    string            `yaml:"format"`    // form, json, path ({token} in the URL) or empty: no body
	Parameter string            `yaml:"parameter"` // absent: token
	Auth      AuthMethod        `yaml:"auth"`
	Params    map[string]string `yaml:"params"`
}

// DownscopeRules are how a token with less is had.
type DownscopeRules struct {
	Method string `yaml:"method"` // refresh, token_exchange or google_access_boundary
	URL    string `yaml:"url"`    // absent: token_url
}

// ProbeRules are how the account, or the sites, behind a token are found.
type ProbeRules struct {
	InToken bool     `yaml:"in_token"` // the answer with the token says it
	URL     string   `yaml:"url"`
	Body    string   `yaml:"body"`  // JSON, then it is a POST
	ID      string   `yaml:"id"`    // path
	Label   []string `yaml:"label"` // paths, the first that holds something
}

// AssertionRules are what a JWT of ours says.
type AssertionRules struct {
	Audience  string            `yaml:"audience"`  // absent: token_url
	Algorithm string            `yaml:"algorithm"` // RS256 or ES256
	Lifetime  Duration          `yaml:"lifetime"`
	ScopeIn   string            `yaml:"scope_in"` // claim (Google) or parameter
	Claims    map[string]string `yaml:"claims"`
}

// InstallationRules are for tokens of an app that somebody installed (GitHub).
type InstallationRules struct {
	URL       string `yaml:"url"` // with {installation_id}
	RevokeURL string `yaml:"revoke_url"`
}

// Duration is written as Go writes it: 10m, 12h.
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := time.ParseDuration(node.Value)
	if err != nil || parsed < 0 || parsed > longest {
		return fmt.Errorf("line %d: %q is no duration like 30s, 10m or 8h", node.Line, node.Value)
	}
	*d = Duration(parsed)
	return nil
}
