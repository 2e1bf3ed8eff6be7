package chancery.authz

clients := data.chancery.authz.index.clients

# An entry for every resource (*) counts as well as one for this resource, and a
# client goes by its name and by its client_id.
entries contains clients[input.resource.name][input.client.name]

entries contains clients[input.resource.name][input.client.id]

entries contains clients["*"][input.client.name]

entries contains clients["*"][input.client.id]

listed := {
	"code": "client_listed",
	"detail": sprintf("%s is on the list", [input.client.id]),
}

decision := {"allow": true, "reasons": [listed]} if {
	some entry in entries
	not entry.limited
} else := {
	"allow": true,
	"scopes": {scope | scope := entries[_].scopes[_]},
	"reasons": [listed],
} if {
	count(entries) > 0
} else := {
	"allow": false,
	"reasons": [{
		"code": "client_not_listed",
		"detail": "the client is not on the list for this resource",
	}],
}
