package snapshot

import (
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/policy"
)

// Own are the tenant's own policies in force, by name; those that tenant default lays on it are not among them.
func (t *Tenant) Own() []policy.Ref {
	refs := make([]policy.Ref, 0, len(t.compiled))
	for _, c := range t.compiled {
		refs = append(refs, c.Ref())
	}
	slices.SortFunc(refs, func(a, b policy.Ref) int { return strings.Compare(a.Name+a.UID, b.Name+b.UID) })
	return refs
}

// Beside is the tenant's set of policies as it would be with others: those with the uid of one in force stand in its place, a
// uid that is gone leaves. Nothing of the picture changes.
func (t *Tenant) Beside(drafts []*policy.Compiled, gone []string) (*policy.Set, error) {
	own := slices.Clone(drafts)
	for _, c := range t.compiled {
		uid := c.Ref().UID
		replaced := slices.ContainsFunc(drafts, func(d *policy.Compiled) bool { return d.Ref().UID == uid })
		if !replaced && !slices.Contains(gone, uid) {
			own = append(own, c)
		}
	}
	return policy.NewSet(own, t.bound)
}

// Held are the pictures that this replica has at this moment.
func (s *Source) Held() []*Tenant {
	var held []*Tenant
	s.byUID.Range(func(_, found any) bool {
		if e, ok := found.(*entry); ok {
			if t := e.picture.Load(); t != nil {
				held = append(held, t)
			}
		}
		return true
	})
	return held
}
