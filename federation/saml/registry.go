package saml

import (
	"fmt"
	"slices"
)

// Registry is the immutable list of a tenant's SAML providers, found by exact
// entity ID before anything that a message says of itself is believed.
type Registry struct {
	byEntity map[string]*Provider
	ordered  []*Provider
}

// NewRegistry makes a registry. It refuses a list in which an entity ID would be
// ambiguous or a check would be empty.
func NewRegistry(providers []*Provider) (*Registry, error) {
	r := &Registry{byEntity: make(map[string]*Provider, len(providers)), ordered: slices.Clone(providers)}
	for _, p := range providers {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if _, taken := r.byEntity[p.EntityID]; taken {
			return nil, fmt.Errorf("%w: two entries have the entity id %q", ErrIncomplete, p.EntityID)
		}
		r.byEntity[p.EntityID] = p
	}
	return r, nil
}

// Lookup finds the provider of an entity ID, disabled ones too.
func (r *Registry) Lookup(entityID string) (*Provider, bool) {
	p, found := r.byEntity[entityID]
	return p, found
}

// All returns every provider in the order given.
func (r *Registry) All() []*Provider { return slices.Clone(r.ordered) }
