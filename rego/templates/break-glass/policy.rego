package chancery.authz

import data.chancery.authz.index

held contains group if some group in input.user.groups

held contains group if some group in input.user.group_names

# What is granted on every day.
standing contains index.grants[input.resource.name][group] if some group in held

everyday := {scope | some grant in standing; some scope in grant.scopes}

# A glass that is broken: it is about this resource and this person, and not over.
broken contains glass if {
	some glass in data.policy.glass
	glass.resource == input.resource.name
	for_whom(glass)
	seconds_left(glass) > 0
}

for_whom(glass) if input.user.id in glass.users

for_whom(glass) if {
	some group in glass.groups
	group in held
}

seconds_left(glass) := floor(time.parse_rfc3339_ns(glass.until) / 1000000000) - input.time.unix

# It counts for what is asked for and is not granted on every day anyway.
needed contains glass if {
	some glass in broken
	some scope in glass.scopes
	scope in input.requested.scopes
	not scope in everyday
}

emergency := {scope | some glass in needed; some scope in glass.scopes}

why := {reason | some grant in standing; reason := grant.reason} | {reason |
	some glass in needed
	reason := {
		"code": "glass_broken",
		"detail": sprintf("%s until %s: %s", [concat(" ", glass.scopes), glass.until, glass.because]),
	}
}

# A token of an emergency does not outlive it.
decision := {
	"allow": true,
	"scopes": (everyday | emergency),
	"lifetime": min({data.policy.lifetime} | {seconds_left(glass) | some glass in needed}),
	"reasons": why,
} if {
	count(needed) > 0
} else := {
	"allow": true,
	"scopes": everyday,
	"reasons": why,
} if {
	count(standing) > 0
} else := {
	"allow": false,
	"reasons": [{
		"code": "no_group_grants_scope",
		"detail": "none of the user's groups is granted a scope of this resource, and no glass is broken for the user",
	}],
}
