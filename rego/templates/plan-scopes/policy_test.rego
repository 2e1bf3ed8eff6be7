package chancery.authz_test

import data.chancery.authz

plans := [
	{"plans": ["free"], "resource": "notes", "scopes": ["notes:read"]},
	{"plans": ["pro", "enterprise"], "resource": "notes", "scopes": ["notes:read", "notes:write"]},
	{"plans": ["pro"], "resource": "calendar", "scopes": ["calendar:read"]},
]

both := ["notes:read", "notes:write"]

request(plan) := {
	"client": {"id": "claude", "plan": plan},
	"resource": {"name": "notes", "scopes": both},
	"requested": {"scopes": both},
	"available_scopes": both,
}

test_free_plan_gets_fewer_scopes_and_a_reason if {
	d := authz.decision with input as request("free") with data.policy as {"plans": plans}
	d.allow == true
	d.scopes == {"notes:read"}
	d.reasons == [
		{"code": "plan_allows_scope", "detail": "plan free allows notes:read"},
		{"code": "plan_limits_scope", "detail": "plan free does not list notes:write"},
	]
}

test_paid_plan_gets_all if {
	d := authz.decision with input as request("enterprise") with data.policy as {"plans": plans}
	d.allow == true
	d.scopes == {"notes:read", "notes:write"}
	count(d.reasons) == 1
}

test_entries_add_up if {
	more := array.concat(plans, [{"plans": ["free"], "resource": "notes", "scopes": ["notes:write"]}])
	d := authz.decision with input as request("free") with data.policy as {"plans": more}
	d.scopes == {"notes:read", "notes:write"}
}

test_what_was_not_available_is_not_withheld if {
	few := object.union(request("free"), {"available_scopes": ["notes:read"]})
	d := authz.decision with input as few with data.policy as {"plans": plans}
	count(d.reasons) == 1
}

test_other_plan_is_denied if {
	d := authz.decision with input as request("trial") with data.policy as {"plans": plans}
	d.allow == false
	d.reasons[0].code == "plan_unlisted"
	not d.scopes
}

test_other_resource_is_denied if {
	elsewhere := object.union(request("free"), {"resource": {"name": "calendar"}})
	d := authz.decision with input as elsewhere with data.policy as {"plans": plans}
	d.allow == false
	d.reasons[0].code == "plan_unlisted"
}

test_no_plan_is_denied if {
	d := authz.decision with input as object.remove(request("free"), ["client"]) with data.policy as {"plans": plans}
	d.allow == false
	d.reasons[0].code == "plan_absent"
}

test_plan_in_capitals_is_another if {
	d := authz.decision with input as request("FREE") with data.policy as {"plans": plans}
	d.allow == false
}

test_the_tenant_has_another_plan if {
	other := object.union(request("free"), {"tenant": {"plan": "enterprise"}})
	d := authz.decision with input as other with data.policy as {"plans": plans}
	d.scopes == {"notes:read"}
}

test_nobody_need_be_behind_it if {
	d := authz.decision with input as object.union(request("free"), {"actor": {"kind": "client", "depth": 0}})
		with data.policy as {"plans": plans}
	d.scopes == {"notes:read"}
}

test_no_resource_is_denied if {
	d := authz.decision with input as {"client": {"plan": "free"}} with data.policy as {"plans": plans}
	d.allow == false
}

test_no_data_is_denied if {
	d := authz.decision with input as request("free") with data.policy as {}
	d.allow == false
}
