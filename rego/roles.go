package rego

import "slices"

// both are the templates that may be grant policies as well as guards: what they
// grant, their data lists.
var both = []string{"allow-listed-clients", "plan-scopes"}

// grants are those that grant.
var grants = []string{"break-glass", "group-scopes"}

// Roles are those that a Policy of this template may have, the usual one first. The
// others only take away, and say so by granting whatever they do not: as a grant
// policy such a template would be open.
func (t Template) Roles() []string {
	switch {
	case slices.Contains(grants, t.Name):
		return []string{"grant", "guard"}
	case slices.Contains(both, t.Name):
		return []string{"guard", "grant"}
	}
	return []string{"guard"}
}
