package provider

import (
	"net/http"
	"time"
)

// Bounds of one request.
const (
	DefaultTimeout = 10 * time.Second
	maxAnswer      = 256 << 10
	maxToken       = 16 << 10
	maxKept        = 2 << 10
)

// Settings are what a company adds to a manifest.
type Settings struct {
	ClientID     string
	ClientSecret Secret
	PrivateKey   Secret // PEM: for private_key_jwt, jwt_bearer and installations
	KeyID        string // of the private key at the provider; may be empty
	AppID        string // who signs an installation's JWT; absent: ClientID
	RedirectURL  string
	Config       map[string]string // connection_config
	Transport    http.RoundTripper // the one outbound door; its bounds of time and size must not be below ours
	// Unsent tells of an error of Transport that nothing left the machine. Nil: never known from the error alone.
	Unsent  func(error) bool
	Timeout time.Duration // 0: DefaultTimeout
	Now     func() time.Time
}

// Provider is one service as one company uses it. It is safe for concurrent use and holds no credential of a person.
type Provider struct {
	manifest Manifest
	settings Settings
	config   map[string]string
	key      *signer // nil without a private key
}

// New puts a manifest and settings together, and refuses what could not work.
func New(m Manifest, s Settings) (*Provider, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if s.Transport == nil || s.Now == nil {
		return nil, invalid("a transport and a clock are required")
	}
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	p := &Provider{manifest: m, settings: s}
	var err error
	if p.config, err = configured(m, s.Config); err != nil {
		return nil, err
	}
	if err := p.checkSettings(); err != nil {
		return nil, err
	}
	if !s.PrivateKey.IsZero() {
		if p.key, err = newSigner(s.PrivateKey, p.algorithm()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Manifest returns what the provider was made of.
func (p *Provider) Manifest() Manifest { return p.manifest }

func (p *Provider) now() time.Time { return p.settings.Now() }

func configured(m Manifest, given map[string]string) (map[string]string, error) {
	values := map[string]string{}
	for name, rule := range m.ConnectionConfig {
		value, ok := given[name]
		if !ok {
			value = rule.Default
		}
		pattern, err := whole(rule.Pattern)
		if err != nil || !pattern.MatchString(value) {
			return nil, invalid("connection_config.%s: the value does not match %s", name, rule.Pattern)
		}
		values[name] = value
	}
	for name := range given {
		if _, ok := m.ConnectionConfig[name]; !ok {
			return nil, invalid("connection_config: %q is not known", name)
		}
	}
	return values, nil
}

// checkSettings refuses to start where a proof of ours would be empty.
func (p *Provider) checkSettings() error {
	m, s := p.manifest, p.settings
	if m.Kind == Static {
		return nil
	}
	for _, raw := range []string{m.AuthorizationURL, m.TokenURL, m.RefreshURL} {
		if _, err := expand(raw, p.config); err != nil {
			return err
		}
	}
	switch {
	case s.ClientID == "" && m.Kind != JWTBearer:
		return invalid("a client_id is required")
	case s.ClientSecret.IsZero() && m.Kind != JWTBearer && (m.TokenRequestAuthMethod == AuthBasic || m.TokenRequestAuthMethod == AuthPost):
		return invalid("a client secret is required with %s", m.TokenRequestAuthMethod)
	case s.PrivateKey.IsZero() && (m.Kind == JWTBearer || m.TokenRequestAuthMethod == AuthKey):
		return invalid("a private key is required")
	case s.RedirectURL == "" && m.Kind == OAuth2:
		return invalid("a redirect URL is required")
	case m.TokenRequestAuthMethod == AuthNone && m.Kind == OAuth2 && m.DisablePKCE:
		return invalid("a client without a secret needs PKCE")
	}
	return nil
}

func (p *Provider) algorithm() string {
	if p.manifest.Assertion != nil {
		return p.manifest.Assertion.Algorithm
	}
	return "RS256"
}
