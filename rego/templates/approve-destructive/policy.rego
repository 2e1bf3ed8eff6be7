package chancery.authz

# What counts is what would be issued: what was asked for and no ceiling takes away.
wanted contains scope if {
	some scope in input.requested.scopes
	scope in input.available_scopes
}

destructive contains scope if {
	some entry in data.policy.destructive
	entry.resource == input.resource.name
	some scope in entry.scopes
}

# A scope destroys that is listed, or whose risk is.
waiting contains scope if {
	some scope in wanted
	scope in destructive
}

waiting contains scope if {
	some scope in wanted
	input.resource.risk[scope] in data.policy.risks
}

decision := {
	"allow": true,
	"approval": {"group": data.policy.approvers, "within": data.policy.within},
	"reasons": [{
		"code": "destructive_needs_approval",
		"detail": sprintf("%s must be allowed by %s", [concat(" ", waiting), data.policy.approvers]),
	}],
} if {
	count(waiting) > 0
} else := {
	"allow": true,
	"reasons": [{"code": "nothing_destructive", "detail": "nothing that is asked for destroys"}],
} if {
	count(waiting) == 0
	count(data.policy.destructive) >= 0
	count(input.requested.scopes) >= 0
	count(input.available_scopes) >= 0
} else := {
	"allow": false,
	"reasons": [{"code": "request_unknown", "detail": "it is not known what is asked for, or what destroys"}],
}
