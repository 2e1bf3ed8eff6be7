package chancery.authz_test

import data.chancery.authz

rules := {
	"grants": [{"groups": ["notes-readers", "on-call"], "resource": "notes", "scopes": ["notes:read"]}],
	"lifetime": 600,
	"glass": [
		{
			"users": ["usr_1"],
			"resource": "notes",
			"scopes": ["notes:write"],
			"until": "2026-09-01T12:00:00Z",
			"because": "INC-4711",
		},
		{
			"groups": ["on-call"],
			"resource": "notes",
			"scopes": ["notes:purge"],
			"until": "2026-09-01T18:00:00+02:00",
			"because": "INC-4712",
		},
	],
}

noon := 1788264000 # 2026-09-01T12:00:00Z

asking(scopes, unix) := {
	"user": {"id": "usr_1", "groups": ["notes-readers"]},
	"resource": {"name": "notes"},
	"requested": {"scopes": scopes},
	"time": {"unix": unix},
}

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as rules
}

test_every_day if {
	d := decide(asking(["notes:read"], noon - 3600))
	d.allow == true
	d.scopes == {"notes:read"}
	not d.lifetime
	d.reasons == {{"code": "group_grants_scope", "detail": "notes-readers grants notes:read"}}
}

test_broken if {
	d := decide(asking(["notes:read", "notes:write"], noon - 3600))
	d.allow == true
	d.scopes == {"notes:read", "notes:write"}
	d.lifetime == 600
	{"code": "glass_broken", "detail": "notes:write until 2026-09-01T12:00:00Z: INC-4711"} in d.reasons
}

test_the_token_ends_with_it if decide(asking(["notes:write"], noon - 60)).lifetime == 60

test_one_second_before_the_end if decide(asking(["notes:write"], noon - 1)).lifetime == 1

test_over if {
	d := decide(asking(["notes:write"], noon))
	d.allow == true
	d.scopes == {"notes:read"}
	not d.lifetime
}

test_of_a_group if {
	user := {"user": {"id": "usr_2", "groups": [], "group_names": ["on-call"]}}
	d := decide(object.union(asking(["notes:purge"], noon), user))
	d.scopes == {"notes:read", "notes:purge"}
}

test_not_for_others if {
	d := decide(object.union(asking(["notes:write"], noon - 3600), {"user": {"id": "usr_3"}}))
	d.scopes == {"notes:read"}
}

test_who_has_nothing_else if {
	d := decide(object.union(asking(["notes:write"], noon - 3600), {"user": {"groups": []}}))
	d.allow == true
	d.scopes == {"notes:write"}
}

test_who_has_nothing_else_when_it_is_over if {
	d := decide(object.union(asking(["notes:write"], noon), {"user": {"groups": []}}))
	d.allow == false
	d.reasons[0].code == "no_group_grants_scope"
}

test_not_for_another_resource if {
	d := decide(object.union(asking(["notes:write"], noon - 3600), {"resource": {"name": "calendar"}}))
	d.allow == false
}

test_nobody_is_denied if decide(object.remove(asking(["notes:write"], noon - 3600), ["user"])).allow == false

test_no_time_is_over if {
	d := decide(object.remove(asking(["notes:write"], noon), ["time"]))
	d.scopes == {"notes:read"}
}

test_no_data_is_denied if {
	d := authz.decision with input as asking(["notes:write"], noon - 3600) with data.policy as {}
	d.allow == false
}
