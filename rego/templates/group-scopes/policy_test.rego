package chancery.authz_test

import data.chancery.authz

grants := [
	{"groups": ["notes-editors", "00g2cd"], "resource": "notes", "scopes": ["notes:write"]},
	{"groups": ["notes-readers"], "resource": "notes", "scopes": ["notes:read"]},
	{"groups": ["notes-readers"], "resource": "calendar", "scopes": ["calendar:read"]},
]

alice := {
	"action": "issue",
	"user": {"id": "usr_1", "groups": ["00g1ab"], "group_names": ["notes-editors"], "groups_state": "complete"},
	"resource": {"name": "notes", "scopes": ["notes:read", "notes:write"]},
}

test_alias_grants if {
	d := authz.decision with input as alice with data.policy as {"grants": grants}
	d.allow == true
	d.scopes == {"notes:write"}
	d.reasons == {{"code": "group_grants_scope", "detail": "notes-editors grants notes:write"}}
}

test_group_as_sent_grants if {
	user := {"id": "usr_1", "groups": ["00g2cd"], "groups_state": "complete"}
	d := authz.decision with input as object.union(alice, {"user": user}) with data.policy as {"grants": grants}
	d.scopes == {"notes:write"}
}

test_groups_add_up if {
	user := {"group_names": ["notes-editors", "notes-readers"]}
	d := authz.decision with input as object.union(alice, {"user": user}) with data.policy as {"grants": grants}
	d.scopes == {"notes:read", "notes:write"}
	count(d.reasons) == 2
}

test_other_resource_is_not_granted if {
	d := authz.decision with input as object.union(alice, {"resource": {"name": "calendar"}})
		with data.policy as {"grants": grants}
	d.allow == false
	d.reasons[0].code == "no_group_grants_scope"
	not d.scopes
}

test_user_without_groups_is_denied if {
	user := {"id": "usr_3", "groups": [], "group_names": [], "groups_state": "complete"}
	d := authz.decision with input as {"user": user, "resource": alice.resource} with data.policy as {"grants": grants}
	d.allow == false
	d.reasons[0].code == "no_group_grants_scope"
}

test_unknown_groups_are_denied if {
	user := {"id": "usr_3", "groups_state": "absent"}
	d := authz.decision with input as {"user": user, "resource": alice.resource} with data.policy as {"grants": grants}
	d.allow == false
	d.reasons[0].code == "groups_absent"
}

test_no_user_is_denied if {
	d := authz.decision with input as {"resource": alice.resource} with data.policy as {"grants": grants}
	d.allow == false
}

test_no_resource_is_denied if {
	d := authz.decision with input as {"user": alice.user} with data.policy as {"grants": grants}
	d.allow == false
}

test_no_grants_is_denied if {
	d := authz.decision with input as alice with data.policy as {"grants": []}
	d.allow == false
}

test_no_data_is_denied if {
	d := authz.decision with input as alice with data.policy as {}
	d.allow == false
}

clients := [
	{"clients": ["build", "https://agent.example/client.json"], "resource": "notes", "scopes": ["notes:read"]},
	{"clients": ["builds.acme.com"], "resource": "notes", "scopes": ["notes:write"]},
]

build(kind) := {
	"client": {"id": "builds.acme.com", "name": "build"},
	"actor": {"kind": kind, "depth": 0},
	"resource": alice.resource,
}

test_program_that_is_listed if {
	d := authz.decision with input as build("client") with data.policy as {"grants": grants, "clients": clients}
	d.allow == true
	d.scopes == {"notes:read", "notes:write"}
	count(d.reasons) == 2
	some reason in d.reasons
	reason == {"code": "client_grants_scope", "detail": "build for itself is granted notes:read"}
}

test_workload_that_is_listed if {
	d := authz.decision with input as build("workload") with data.policy as {"grants": grants, "clients": clients}
	d.allow == true
}

test_program_that_is_not_listed if {
	other := object.union(build("client"), {"client": {"id": "other", "name": "other"}})
	d := authz.decision with input as other with data.policy as {"grants": grants, "clients": clients}
	d.allow == false
	d.reasons[0].code == "user_absent"
}

test_program_for_another_resource if {
	other := object.union(build("client"), {"resource": {"name": "calendar"}})
	d := authz.decision with input as other with data.policy as {"grants": grants, "clients": clients}
	d.allow == false
}

test_program_where_nothing_is_listed if {
	d := authz.decision with input as build("workload") with data.policy as {"grants": grants}
	d.allow == false
	d.reasons[0].code == "user_absent"
}

test_no_user_and_nobody_else if {
	d := authz.decision with input as object.remove(build("client"), ["actor"])
		with data.policy as {"grants": grants, "clients": clients}
	d.allow == false
}

test_another_actor_without_a_user if {
	d := authz.decision with input as build("agent") with data.policy as {"grants": grants, "clients": clients}
	d.allow == false
}

test_listed_client_does_not_help_a_user if {
	bob := {"id": "usr_2", "groups": [], "group_names": [], "groups_state": "complete"}
	d := authz.decision with input as object.union(build("client"), {"user": bob})
		with data.policy as {"grants": grants, "clients": clients}
	d.allow == false
	d.reasons[0].code == "no_group_grants_scope"
}
