package chancery.authz

# What counts is what would be issued: what was asked for and no ceiling takes away.
wanted contains scope if {
	some scope in input.requested.scopes
	scope in input.available_scopes
}

ranks[risk] contains rank if {
	some rank, level in data.policy.levels
	some risk in level.risks
}

# A scope whose risk no level names, or that has none, is as risky as the first level.
default rank(_) := 0

rank(scope) := min(ranks[input.resource.risk[scope]])

level := data.policy.levels[min({rank(scope) | some scope in wanted})]

riskiest := concat(" ", {scope | some scope in wanted; data.policy.levels[rank(scope)] == level})

decision := {
	"allow": true,
	"step_up": level.step_up,
	"reasons": [{
		"code": "risk_needs_step_up",
		"detail": sprintf("the risk of %s asks for another sign-in", [riskiest]),
	}],
} if {
	level.step_up
} else := {
	"allow": true,
	"reasons": [{
		"code": "risk_needs_no_step_up",
		"detail": sprintf("the risk of %s asks for no other sign-in", [riskiest]),
	}],
} if {
	level
} else := {
	"allow": true,
	"scopes": [],
	"reasons": [{
		"code": "no_scope_wanted",
		"detail": "no scope is asked for that could be issued",
	}],
} if {
	count(wanted) == 0
	count(input.requested.scopes) >= 0
	count(data.policy.levels) > 0
} else := {
	"allow": false,
	"reasons": [{
		"code": "risk_unknown",
		"detail": "it is not known what is asked for, or what its risk asks for",
	}],
}
