package snapshot

import (
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// Why nobody signs in at an IdP, or a logo is not shown.
var (
	errBoth      = errors.New("the entry has both oidc and saml")
	errReference = errors.New("its secret is a reference, and the object is not among those of the configuration: the reference is not resolved")
	errNoSecrets = errors.New("no secrets are resolved here")
	errNoSigner  = errors.New("no client assertions are signed here")
	errPreset    = errors.New("people do not sign in at this preset")
	errNoFiles   = errors.New("no files are read here")
	errLogo      = errors.New("the picture")
)

// openID is the entry of an IdP at which people sign in by OpenID Connect.
func (s *Source) openID(t *Tenant, e *entrance) (*oidc.Entry, error) {
	known, ok := oidc.PresetNamed(e.filled.Preset, e.filled.Issuer)
	if !ok {
		return nil, errPreset
	}
	o := e.filled.OIDC
	place := t.Issuer + "/federation/oidc/" + e.stored.Name
	entry := &oidc.Entry{
		Provider: e.idp, ClientID: o.ClientID, Authentication: oidc.Authentication(o.AuthMethod),
		Algorithms: o.Algorithms, Scopes: o.Scopes, CallbackURL: place + "/callback", ClockSkew: time.Duration(e.filled.Assertions.ClockSkew),
		Userinfo: o.Userinfo != nil && *o.Userinfo, HostedDomains: o.HostedDomains, OverageEndpoint: o.OverageEndpoint, Dialect: known.Dialect,
	}
	if o.ReturnAfterLogout {
		entry.PostLogoutURL = t.Issuer + "/end_session"
	}
	if err := s.credential(t, e, entry); err != nil {
		return nil, err
	}
	if err := entry.Validate(); err != nil {
		return nil, err
	}
	return entry, nil
}

// credential is by what our client is known at the IdP.
func (s *Source) credential(t *Tenant, e *entrance, entry *oidc.Entry) error {
	if entry.Authentication == oidc.AuthPrivateKey {
		if s.config.AssertionSigners == nil {
			return errNoSigner
		}
		entry.Signer = s.config.AssertionSigners.Signer(t.UID)
		return nil
	}
	ref := e.spec.OIDC.ClientSecret
	// A reference is read on the machine of the server: whoever may write an IdentityProvider, and so name the place where the
	// secret is sent, may not thereby read the server's files and environment.
	if e.stored.ManagedBy != object.ManagerConfig && (s.config.MayRefer == nil || !s.config.MayRefer(ref)) {
		return errReference
	}
	if s.config.ResolveSecret == nil {
		return errNoSecrets
	}
	text, err := s.config.ResolveSecret(ref)
	if err != nil {
		t.lookAgain(s.config.Now().Add(tryAgain)) // it may be there in a while
		return fmt.Errorf("%s: %w", ref, err)
	}
	entry.Secret = oidc.NewSecret(text.Reveal())
	return nil
}
