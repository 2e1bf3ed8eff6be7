package chancery.authz_test

import data.chancery.authz

allow := [
	{"environments": ["production"], "resource": "notes"},
	{"environments": ["staging", "development"], "resource": "notes-staging"},
	{"environments": ["production"], "resource": "notes-staging"},
]

request(environment, resource) := {
	"client": {"id": "claude", "environment": environment},
	"resource": {"name": resource},
}

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as {"allow": allow}
}

test_its_own_environment if {
	d := decide(request("production", "notes"))
	d.allow == true
	not "scopes" in object.keys(d)
	d.reasons == [{"code": "environment_listed", "detail": "notes is for clients of production"}]
}

test_one_of_several if decide(request("development", "notes-staging")).allow == true

test_entries_add_up if decide(request("production", "notes-staging")).allow == true

test_another_environment_is_denied if {
	d := decide(request("staging", "notes"))
	d.allow == false
	d.reasons == [{"code": "environment_unlisted", "detail": "notes is not for clients of staging"}]
}

test_an_environment_in_capitals_is_another if decide(request("Production", "notes")).allow == false

test_another_resource_is_denied if decide(request("production", "calendar")).allow == false

test_no_environment_is_denied if {
	d := decide({"client": {"id": "claude"}, "resource": {"name": "notes"}})
	d.allow == false
	d.reasons[0].code == "environment_absent"
}

test_no_resource_is_denied if decide({"client": {"id": "claude", "environment": "production"}}).allow == false

test_nobody_need_be_behind_it if {
	d := decide(object.union(request("production", "notes"), {"actor": {"kind": "workload", "depth": 0}}))
	d.allow == true
}

test_no_data_is_denied if {
	d := authz.decision with input as request("production", "notes") with data.policy as {}
	d.allow == false
}
