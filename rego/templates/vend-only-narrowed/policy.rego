package chancery.authz

# Narrowed by the provider itself: what is lent can do what was asked for, and no more.
decision := {
	"allow": true,
	"reasons": [{
		"code": "credential_narrowed",
		"detail": sprintf("%s narrows what it issues", [input.connection.provider]),
	}],
} if {
	input.action == "vend"
	input.connection.narrowing == "native"
} else := {
	"allow": true,
	"reasons": [{
		"code": "credential_excepted",
		"detail": sprintf("%s is lent whole to %s", [input.connection.provider, input.client.id]),
	}],
} if {
	input.action == "vend"
	some entry in data.policy.whole
	entry.provider == input.connection.provider
	some client in entry.clients
	client in {input.client.name, input.client.id}
} else := {
	"allow": true,
	"reasons": [{"code": "nothing_lent", "detail": sprintf("%s lends nothing", [input.action])}],
} if {
	input.action != "vend"
} else := {
	"allow": false,
	"reasons": [{
		"code": "credential_not_narrowed",
		"detail": "the provider cannot narrow what it issues, and its whole credential is not lent",
	}],
}
