package chancery.authz.index

# {resource: {client}}, and the scopes of those entries that name any.
clients[resource] contains client if {
	some entry in data.policy.allow
	resource := entry.resource
	some client in entry.clients
}

unlimited[resource] contains client if {
	some entry in data.policy.allow
	not entry.scopes
	resource := entry.resource
	some client in entry.clients
}

scopes[resource][client] contains scope if {
	some entry in data.policy.allow
	resource := entry.resource
	some client in entry.clients
	some scope in entry.scopes
}
