package chancery.authz.index

# {resource: {group: {scopes, reason}}}: a decision is one lookup a group, however
# many grants there are.
grants[resource][group] := {"scopes": scopes, "reason": reason} if {
	some resource, groups in scopes_of
	some group, scopes in groups
	reason := {
		"code": "group_grants_scope",
		"detail": sprintf("%s grants %s", [group, concat(" ", scopes)]),
	}
}

scopes_of[resource][group] contains scope if {
	some grant in data.policy.grants
	resource := grant.resource
	some group in grant.groups
	some scope in grant.scopes
}

# {resource: {client: {scopes, reason}}}, for programs that act for themselves.
programs[resource][client] := {"scopes": scopes, "reason": reason} if {
	some resource, of in program_scopes
	some client, scopes in of
	reason := {
		"code": "client_grants_scope",
		"detail": sprintf("%s for itself is granted %s", [client, concat(" ", scopes)]),
	}
}

program_scopes[resource][client] contains scope if {
	some entry in data.policy.clients
	resource := entry.resource
	some client in entry.clients
	some scope in entry.scopes
}
