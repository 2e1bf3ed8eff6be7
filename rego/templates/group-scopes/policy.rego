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

# Where nobody is behind the request there are no groups. A program gets what is listed
# for it, by its name or its client_id, and nothing otherwise: that there is no user
# grants nothing.
decision := {
	"allow": true,
	"scopes": {scope | scope := programs[_].scopes[_]},
	"reasons": {reason | reason := programs[_].reason},
} if {
	not input.user.id
	input.actor.kind in {"client", "workload"}
	listed := index.programs[input.resource.name]
	programs := [entry | some name in {input.client.name, input.client.id}; entry := listed[name]]
	count(programs) > 0
} else := {
	"allow": false,
	"reasons": [{
		"code": "user_absent",
		"detail": "nobody is behind the request, and data.clients does not list the client for itself",
	}],
} if {
	not input.user.id
}
