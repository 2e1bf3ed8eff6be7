package chancery.authz

# Where no actor is named, nobody stands between the person and the client, and a
# program that acts for itself is at depth 0 as well.
default depth := 0

depth := input.actor.depth

# A scope with limits of its own is taken away below the least of them.
limits[scope] contains entry.max_depth if {
	some entry in data.policy.limits
	entry.resource == input.resource.name
	some scope in entry.scopes
}

too_deep contains scope if {
	some scope, depths in limits
	depth > min(depths)
}

withheld := [reason |
	some scope in input.requested.scopes
	scope in input.available_scopes
	scope in too_deep
	reason := {
		"code": "depth_limits_scope",
		"detail": sprintf("%s is not passed on as far as depth %d", [scope, depth]),
	}
]

default decision := {
	"allow": false,
	"reasons": [{
		"code": "too_deep",
		"detail": "too many actors stand between the person and this request",
	}],
}

decision := {
	"allow": true,
	"scopes": {scope | some scope in input.available_scopes; not scope in too_deep},
	"reasons": array.concat([within], withheld),
} if {
	depth <= data.policy.max_depth
	within := {"code": "depth_within", "detail": sprintf("depth %d of at most %d", [depth, data.policy.max_depth])}
}
