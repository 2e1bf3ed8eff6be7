package snapshot

import (
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// SignIn is how people come into a tenant.
type SignIn struct {
	// OpenID has the entries of the IdPs at which people sign in by OpenID Connect, by the uid of the IdP. Disabled ones
	// are in it too, so that what they still say can be told from what is unknown; their Provider says so.
	OpenID map[string]*oidc.Entry
	// SAML has the tenant's SAML IdPs; nil for none.
	SAML *saml.Registry
	// IdPs are those at which people may sign in now, by name; none is disabled.
	IdPs []*federation.IdentityProvider
	// ServiceProviders are what SAML IdPs are told of us, by the uid of the IdP: those too whose own metadata is not known yet.
	ServiceProviders map[string]saml.ServiceProvider
	// NameIDFormats are those to ask a SAML IdP for, by its uid; none leaves it to the IdP.
	NameIDFormats map[string]string
	// Unusable says why nobody signs in at an IdP whose entry has oidc or saml, by its uid: for administrators.
	Unusable map[string]string
	// Titles are what people call an IdP, by its uid.
	Titles map[string]string
	// Domains lead to an IdP's uid, canonical and lower case (home realm discovery).
	Domains map[string]string
	// Idle and Absolute are when a session ends by itself.
	Idle, Absolute time.Duration
	// Passkeys tells whether people may enrol one here, as a second proof.
	Passkeys bool
	Branding Branding
}

// Branding is how the tenant's pages look; each part may be absent.
type Branding struct {
	Name   string
	Logo   []byte // a PNG or JPEG
	Colour string // #rrggbb
}
