package chancery.authz_test

import data.chancery.authz

limits := {
	"max_depth": 2,
	"limits": [
		{"resource": "notes", "scopes": ["notes:write"], "max_depth": 1},
		{"resource": "notes", "scopes": ["notes:write", "notes:purge"], "max_depth": 0},
		{"resource": "calendar", "scopes": ["notes:read"], "max_depth": 0},
	],
}

all := ["notes:read", "notes:write", "notes:purge"]

request := {
	"user": {"id": "usr_1"},
	"resource": {"name": "notes", "scopes": all},
	"requested": {"scopes": all},
	"available_scopes": all,
}

deep(depth) := object.union(request, {"actor": {"kind": "agent", "depth": depth}})

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as limits
}

test_a_person_and_a_client_have_depth_0 if {
	d := decide(request)
	d.allow == true
	d.scopes == {"notes:read", "notes:write", "notes:purge"}
	d.reasons == [{"code": "depth_within", "detail": "depth 0 of at most 2"}]
}

test_the_least_limit_of_a_scope_counts if {
	d := decide(deep(1))
	d.allow == true
	d.scopes == {"notes:read"}
	count(d.reasons) == 3
	d.reasons[1] == {"code": "depth_limits_scope", "detail": "notes:write is not passed on as far as depth 1"}
}

test_the_deepest_that_is_allowed if decide(deep(2)).scopes == {"notes:read"}

test_too_deep_is_denied if {
	d := decide(deep(3))
	d.allow == false
	d.reasons[0].code == "too_deep"
	not d.scopes
}

test_what_was_not_asked_for_is_not_named if {
	d := decide(object.union(deep(1), {"requested": {"scopes": ["notes:read"]}}))
	count(d.reasons) == 1
}

test_what_is_not_available_is_not_named if {
	d := decide(object.union(deep(1), {"available_scopes": ["notes:read"]}))
	count(d.reasons) == 1
	d.scopes == {"notes:read"}
}

test_limits_are_those_of_the_resource if {
	asked := {"requested": {"scopes": ["notes:read"]}, "resource": {"name": "calendar"}}
	d := decide(object.union(deep(1), asked))
	d.scopes == {"notes:write", "notes:purge"}
}

test_a_program_for_itself_has_depth_0 if {
	d := decide(object.union(object.remove(request, ["user"]), {"actor": {"kind": "workload", "depth": 0}}))
	d.allow == true
}

test_without_limits_of_scopes if {
	d := authz.decision with input as deep(1) with data.policy as {"max_depth": 1}
	d.scopes == {"notes:read", "notes:write", "notes:purge"}
}

test_no_depth_at_all if {
	d := authz.decision with input as deep(1) with data.policy as {"max_depth": 0}
	d.allow == false
}

test_no_data_is_denied if {
	d := authz.decision with input as request with data.policy as {}
	d.allow == false
}
