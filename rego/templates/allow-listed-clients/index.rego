package chancery.authz.index

# {resource: {client: {limited, scopes}}}: a decision is a lookup or four, however
# many clients there are. An entry without scopes lifts the limit.
clients[resource][client] := {"limited": limited(resource, client), "scopes": scopes(resource, client)} if {
	some entry in data.policy.allow
	resource := entry.resource
	some client in entry.clients
}

default limited(_, _) := true

limited(resource, client) := false if {
	some entry in data.policy.allow
	entry.resource == resource
	client in entry.clients
	not entry.scopes
}

scopes(resource, client) := {scope |
	some entry in data.policy.allow
	entry.resource == resource
	client in entry.clients
	some scope in entry.scopes
}
