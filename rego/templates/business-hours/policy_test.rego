package chancery.authz_test

import data.chancery.authz

week := ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]

hours := {
	"open": [
		{"days": week, "from": 8, "to": 18},
		{"days": ["Saturday"], "from": 9, "to": 12},
	],
	"closed": [{"from": "2026-12-25T00:00:00+01:00", "until": "2026-12-27T00:00:00+01:00"}],
	"always": {"clients": ["nightly-export"], "groups": ["on-call"]},
}

at(weekday, hour) := {
	"user": {"id": "usr_1", "groups": ["staff"]},
	"client": {"id": "0oa1", "name": "claude"},
	"time": {"unix": 1788000000, "rfc3339": "2026-08-29T12:00:00+02:00", "weekday": weekday, "hour": hour},
}

decide(asked) := d if {
	d := authz.decision with input as asked with data.policy as hours
}

test_within if {
	d := decide(at("Monday", 8))
	d.allow == true
	not "scopes" in object.keys(d)
	d.reasons == [{"code": "within_hours", "detail": "Monday, hour 8 is within hours"}]
}

test_the_last_hour_is_within if decide(at("Friday", 17)).allow == true

test_the_end_is_outside if {
	d := decide(at("Friday", 18))
	d.allow == false
	d.reasons == [{"code": "outside_hours", "detail": "Friday, hour 18 is outside hours"}]
}

test_before_the_beginning_is_outside if decide(at("Monday", 7)).allow == false

test_each_day_has_its_hours if {
	decide(at("Saturday", 9)).allow == true
	decide(at("Saturday", 12)).allow == false
	decide(at("Sunday", 10)).allow == false
}

holiday := {"time": {"unix": 1798189200}} # 2026-12-25T10:00:00+01:00

test_a_holiday_is_outside if decide(object.union(at("Friday", 10), holiday)).allow == false

test_the_day_before_and_after_are_not if {
	decide(object.union(at("Thursday", 17), {"time": {"unix": 1798153199}})).allow == true
	decide(object.union(at("Monday", 8), {"time": {"unix": 1798326000}})).allow == true
}

test_an_unknown_moment_is_outside if {
	asked := object.union(object.remove(at("Monday", 10), ["time"]), {"time": {"weekday": "Monday", "hour": 10}})
	decide(asked).allow == false
}

test_on_call_comes_on_a_holiday if {
	asked := object.union(object.union(at("Friday", 10), holiday), {"user": {"group_names": ["on-call"]}})
	d := decide(asked)
	d.allow == true
	d.reasons == [{"code": "always_open", "detail": "on-call may come at any time"}]
}

test_a_group_as_sent if decide(object.union(at("Sunday", 3), {"user": {"groups": ["on-call"]}})).allow == true

test_a_client_by_name if decide(object.union(at("Sunday", 3), {"client": {"name": "nightly-export"}})).allow == true

test_a_client_is_no_group if {
	decide(object.union(at("Sunday", 3), {"user": {"groups": ["nightly-export"]}})).allow == false
}

test_no_time_is_denied if {
	d := decide(object.remove(at("Monday", 10), ["time"]))
	d.allow == false
	d.reasons[0].code == "time_absent"
}

test_no_data_is_denied if {
	d := authz.decision with input as at("Monday", 10) with data.policy as {}
	d.allow == false
}
