package grant

import (
	"slices"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// ceilings are lists inside each of which a grant must stay: the client's, the IdP entry's, a rule's. A list that is
// absent holds nothing, and so do no lists at all: what nobody vouches for is not granted.
type ceilings [][]string

func (cs ceilings) hold(name string) bool {
	return len(cs) > 0 && !slices.ContainsFunc(cs, func(list []string) bool { return !slices.Contains(list, name) })
}

// scopesOf are the resource's scopes inside every ceiling. `implies` widens what is allowed, never what is requested.
func (cs ceilings) scopesOf(r *snapshot.Resource) []string {
	if len(cs) == 0 {
		return nil
	}
	left := slices.Clone(r.ScopeNames)
	for _, list := range cs {
		left = oauth.Intersect(left, r.Expand(list))
	}
	return left
}

// limits are the ceilings of one call, of resources by name and of scopes. Each flow puts them together out of every
// party to its grant, before it asks what is inside.
type limits struct{ resources, scopes ceilings }

// limitsOf begins with the client, without which there is no token.
func limitsOf(c *client.Client) limits {
	return limits{resources: ceilings{c.Resources}, scopes: ceilings{c.Scopes}}
}

// and adds the lists of one more party.
func (l limits) and(resources, scopes []string) limits {
	return limits{
		resources: append(slices.Clone(l.resources), resources),
		scopes:    append(slices.Clone(l.scopes), scopes),
	}
}
