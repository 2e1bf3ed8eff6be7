package object

// ClientSpec is an OAuth client: an agent, an MCP host, a program.
type ClientSpec struct {
	ClientID                           string            `json:"client_id,omitempty"`
	DisplayName                        string            `json:"display_name,omitempty"`
	Owner                              string            `json:"owner,omitempty"`
	Type                               string            `json:"type,omitempty"`
	Disabled                           bool              `json:"disabled,omitempty"`
	ExpiresAt                          string            `json:"expires_at,omitempty"`
	Auth                               ClientAuth        `json:"auth,omitzero"`
	RedirectURIs                       []string          `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs             []string          `json:"post_logout_redirect_uris,omitempty"`
	RequirePushedAuthorizationRequests bool              `json:"require_pushed_authorization_requests,omitempty"`
	Consent                            string            `json:"consent,omitempty"`
	GrantTypes                         []string          `json:"grant_types,omitempty"`
	Scopes                             []string          `json:"scopes,omitempty"`
	Resources                          []string          `json:"resources,omitempty"`
	DPoP                               string            `json:"dpop,omitempty"`
	Plan                               string            `json:"plan,omitempty"`
	Environment                        string            `json:"environment,omitempty"`
	Exchange                           ClientExchange    `json:"exchange,omitzero"`
	IdPClientIDs                       map[string]string `json:"idp_client_ids,omitempty"` // for people's help only
}

// ClientAuth is how the client authenticates.
type ClientAuth struct {
	Method   string         `json:"method,omitempty"`
	Audience string         `json:"audience,omitempty"`
	JWKSURI  string         `json:"jwks_uri,omitempty"`
	JWKS     map[string]any `json:"jwks,omitempty"`
	Secret   SecretRef      `json:"secret,omitzero"`
}

// ClientExchange bounds delegation.
type ClientExchange struct {
	SubjectClients []string `json:"subject_clients,omitempty"`
	MaxDepth       *int     `json:"max_depth,omitempty"`
}

// ReachedByRules tells whether the client was made for Workloads to lead to. One that has a credential of its own was not:
// whoever lets a rule lead to it gives it another way in.
func (s *ClientSpec) ReachedByRules() bool { return s.Auth.Method == AuthWorkload }

// The values of a client's members.
const (
	TypeConfidential = "confidential"
	TypePublic       = "public"

	AuthPrivateKeyJWT = "private_key_jwt"
	AuthSecretBasic   = "client_secret_basic"
	AuthSecretPost    = "client_secret_post"
	AuthTLS           = "tls_client_auth"
	AuthNone          = "none"
	// AuthWorkload is a client that is reached through a Workload only. It has no
	// credential, and can never authenticate by itself.
	AuthWorkload = "workload"

	AudienceIssuer        = "issuer"
	AudienceIssuerOrToken = "issuer_or_token_endpoint" //nolint:gosec // a name of the contract, no credential

	// ConsentExplicit asks each person; ConsentAdmin is the company's word for all of them.
	ConsentExplicit = "explicit"
	ConsentAdmin    = "admin"

	DPoPOptional = "optional"
	DPoPRequired = "required"

	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	GrantSAML2Bearer       = "urn:ietf:params:oauth:grant-type:saml2-bearer"   //nolint:gosec // a registered name, no credential
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // a registered name, no credential
	GrantJWTDPoP           = "urn:ietf:params:oauth:grant-type:jwt-dpop"
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // a registered name, no credential

	// DefaultMaxDepth bounds the actors in a delegation chain.
	DefaultMaxDepth = 4
)

// HasInlineKeys tells whether a key set is written into the object; `{keys: []}` is none.
func (a ClientAuth) HasInlineKeys() bool { return hasKeys(a.JWKS) }

// UsesSecret tells whether the method is a shared secret.
func (a ClientAuth) UsesSecret() bool {
	return a.Method == AuthSecretBasic || a.Method == AuthSecretPost
}

// WithDefaults returns a copy in which what is absent says what it means. The
// method has no default for a confidential client: how a client authenticates is said.
func (s *ClientSpec) WithDefaults() *ClientSpec {
	filled := *s
	filled.Type = or(s.Type, TypeConfidential)
	if filled.Type == TypePublic {
		filled.Auth.Method = or(s.Auth.Method, AuthNone)
	}
	filled.Auth.Audience = or(s.Auth.Audience, AudienceIssuer)
	filled.Consent = or(s.Consent, ConsentExplicit)
	filled.DPoP = or(s.DPoP, DPoPOptional)
	if s.Exchange.MaxDepth == nil {
		depth := DefaultMaxDepth
		filled.Exchange.MaxDepth = &depth
	}
	return &filled
}
