package chancery.authz_test

import data.chancery.authz

strong := {"acr_values": ["phr"], "max_age": 300}

levels := [
	{"risks": ["critical", "high"], "step_up": strong},
	{"risks": ["medium"], "step_up": {"max_age": 28800}},
	{"risks": ["low"]},
]

scopes := ["notes:read", "notes:share", "notes:write", "notes:purge", "notes:new"]

request(asked) := {
	"user": {"id": "usr_1"},
	"resource": {"name": "notes", "scopes": scopes, "risk": {
		"notes:read": "low",
		"notes:share": "medium",
		"notes:write": "high",
		"notes:purge": "unheard of",
	}},
	"requested": {"scopes": asked},
	"available_scopes": scopes,
}

decide(asked) := d if {
	d := authz.decision with input as request(asked) with data.policy as {"levels": levels}
}

test_low_risk_asks_for_nothing if {
	d := decide(["notes:read"])
	d.allow == true
	not d.step_up
	not d.scopes
	d.reasons[0].code == "risk_needs_no_step_up"
}

test_high_risk_asks_for_a_strong_sign_in if {
	d := decide(["notes:write"])
	d.allow == true
	d.step_up == strong
	d.reasons == [{"code": "risk_needs_step_up", "detail": "the risk of notes:write asks for another sign-in"}]
}

test_medium_risk_asks_for_a_fresh_one if decide(["notes:share"]).step_up == {"max_age": 28800}

test_the_riskiest_decides if {
	d := decide(["notes:read", "notes:share", "notes:write"])
	d.step_up == strong
	d.reasons[0].detail == "the risk of notes:write asks for another sign-in"
}

test_an_unknown_risk_is_the_highest if decide(["notes:read", "notes:purge"]).step_up == strong

test_no_risk_is_the_highest if decide(["notes:new"]).step_up == strong

test_a_resource_without_risks_asks_for_the_strongest if {
	bare := object.union(object.remove(request(["notes:read"]), ["resource"]), {"resource": {"name": "notes"}})
	d := authz.decision with input as bare with data.policy as {"levels": levels}
	d.step_up == strong
}

test_a_risk_of_two_levels_is_of_the_first if {
	twice := array.concat(levels, [{"risks": ["high"]}])
	d := authz.decision with input as request(["notes:write"]) with data.policy as {"levels": twice}
	d.step_up == strong
}

test_what_is_not_available_does_not_count if {
	few := object.union(request(["notes:read", "notes:write"]), {"available_scopes": ["notes:read"]})
	d := authz.decision with input as few with data.policy as {"levels": levels}
	d.allow == true
	not d.step_up
}

test_where_nothing_is_asked_for_nothing_is_left if {
	d := decide([])
	d.allow == true
	d.scopes == []
	not d.step_up
	d.reasons[0].code == "no_scope_wanted"
}

test_no_request_is_denied if {
	d := authz.decision with input as object.remove(request([]), ["requested"]) with data.policy as {"levels": levels}
	d.allow == false
	d.reasons[0].code == "risk_unknown"
}

test_no_levels_is_denied if {
	d := authz.decision with input as request(["notes:read"]) with data.policy as {"levels": []}
	d.allow == false
}

test_no_data_is_denied if {
	d := authz.decision with input as request(["notes:read"]) with data.policy as {}
	d.allow == false
}
