package chancery.authz_test

import data.chancery.authz

limits := {
	"groups": ["contractors", "00gext"],
	"readable": [
		{"resource": "notes", "scopes": ["notes:read"]},
		{"resource": "calendar", "scopes": ["calendar:read"]},
	],
}

both := ["notes:read", "notes:write"]

request(user) := {
	"user": user,
	"resource": {"name": "notes", "scopes": both},
	"requested": {"scopes": both},
	"available_scopes": both,
}

alice := {"id": "usr_1", "guest": false, "groups": ["00g1ab"], "group_names": ["staff"], "groups_state": "complete"}

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as limits
}

test_staff_are_not_limited if {
	d := decide(request(alice))
	d.allow == true
	not d.scopes
	d.reasons[0].code == "staff"
}

test_a_contractor_reads if {
	d := decide(request(object.union(alice, {"group_names": ["staff", "contractors"]})))
	d.allow == true
	d.scopes == {"notes:read"}
	d.reasons == [
		{"code": "contractor_reads", "detail": "the user is in contractors"},
		{"code": "contractor_limits_scope", "detail": "notes:write is not for contractors"},
	]
}

test_a_group_as_sent if decide(request(object.union(alice, {"groups": ["00gext"]}))).scopes == {"notes:read"}

test_a_guest_reads if {
	d := decide(request(object.union(alice, {"guest": true})))
	d.scopes == {"notes:read"}
	d.reasons[0].detail == "the user is a guest"
}

test_whose_groups_are_not_known_reads if {
	d := decide(request({"id": "usr_1", "guest": false, "groups_state": "absent"}))
	d.scopes == {"notes:read"}
	d.reasons[0].detail == "it is not known whether the user is a contractor"
}

test_whose_groups_may_be_complete_reads if {
	decide(request(object.remove(alice, ["groups_state"]))).scopes == {"notes:read"}
}

test_who_may_be_a_guest_reads if decide(request(object.remove(alice, ["guest"]))).scopes == {"notes:read"}

test_staff_of_no_group_are_not_limited if {
	d := decide(request(object.remove(alice, ["groups", "group_names"])))
	not d.scopes
	d.allow == true
}

test_where_nothing_is_readable_nothing_is_left if {
	asked := object.union(request(object.union(alice, {"guest": true})), {"resource": {"name": "payroll"}})
	d := decide(asked)
	d.allow == true
	d.scopes == set()
}

test_what_is_not_available_is_not_named if {
	asked := object.union(request(object.union(alice, {"guest": true})), {"available_scopes": ["notes:read"]})
	count(decide(asked).reasons) == 1
}

test_programs_are_no_contractors if {
	d := decide(object.union(object.remove(request(alice), ["user"]), {"actor": {"kind": "client", "depth": 0}}))
	d.allow == true
	not d.scopes
	d.reasons[0].code == "program"
}

test_an_agent_of_nobody_is_denied if {
	d := decide(object.union(object.remove(request(alice), ["user"]), {"actor": {"kind": "agent", "depth": 0}}))
	d.allow == false
	d.reasons[0].code == "user_absent"
}

test_nobody_is_denied if decide(object.remove(request(alice), ["user"])).allow == false
