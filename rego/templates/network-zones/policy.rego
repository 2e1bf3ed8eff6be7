package chancery.authz

here contains zone if {
	some zone, blocks in data.policy.zones
	some block in blocks
	net.cidr_contains(block, input.network.ip)
}

# Entries for this resource, or for every one (*), that name a zone the caller is in.
entries contains entry if {
	some entry in data.policy.allow
	entry.resource in {input.resource.name, "*"}
	some zone in entry.zones
	zone in here
}

from := sprintf("%s is in %s", [input.network.ip, concat(" ", here)])

# An entry without scopes takes none away.
decision := {
	"allow": true,
	"reasons": [{"code": "zone_allowed", "detail": from}],
} if {
	some entry in entries
	not entry.scopes
} else := {
	"allow": true,
	"scopes": {scope | some entry in entries; some scope in entry.scopes},
	"reasons": [{"code": "zone_limits_scopes", "detail": from}],
} if {
	count(entries) > 0
} else := {
	"allow": false,
	"reasons": [{
		"code": "zone_unlisted",
		"detail": sprintf("%s is in no zone that may reach this resource", [input.network.ip]),
	}],
} if {
	input.network.ip
} else := {
	"allow": false,
	"reasons": [{"code": "network_absent", "detail": "it is not known where the request came from"}],
}
