package chancery.authz

plans := data.chancery.authz.index.plans

default decision := {
	"allow": false,
	"reasons": [{
		"code": "plan_unlisted",
		"detail": "the client's plan is not listed for this resource",
	}],
}

decision := {
	"allow": true,
	"scopes": entry.scopes,
	"reasons": array.concat([entry.reason], withheld),
} if {
	entry := plans[input.resource.name][input.client.plan]
	withheld := [reason |
		some scope in input.requested.scopes
		scope in input.available_scopes
		not scope in entry.scopes
		reason := {
			"code": "plan_limits_scope",
			"detail": sprintf("plan %s does not list %s", [input.client.plan, scope]),
		}
	]
}

decision := {
	"allow": false,
	"reasons": [{
		"code": "plan_absent",
		"detail": "the client has no plan",
	}],
} if {
	not input.client.plan
}
