package snapshot

import (
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Provider is a downstream service as the tenant configured it. Who may be lent what is said here and nowhere else: an
// absent list is empty, and an empty one lets nobody in.
type Provider struct {
	UID      string
	Name     string
	Revision int64 // of the object: what is made of it is made anew when it moves
	Disabled bool
	// Unusable says why the manifest cannot be used: it is disabled then, whatever the object says. For administrators.
	Unusable  string
	ManagedBy string // whose references to secrets are resolved
	Title     string // for people
	Manifest  provider.Manifest
	// ScopeMap leads from the keys that clients ask for to the provider's scopes.
	ScopeMap map[string][]string
	// DefaultScopes are the keys of a request that names none. Absent: such a request is for nothing.
	DefaultScopes []string
	// Clients are the names of the clients for whom it is lent, Resources those of the resources at which.
	Clients   []string
	Resources []string
	// MinTTL is how long what is lent lives at least.
	MinTTL time.Duration
	// RequireNarrowed: what cannot be narrowed to what was granted is not lent.
	RequireNarrowed bool
	// Object is what the tenant applied; the secrets in it are references still.
	Object *object.ProviderSpec
}

// Keys are the scopes that clients may ask for, sorted.
func (p *Provider) Keys() []string {
	keys := make([]string, 0, len(p.ScopeMap))
	for k := range p.ScopeMap {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Provider finds a downstream service by its name, disabled or not.
func (t *Tenant) Provider(name string) (*Provider, bool) {
	p, ok := t.providersByName[name]
	return p, ok
}

// ProviderByUID finds a downstream service by its uid, disabled or not.
func (t *Tenant) ProviderByUID(uid string) (*Provider, bool) {
	p, ok := t.providers[uid]
	return p, ok
}

// Providers lists the downstream services that are not disabled, by name.
func (t *Tenant) Providers() []*Provider {
	var all []*Provider
	for _, p := range t.providers {
		if !p.Disabled {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *Provider) int { return strings.Compare(a.Name, b.Name) })
	return all
}
