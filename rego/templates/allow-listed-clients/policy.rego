package chancery.authz

import data.chancery.authz.index

# A client goes by its name and by its client_id.
names contains input.client.name

names contains input.client.id

# The entries for every resource count as well as those for this one.
places contains "*"

places contains input.resource.name

listed if {
	some place in places
	some name in names
	name in index.clients[place]
}

unlimited if {
	some place in places
	some name in names
	name in index.unlimited[place]
}

scopes contains scope if {
	some place in places
	some name in names
	some scope in index.scopes[place][name]
}

reason := {
	"code": "client_listed",
	"detail": "the client is on the list",
}

decision := {
	"allow": true,
	"reasons": [reason],
} if {
	unlimited
} else := {
	"allow": true,
	"scopes": scopes,
	"reasons": [reason],
} if {
	listed
} else := {
	"allow": false,
	"reasons": [{
		"code": "client_not_listed",
		"detail": "the client is not on the list for this resource",
	}],
}
