package chancery.authz_test

import data.chancery.authz

network := {
	"zones": {
		"office": ["192.0.2.0/24", "2001:db8:1::/48"],
		"cloud": ["198.51.100.16/28"],
		"jump-host": ["192.0.2.7/32"],
	},
	"allow": [
		{"zones": ["office"], "resource": "notes"},
		{"zones": ["cloud"], "resource": "notes", "scopes": ["notes:read"]},
		{"zones": ["cloud"], "resource": "*", "scopes": ["notes:list"]},
		{"zones": ["jump-host"], "resource": "vault"},
	],
}

request(ip, resource) := {"network": {"ip": ip}, "resource": {"name": resource}}

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as network
}

test_from_the_office if {
	d := decide(request("192.0.2.200", "notes"))
	d.allow == true
	not d.scopes
	d.reasons == [{"code": "zone_allowed", "detail": "192.0.2.200 is in office"}]
}

test_from_the_office_over_ipv6 if decide(request("2001:db8:1::17", "notes")).allow == true

test_another_zone_gets_its_scopes if {
	d := decide(request("198.51.100.17", "notes"))
	d.allow == true
	d.scopes == {"notes:read", "notes:list"}
	d.reasons[0].code == "zone_limits_scopes"
}

test_every_resource if decide(request("198.51.100.17", "calendar")).scopes == {"notes:list"}

test_a_zone_inside_another if {
	decide(request("192.0.2.7", "vault")).allow == true
	decide(request("192.0.2.7", "notes")).allow == true
	decide(request("192.0.2.8", "vault")).allow == false
}

test_from_elsewhere_is_denied if {
	d := decide(request("203.0.113.5", "notes"))
	d.allow == false
	d.reasons == [{"code": "zone_unlisted", "detail": "203.0.113.5 is in no zone that may reach this resource"}]
}

test_just_outside_is_denied if {
	decide(request("198.51.100.15", "notes")).allow == false
	decide(request("198.51.100.32", "notes")).allow == false
}

test_another_resource_is_denied if decide(request("192.0.2.200", "calendar")).allow == false

test_a_zone_that_is_not_defined_is_nowhere if {
	elsewhere := object.union(network, {"allow": [{"zones": ["lab"], "resource": "notes"}]})
	d := authz.decision with input as request("192.0.2.200", "notes") with data.policy as elsewhere
	d.allow == false
}

test_no_address_is_denied if {
	d := decide({"resource": {"name": "notes"}})
	d.allow == false
	d.reasons[0].code == "network_absent"
}

test_no_resource_is_denied if decide({"network": {"ip": "192.0.2.200"}}).allow == false

test_no_data_is_denied if {
	d := authz.decision with input as request("192.0.2.200", "notes") with data.policy as {}
	d.allow == false
}
