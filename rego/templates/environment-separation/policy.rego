package chancery.authz

# Which environments may reach this resource.
reachable contains environment if {
	some entry in data.policy.allow
	entry.resource == input.resource.name
	some environment in entry.environments
}

decision := {
	"allow": true,
	"reasons": [{
		"code": "environment_listed",
		"detail": sprintf("%s is for clients of %s", [input.resource.name, input.client.environment]),
	}],
} if {
	input.client.environment in reachable
} else := {
	"allow": false,
	"reasons": [{
		"code": "environment_unlisted",
		"detail": sprintf("%s is not for clients of %s", [input.resource.name, input.client.environment]),
	}],
} if {
	input.client.environment
	input.resource.name
} else := {
	"allow": false,
	"reasons": [{
		"code": "environment_absent",
		"detail": "it is not known which environment the client is of",
	}],
}
