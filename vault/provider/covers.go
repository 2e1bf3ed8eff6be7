package provider

import (
	"slices"
	"strings"
)

// BoundsItself tells whether a scope is asked for when a credential is narrowed, and not when it is connected: a permission of
// a Google credential access boundary.
func (m Manifest) BoundsItself(scope string) bool {
	return m.Downscope != nil && m.Downscope.Method == "google_access_boundary" && strings.HasPrefix(scope, inRole)
}

// Within tells whether a credential can do no more than some scopes. Of one that names none nothing is known.
func (p *Provider) Within(c Credential, scopes []string) bool {
	if c.Origin != FromInstallation {
		return p.within(c.Scopes, scopes)
	}
	return len(c.Scopes) > 0 && !slices.ContainsFunc(c.Scopes, func(has string) bool {
		// GitHub adds metadata:read to everything.
		return has != "metadata:read" && !slices.ContainsFunc(scopes, func(wanted string) bool { return permits(wanted, has) })
	})
}
