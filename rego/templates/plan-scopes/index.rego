package chancery.authz.index

# {resource: {plan: {scopes, reason}}}: a decision is one lookup, however many plans
# there are.
plans[resource][plan] := {"scopes": scopes, "reason": reason} if {
	some resource, of in scopes_of
	some plan, scopes in of
	reason := {
		"code": "plan_allows_scope",
		"detail": sprintf("plan %s allows %s", [plan, concat(" ", scopes)]),
	}
}

scopes_of[resource][plan] contains scope if {
	some entry in data.policy.plans
	resource := entry.resource
	some plan in entry.plans
	some scope in entry.scopes
}
