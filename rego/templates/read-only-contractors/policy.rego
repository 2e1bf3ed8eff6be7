package chancery.authz

contractors := {group | some group in data.policy.groups}

held contains group if some group in input.user.groups

held contains group if some group in input.user.group_names

# Of staff it must be known that they are: no guests, their groups complete, and none
# of a contractor's among them. Whoever is behind a request otherwise reads.
decision := {
	"allow": true,
	"reasons": [{"code": "staff", "detail": "the user is no guest and in no group of contractors"}],
} if {
	input.user.guest == false
	input.user.groups_state == "complete"
	count(held & contractors) == 0
} else := {
	"allow": true,
	"scopes": readable,
	"reasons": array.concat([{"code": "contractor_reads", "detail": why}], withheld),
} if {
	input.user.id
} else := {
	"allow": true,
	"reasons": [{"code": "program", "detail": "nobody is behind the request"}],
} if {
	not input.user.id
	input.actor.kind in {"client", "workload"}
} else := {
	"allow": false,
	"reasons": [{"code": "user_absent", "detail": "it is not known who is behind the request"}],
}

readable contains scope if {
	some entry in data.policy.readable
	entry.resource == input.resource.name
	some scope in entry.scopes
}

withheld := [reason |
	some scope in input.requested.scopes
	scope in input.available_scopes
	not scope in readable
	reason := {
		"code": "contractor_limits_scope",
		"detail": sprintf("%s is not for contractors", [scope]),
	}
]

default why := "it is not known whether the user is a contractor"

why := sprintf("the user is in %s", [concat(" ", held & contractors)]) if {
	count(held & contractors) > 0
} else := "the user is a guest" if {
	input.user.guest
}
