package snapshot

import (
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation"
)

// Draft returns the picture as it would be with an IdentityProvider that nobody
// has applied, in the place of the one with its name if there is one, and the entry
// itself. Nothing else sees the draft. The error wraps federation.ErrIssuerTaken
// where another entry has its issuer; the entry is returned nevertheless.
func (t *Tenant) Draft(draft object.Stored) (*Tenant, federation.IdentityProvider, error) {
	if present, found := t.Registry.Named(draft.Name); found {
		draft.UID = present.UID // whom users' identities are linked to
	}
	entry, err := identityProvider(draft)
	if err != nil {
		return nil, federation.IdentityProvider{}, err
	}
	entries := []federation.IdentityProvider{entry}
	for _, other := range t.Registry.All() {
		if other.Name != entry.Name {
			entries = append(entries, *other)
		}
	}
	registry, err := federation.NewRegistry(entries)
	if err != nil {
		return nil, entry, err
	}
	drafted := *t
	drafted.Registry = registry
	return &drafted, entry, nil
}
