package provider

import (
	"maps"
	"slices"
)

// Needs is what a company must add to a manifest before it can be used.
type Needs struct {
	ClientID     bool
	ClientSecret bool
	PrivateKey   bool
	Redirect     bool // people are sent to it, and come back
}

// Needs says what New would refuse to be without.
func (m Manifest) Needs() Needs {
	if m.Kind == Static {
		return Needs{}
	}
	secret := m.TokenRequestAuthMethod == AuthBasic || m.TokenRequestAuthMethod == AuthPost
	return Needs{
		ClientID: m.Kind != JWTBearer, ClientSecret: secret && m.Kind != JWTBearer,
		PrivateKey: m.Kind == JWTBearer || m.TokenRequestAuthMethod == AuthKey, Redirect: m.Kind == OAuth2,
	}
}

// CheckConfig says whether connection_config fits, as New will read it.
func (m Manifest) CheckConfig(given map[string]string) error {
	for name := range given {
		if _, ok := m.ConnectionConfig[name]; ok {
			continue
		}
		if near := nearest(name, slices.Collect(maps.Keys(m.ConnectionConfig))); near != "" {
			return invalid("connection_config: %q is not known; did you mean %q?", name, near)
		}
	}
	values, err := configured(m, given)
	if err != nil {
		return err
	}
	for _, raw := range []string{m.AuthorizationURL, m.TokenURL, m.RefreshURL} {
		if _, err := expand(raw, values); err != nil {
			return err
		}
	}
	return nil
}
