package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/vault/provider"
)

// leastLife is how long what is lent lives at least, where a provider says nothing.
const leastLife = time.Minute

// fillProviders reads the downstream services. One whose manifest this binary cannot read is told and kept as disabled:
// it lends nothing, what was connected there is still listed, and its tenant stands. before is the picture that this one
// replaces, or nil.
func (s *Source) fillProviders(ctx context.Context, t, before *Tenant) error {
	t.providers, t.providersByName = map[string]*Provider{}, map[string]*Provider{}
	return s.each(ctx, t.UID, object.KindProvider, func(stored object.Stored) error {
		p, known := before.sameProvider(stored)
		if !known {
			var err error
			if p, err = newProvider(stored); err != nil {
				return err
			}
			if p.Unusable != "" {
				s.config.Log.Warn("a provider lends nothing", "tenant", t.Name, "provider", p.Name, "error", p.Unusable)
			}
		}
		t.providers[p.UID], t.providersByName[p.Name] = p, p
		return nil
	})
}

// sameProvider is one that has not changed since.
func (t *Tenant) sameProvider(stored object.Stored) (*Provider, bool) {
	if t == nil {
		return nil, false
	}
	p, ok := t.providers[stored.UID]
	return p, ok && p.Revision == stored.Revision && p.Name == stored.Name
}

// newProvider is a Provider object with its manifest.
func newProvider(stored object.Stored) (*Provider, error) {
	spec, err := specOf[*object.ProviderSpec](stored)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		UID: stored.UID, Name: stored.Name, Revision: stored.Revision, ManagedBy: stored.ManagedBy, Disabled: spec.Disabled, Title: spec.DisplayName,
		ScopeMap: spec.ScopeMap, DefaultScopes: spec.DefaultScopes, Clients: spec.Allow.Clients, Resources: spec.Allow.Resources,
		MinTTL: spec.MinTTL.Or(leastLife), RequireNarrowed: spec.RequireNarrowed, Object: spec,
	}
	if p.Manifest, err = spec.ReadManifest(stored.Name); err != nil {
		p.Disabled, p.Unusable = true, err.Error()
	}
	if p.Title == "" {
		p.Title = p.Manifest.DisplayName
	}
	if p.Title == "" {
		p.Title = stored.Name
	}
	return p, nil
}

// Lends tells whether credentials are lent for a client at a resource, by their names.
func (p *Provider) Lends(client, resource string) bool {
	return !p.Disabled && client != "" && resource != "" && slices.Contains(p.Clients, client) && slices.Contains(p.Resources, resource)
}

// OfPeople tells whether what is lent is what somebody connected or entered; else it is the company's own at the provider.
func (p *Provider) OfPeople() bool {
	switch p.Manifest.Kind {
	case provider.OAuth2:
		return p.Object == nil || p.Object.InstallationID == ""
	case provider.Static:
		return true
	case provider.ClientCredentials, provider.JWTBearer, provider.TokenExchange:
		return false
	}
	return true // what is not known needs a connection
}

// Takes tells whether an account may be connected here. Where domains are named, its label must be an address in one, by the
// word of the provider: not one that a person typed, unless an administrator vouches for it.
func (p *Provider) Takes(account provider.Account, vouched bool) bool {
	if p.Object == nil { // what lists nothing lets nobody in
		return false
	}
	domains := p.Object.Accounts.EmailDomains
	if len(domains) == 0 {
		return true
	}
	if !vouched && (p.Manifest.Probe == nil || account.Otherwise) {
		return false
	}
	at := strings.LastIndexByte(account.Label, '@')
	return at > 0 && slices.Contains(domains, strings.ToLower(account.Label[at+1:]))
}

// Needed are the provider's scopes behind keys, sorted; an unknown key is an error.
func (p *Provider) Needed(keys []string) ([]string, error) {
	var scopes []string
	for _, key := range keys {
		behind, ok := p.ScopeMap[key]
		if !ok {
			return nil, fmt.Errorf("%q is no key of the provider's scope_map", key)
		}
		scopes = append(scopes, behind...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}

// Covered are the keys that a connection with these scopes of the provider covers, sorted. A key that leads to no scope
// is covered by every connection.
func (p *Provider) Covered(scopes []string) []string {
	return slices.DeleteFunc(p.Keys(), func(key string) bool {
		return slices.ContainsFunc(p.ScopeMap[key], func(needed string) bool { return !slices.Contains(scopes, needed) })
	})
}
