package grant

import (
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// scopes are what a request asks for and what everything but policy leaves of it.
type scopes struct {
	requested []string // the asserted ones where the request names none
	asserted  []string
	available []string // inside asserted, client, resource and issuer, each expanded by implies
}

// ceilings intersects requested and asserted scopes with those of client, resource and issuer. `implies` widens what is
// allowed, never what is requested.
func (c *call) ceilings(v *assertion.Verified) (scopes, error) {
	asserted, named := v.Scopes()
	if !named {
		if !v.Provider().Assertions.DefaultScopes {
			return scopes{}, c.refuse(oauth.CodeScopeNotAsserted, "scope", "an assertion without scope", "scope, or absent_scope: default_scopes")
		}
		asserted = c.resource.DefaultScopes
	}
	requested, err := oauth.ParseScope(c.Form.Get("scope"))
	if err != nil {
		c.failed("scope", "a malformed scope", "scope tokens")
		return scopes{}, err
	}
	if requested == nil { // MCP's Go SDK sends none with this leg: no narrowing
		requested = slices.Clone(asserted)
	}
	available := slices.Clone(c.resource.ScopeNames)
	for _, ceiling := range [][]string{asserted, c.client().Scopes, v.Provider().Assertions.Scopes} {
		available = oauth.Intersect(available, c.resource.Expand(ceiling))
	}
	left := oauth.Intersect(requested, available)
	if len(left) == 0 {
		return scopes{}, c.refuse(oauth.CodeScopeEmpty, "scope", strings.Join(requested, " "), strings.Join(available, " "))
	}
	c.passed("scope", strings.Join(requested, " "), strings.Join(available, " "))
	return scopes{requested: requested, asserted: asserted, available: available}, nil
}
