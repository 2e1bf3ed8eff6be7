package grant

import (
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// scopes are what a request asks for and what everything but policy leaves of it.
type scopes struct {
	requested []string // where the request names none: the asserted ones, or the resource's default_scopes
	asserted  []string // nil where nothing was asserted
	available []string // inside every limit, expanded by implies
}

// assertedScopes are what an assertion entitles to. An ID-JAG says so itself; a plain assertion asserts what its entry
// lists, a workload what its rule does, each of this resource.
func (c *call) assertedScopes() ([]string, error) {
	entry := c.assertion.Provider().Assertions
	switch {
	case c.workload != nil:
		return oauth.Intersect(c.resource.ScopeNames, c.workload.Scopes), nil
	case !c.isIDJAG():
		return oauth.Intersect(c.resource.ScopeNames, entry.Scopes), nil
	}
	asserted, named := c.assertion.Scopes()
	switch {
	case named:
		return asserted, nil
	case entry.DefaultScopes:
		return slices.Clone(c.resource.DefaultScopes), nil
	default:
		return nil, c.refuse(oauth.CodeScopeNotAsserted, "scope", "an assertion without scope", "scope, or absent_scope: default_scopes")
	}
}

// settleScopes intersects what is requested, or unnamed where the request names none, with every ceiling.
func (c *call) settleScopes(unnamed []string, within ceilings) (scopes, error) {
	requested, err := oauth.ParseScope(c.Form.Get("scope"))
	if err != nil {
		c.failed("scope", "a malformed scope", "scope tokens")
		return scopes{}, err
	}
	if requested == nil { // MCP's Go SDK sends none with this leg: no narrowing
		requested = slices.Clone(unnamed)
	}
	return c.scopesWithin(requested, within)
}

// scopesWithin intersects with every ceiling.
func (c *call) scopesWithin(requested []string, within ceilings) (scopes, error) {
	available := within.scopesOf(c.resource)
	if len(oauth.Intersect(requested, available)) == 0 {
		return scopes{}, c.refuse(oauth.CodeScopeEmpty, "scope", strings.Join(requested, " "), strings.Join(available, " "))
	}
	c.passed("scope", strings.Join(requested, " "), strings.Join(available, " "))
	return scopes{requested: requested, available: available}, nil
}
