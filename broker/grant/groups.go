package grant

import (
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/policy"
)

// groups are a user's groups and how far they are known.
type groups struct {
	values, names []string
	state         policy.GroupsState
	source        string
}

// groups takes the first of the entry's sources that says something: what the IdP said, in its assertion or when the person
// signed in last, or the user's own record. An
// overage is something said: "too many to list" denies before policy is asked, and never reads as "none". Where nobody is
// behind the request there are no groups, whatever a token says of some.
func (c *call) groups() (groups, error) {
	if c.person == nil || c.said == nil {
		return groups{}, nil
	}
	rules, claim := c.said.provider.Claims, c.said.groups
	for _, from := range rules.GroupsFrom {
		switch {
		case from == federation.GroupsFromClaim && claim.State == assertion.GroupsOverage:
			return groups{}, c.refuse(oauth.CodeGroupsOverage, "groups", "more groups than the IdP lists", "groups in the claim, or in the directory")
		case from == federation.GroupsFromClaim && claim.State == assertion.GroupsComplete:
			return named(claim.Values, rules.GroupAliases, "claim"), nil
		case from == federation.GroupsFromDirectory && c.person.GroupsComplete:
			return named(c.person.Groups, rules.GroupAliases, "directory"), nil
		}
	}
	if c.said.inToken != nil {
		return named(c.said.inToken, nil, "claim"), nil
	}
	return groups{state: policy.GroupsAbsent}, nil
}

func named(values []string, aliases map[string]string, source string) groups {
	g := groups{values: make([]string, 0, len(values)), names: make([]string, 0, len(values)), state: policy.GroupsComplete, source: source}
	for _, v := range values {
		g.values = append(g.values, v)
		if alias, ok := aliases[v]; ok {
			v = alias
		}
		g.names = append(g.names, v)
	}
	return g
}
