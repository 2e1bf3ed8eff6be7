package chancery.authz.index

# {resource: {group: {scope}}}, made once when the policy is published, so that a
# decision is a few lookups however many grants there are.
grants[resource][group] contains scope if {
	some grant in data.policy.grants
	resource := grant.resource
	some group in grant.groups
	some scope in grant.scopes
}
