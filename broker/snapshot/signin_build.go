package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// tryAgain is when a picture is built anew in which an IdP lacks something that comes from elsewhere than objects.
const tryAgain = time.Minute

// entrance is an IdentityProvider object with its entry in the registry.
type entrance struct {
	stored object.Stored
	spec   *object.IdentityProviderSpec // as stored
	filled *object.IdentityProviderSpec // with its defaults
	idp    *federation.IdentityProvider
}

// fillSignIn makes the way in of people. An IdP that cannot be used, for whatever reason, is told and left out: it takes
// nobody in, and the tenant stands. Only what the database does not answer fails the picture, as for any other row.
func (s *Source) fillSignIn(ctx context.Context, t *Tenant, entrances []entrance, before *Tenant) error {
	d := &t.SignIn
	d.OpenID, d.ServiceProviders = map[string]*oidc.Entry{}, map[string]saml.ServiceProvider{}
	d.Unusable = map[string]string{}
	d.NameIDFormats, d.Titles, d.Domains = map[string]string{}, map[string]string{}, map[string]string{}
	t.documents = map[string]document{}
	var providers []*saml.Provider
	open := map[string]bool{}
	keys := s.spKeys(ctx, t, entrances)
	for i := range entrances {
		e := &entrances[i]
		d.Titles[e.idp.UID] = cmp.Or(e.spec.DisplayName, e.stored.Name)
		switch {
		case e.spec.OIDC.IsSet() && e.spec.SAML.IsSet(): // refused at apply
			s.unusable(t, e, errBoth)
		case e.spec.OIDC.IsSet():
			entry, err := s.openID(t, e)
			if err != nil {
				s.unusable(t, e, err)
				continue
			}
			d.OpenID[e.idp.UID] = entry
			open[e.idp.UID] = true
		case e.spec.SAML.IsSet():
			p, err := s.samlProvider(ctx, t, e, keys, before)
			if err != nil {
				return fmt.Errorf("metadata of identity provider %s: %w", e.stored.Name, err)
			}
			if p != nil {
				providers = append(providers, p)
			}
		}
	}
	providers = s.distinct(t, providers)
	for _, p := range providers {
		open[p.IdP.UID] = len(p.SignOn) > 0
	}
	if len(providers) > 0 {
		var err error
		if d.SAML, err = saml.NewRegistry(providers); err != nil { // each was validated, and no two have one name
			return err
		}
	}
	for i := range entrances {
		if e := &entrances[i]; open[e.idp.UID] && !e.idp.Disabled {
			d.IdPs = append(d.IdPs, e.idp)
		}
	}
	slices.SortFunc(d.IdPs, func(a, b *federation.IdentityProvider) int { return cmp.Compare(a.Name, b.Name) })
	s.fillDomains(t, entrances)
	return nil
}

// unusable tells why people cannot sign in at an IdP. What is said holds no secret: errors name places.
func (s *Source) unusable(t *Tenant, e *entrance, err error) {
	t.SignIn.Unusable[e.idp.UID] = err.Error()
	s.config.Log.Warn("people cannot sign in at an identity provider", "tenant", t.Name, "idp", e.stored.Name, "error", err)
}

// comesLater is unusable for what may be there without an object having changed.
func (s *Source) comesLater(t *Tenant, e *entrance, err error) {
	s.unusable(t, e, err)
	t.lookAgain(s.config.Now().Add(tryAgain))
}

// lookAgain has the picture built anew at a time, or before.
func (t *Tenant) lookAgain(at time.Time) {
	if t.again.IsZero() || at.Before(t.again) {
		t.again = at
	}
}

// fillDomains: a domain leads to one IdP at which people can sign in now, or nowhere.
func (s *Source) fillDomains(t *Tenant, entrances []entrance) {
	holders := map[string][]string{}
	for i := range entrances {
		for _, domain := range entrances[i].spec.Domains {
			holders[domain] = append(holders[domain], entrances[i].idp.UID)
		}
	}
	usable := map[string]bool{}
	for _, idp := range t.SignIn.IdPs {
		usable[idp.UID] = true
	}
	for _, domain := range slices.Sorted(maps.Keys(holders)) {
		switch uids := holders[domain]; {
		case len(uids) > 1: // refused at apply
			s.config.Log.Warn("a domain that several identity providers list leads to none of them", "tenant", t.Name, "domain", domain)
		case usable[uids[0]]:
			t.SignIn.Domains[domain] = uids[0]
		}
	}
}

// describe is what the tenant itself says of the way in.
func (s *Source) describeSignIn(t *Tenant, spec *object.TenantSpec) {
	d := &t.SignIn
	d.Idle, d.Absolute = time.Duration(spec.Sessions.Idle), time.Duration(spec.Sessions.Absolute)
	d.Passkeys = spec.Passkeys == object.PasskeysAllowed
	d.Branding = Branding{Name: spec.DisplayName, Logo: spec.Branding.Logo.Data, Colour: spec.Branding.Colour}
	if file := spec.Branding.Logo.File; file != "" {
		logo, err := s.logo(file)
		if err != nil {
			s.config.Log.Warn("a tenant's logo cannot be shown", "tenant", t.Name, "file", file, "error", err)
			return
		}
		d.Branding.Logo = logo
	}
}

func (s *Source) logo(file string) ([]byte, error) {
	if s.config.ReadFile == nil {
		return nil, errNoFiles
	}
	logo, err := s.config.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if wrong := object.LogoProblem(logo); wrong != "" {
		return nil, fmt.Errorf("%w %s", errLogo, wrong)
	}
	return logo, nil
}
