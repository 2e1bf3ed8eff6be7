package chancery.authz

import data.chancery.authz.index

default decision := {
	"allow": false,
	"reasons": [{
		"code": "no_group_grants_scope",
		"detail": "none of the user's groups is granted a scope of this resource",
	}],
}

# A grant names a group as the identity provider does, or by its alias.
decision := {
	"allow": true,
	"scopes": {scope | scope := matches[_].scopes[_]},
	"reasons": {reason | reason := matches[_].reason},
} if {
	grants := index.grants[input.resource.name]
	by_id := [grant | grant := grants[input.user.groups[_]]]
	by_name := [grant | grant := grants[input.user.group_names[_]]]
	matches := array.concat(by_id, by_name)
	count(matches) > 0
}

decision := {
	"allow": false,
	"reasons": [{
		"code": "groups_absent",
		"detail": "the user's groups are not known: neither the assertion nor the directory carries them",
	}],
} if {
	input.user.groups_state == "absent"
	not input.user.groups
	not input.user.group_names
}
