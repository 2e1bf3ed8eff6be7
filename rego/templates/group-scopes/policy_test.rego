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
