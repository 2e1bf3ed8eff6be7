package chancery.authz_test

import data.chancery.authz

rules := {
	"approvers": "security",
	"within": 600,
	"destructive": [
		{"resource": "notes", "scopes": ["notes:purge"]},
		{"resource": "calendar", "scopes": ["notes:read"]},
	],
	"risks": ["critical"],
}

all := ["notes:read", "notes:purge", "notes:export"]

request(scopes) := {
	"user": {"id": "usr_1"},
	"resource": {"name": "notes", "scopes": all, "risk": {"notes:read": "low", "notes:export": "critical"}},
	"requested": {"scopes": scopes},
	"available_scopes": all,
}

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as rules
}

test_what_is_listed_waits if {
	d := decide(request(["notes:read", "notes:purge"]))
	d.allow == true
	d.approval == {"group": "security", "within": 600}
	not "scopes" in object.keys(d)
	d.reasons == [{"code": "destructive_needs_approval", "detail": "notes:purge must be allowed by security"}]
}

test_what_is_risky_waits if decide(request(["notes:export"])).approval.group == "security"

test_anything_else_does_not_wait if {
	d := decide(request(["notes:read"]))
	d.allow == true
	not d.approval
	d.reasons[0].code == "nothing_destructive"
}

test_what_is_not_available_does_not_wait if {
	d := decide(object.union(request(all), {"available_scopes": ["notes:read"]}))
	d.allow == true
	not d.approval
}

test_without_risks if {
	d := authz.decision with input as request(["notes:export"]) with data.policy as object.remove(rules, ["risks"])
	d.allow == true
	not d.approval
}

test_no_approvers_is_denied if {
	none := object.remove(rules, ["approvers"])
	d := authz.decision with input as request(["notes:export"]) with data.policy as none
	d.allow == false
	d.reasons[0].code == "request_unknown"
}

test_nobody_is_asked_where_nothing_is_wanted if {
	d := decide(request([]))
	d.allow == true
	not d.approval
}

test_no_request_is_denied if decide(object.remove(request([]), ["requested"])).allow == false

test_no_ceiling_is_denied if decide(object.remove(request(all), ["available_scopes"])).allow == false

test_no_data_is_denied if {
	d := authz.decision with input as request(["notes:purge"]) with data.policy as {}
	d.allow == false
}
