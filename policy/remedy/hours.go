package remedy

import (
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// hours are the same request later: within a day by the hour, within a week by the day. What is as old as the request,
// such as the sign-in, is as old then. A change of daylight saving between is not looked at.
func hours(in *policy.Input) (list []candidate) {
	now, err := time.Parse(time.RFC3339, in.Time.RFC3339)
	if err != nil {
		return nil
	}
	add := func(f family, later time.Duration, change Change) {
		list = append(list, candidate{Change: change, family: f, apply: func(in *policy.Input) {
			in.Time = policy.At(now.Add(later), now.Location())
			if in.Assertion == nil {
				return
			}
			a := *in.Assertion
			for _, t := range []*int64{&a.IssuedAt, &a.ExpiresAt, &a.AuthTime} {
				if *t != 0 {
					*t += int64(later.Seconds())
				}
			}
			in.Assertion = &a
		}})
	}
	for n := 1; n < 24; n++ {
		later := time.Duration(n) * time.Hour
		at := now.Add(later)
		add(familyHour, later, Change{Member: "time.hour", Do: "set", Value: at.Hour(), Text: fmt.Sprintf("ask between %02d:00 and %02d:59, as on %s", at.Hour(), at.Hour(), at.Weekday())})
	}
	for n := 1; n < 7; n++ {
		later := time.Duration(n) * 24 * time.Hour
		day := now.Add(later).Weekday().String()
		add(familyDay, later, Change{Member: "time.weekday", Do: "set", Value: day, Text: "ask on a " + day})
	}
	return list
}
