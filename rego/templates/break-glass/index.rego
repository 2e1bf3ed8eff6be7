package chancery.authz.index

# {resource: {group: {scopes, reason}}}: what groups are granted on every day is one
# lookup a group, however many grants there are.
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
