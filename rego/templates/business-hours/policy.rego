package chancery.authz

# A holiday begins and ends at a moment, so that it is the same in every time zone.
holiday if {
	some day in data.policy.closed
	input.time.unix >= time.parse_rfc3339_ns(day.from) / 1000000000
	input.time.unix < time.parse_rfc3339_ns(day.until) / 1000000000
}

# Weekdays and hours are those of the tenant's time zone.
within if {
	some entry in data.policy.open
	input.time.weekday in entry.days
	input.time.hour >= entry.from
	input.time.hour < entry.to
	input.time.unix
	not holiday
}

held contains group if some group in input.user.groups

held contains group if some group in input.user.group_names

always contains name if {
	some name in data.policy.always.clients
	name in {input.client.name, input.client.id}
}

always contains name if {
	some name in data.policy.always.groups
	name in held
}

now := sprintf("%s, hour %d", [input.time.weekday, input.time.hour])

decision := {
	"allow": true,
	"reasons": [{"code": "within_hours", "detail": sprintf("%s is within hours", [now])}],
} if {
	within
} else := {
	"allow": true,
	"reasons": [{"code": "always_open", "detail": sprintf("%s may come at any time", [concat(" ", always)])}],
} if {
	count(always) > 0
} else := {
	"allow": false,
	"reasons": [{"code": "outside_hours", "detail": sprintf("%s is outside hours", [now])}],
} if {
	now
} else := {
	"allow": false,
	"reasons": [{"code": "time_absent", "detail": "it is not known what time it is"}],
}
