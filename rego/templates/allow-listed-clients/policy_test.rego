package chancery.authz_test

import data.chancery.authz

allow := [
	{"clients": ["claude"], "resource": "notes"},
	{"clients": ["https://agent.example/client.json"], "resource": "notes", "scopes": ["notes:read"]},
	{"clients": ["auditor"], "resource": "*", "scopes": ["notes:read"]},
]

request(client) := {"client": client, "resource": {"name": "notes"}}

test_client_by_name if {
	d := authz.decision with input as request({"id": "0oa1", "name": "claude"}) with data.policy as {"allow": allow}
	d.allow == true
	not d.scopes
	d.reasons[0] == {"code": "client_listed", "detail": "0oa1 is on the list"}
}

test_client_by_id_gets_its_scopes if {
	d := authz.decision with input as request({"id": "https://agent.example/client.json"})
		with data.policy as {"allow": allow}
	d.allow == true
	d.scopes == {"notes:read"}
}

test_client_for_every_resource if {
	d := authz.decision with input as {"client": {"id": "auditor"}, "resource": {"name": "calendar"}}
		with data.policy as {"allow": allow}
	d.allow == true
	d.scopes == {"notes:read"}
}

test_client_by_name_for_every_resource if {
	d := authz.decision with input as {"client": {"id": "0oa2", "name": "auditor"}, "resource": {"name": "calendar"}}
		with data.policy as {"allow": allow}
	d.scopes == {"notes:read"}
}

test_entry_without_scopes_lifts_the_limit if {
	entries := array.concat(allow, [{"clients": ["auditor"], "resource": "notes"}])
	d := authz.decision with input as request({"id": "auditor"}) with data.policy as {"allow": entries}
	d.allow == true
	not d.scopes
}

test_other_client_is_denied if {
	d := authz.decision with input as request({"id": "mallory", "name": "mallory"}) with data.policy as {"allow": allow}
	d.allow == false
	d.reasons[0].code == "client_not_listed"
}

test_other_resource_is_denied if {
	d := authz.decision with input as {"client": {"id": "claude", "name": "claude"}, "resource": {"name": "calendar"}}
		with data.policy as {"allow": allow}
	d.allow == false
}

test_a_star_is_not_a_client if {
	entries := [{"clients": ["*"], "resource": "notes"}]
	d := authz.decision with input as request({"id": "mallory"}) with data.policy as {"allow": entries}
	d.allow == false
}

test_no_client_is_denied if {
	d := authz.decision with input as {"resource": {"name": "notes"}} with data.policy as {"allow": allow}
	d.allow == false
}

test_no_data_is_denied if {
	d := authz.decision with input as request({"id": "claude", "name": "claude"}) with data.policy as {}
	d.allow == false
}

test_program_that_is_not_listed_is_denied if {
	asked := object.union(request({"id": "build", "name": "build"}), {"actor": {"kind": "client", "depth": 0}})
	d := authz.decision with input as asked with data.policy as {"allow": allow}
	d.allow == false
	d.reasons[0].code == "client_not_listed"
}

test_program_that_is_listed if {
	asked := object.union(request({"id": "auditor"}), {"actor": {"kind": "workload", "depth": 0}})
	d := authz.decision with input as asked with data.policy as {"allow": allow}
	d.scopes == {"notes:read"}
}
