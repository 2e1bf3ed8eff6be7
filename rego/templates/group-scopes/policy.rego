package chancery.authz

import data.chancery.authz.index

# A grant may name a group as the identity provider does or by its alias.
groups contains group if some group in input.user.groups

groups contains group if some group in input.user.group_names

granted[group] := scopes if {
	some group in groups
	scopes := index.grants[input.resource.name][group]
}

scopes contains scope if {
	some group
	some scope in granted[group]
}

grants contains {
	"code": "group_grants_scope",
	"detail": sprintf("%s grants %s", [group, concat(" ", scopes_of)]),
} if {
	some group, scopes_of in granted
}

decision := {
	"allow": true,
	"scopes": scopes,
	"reasons": grants,
} if {
	count(scopes) > 0
} else := {
	"allow": false,
	"reasons": [refusal],
}

refusal := {
	"code": "groups_absent",
	"detail": "the user's groups are not known: neither the assertion nor the directory carries them",
} if {
	count(groups) == 0
} else := {
	"code": "no_group_grants_scope",
	"detail": sprintf("none of the user's %d groups is granted a scope of this resource", [count(groups)]),
}
