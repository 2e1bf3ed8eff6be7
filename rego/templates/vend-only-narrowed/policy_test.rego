package chancery.authz_test

import data.chancery.authz

whole := [{"provider": "crm", "clients": ["claude", "https://agent.example/client.json"]}]

request(provider, narrowing) := {
	"action": "vend",
	"client": {"id": "0oa1", "name": "claude"},
	"connection": {"provider": provider, "narrowing": narrowing},
}

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as {"whole": whole}
}

test_narrowed if {
	d := decide(request("github", "native"))
	d.allow == true
	not "scopes" in object.keys(d)
	d.reasons == [{"code": "credential_narrowed", "detail": "github narrows what it issues"}]
}

test_not_narrowed_is_denied if {
	d := decide(request("slack", "none"))
	d.allow == false
	d.reasons[0].code == "credential_not_narrowed"
}

test_excepted if {
	d := decide(request("crm", "none"))
	d.allow == true
	d.reasons == [{"code": "credential_excepted", "detail": "crm is lent whole to 0oa1"}]
}

test_excepted_by_client_id if {
	asked := {"client": {"id": "https://agent.example/client.json", "name": "agent-example"}}
	decide(object.union(request("crm", "none"), asked)).allow == true
}

test_excepted_for_others_only if {
	decide(object.union(request("crm", "none"), {"client": {"id": "eve", "name": "eve"}})).allow == false
}

test_another_word_is_not_narrowed if decide(request("slack", "Native")).allow == false

test_not_known_is_denied if {
	decide(object.remove(request("slack", "none"), ["connection"])).allow == false
	decide(object.union(object.remove(request("x", "none"), ["connection"]), {"connection": {"provider": "slack"}})).allow == false
}

test_what_lends_nothing_passes if {
	d := decide(object.union(request("slack", "none"), {"action": "issue"}))
	d.allow == true
	d.reasons[0].code == "nothing_lent"
}

test_no_action_is_denied if decide(object.remove(request("github", "native"), ["action"])).allow == false

test_no_data_excepts_nobody if {
	d := authz.decision with input as request("crm", "none") with data.policy as {}
	d.allow == false
}
