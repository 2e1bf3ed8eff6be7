package remedy

import (
	"fmt"
	"slices"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/vocabulary"
)

// family is what a candidate changes.
type family int

const (
	familySignIn family = iota
	familyACR
	familyGroup
	familyFewer
	familyCeiling
	familyProof
	familyUser
	familyHour
	familyDay
)

// nearestOnly: of hours and days that would do, the next one says it.
func (f family) nearestOnly() bool { return f == familyHour || f == familyDay }

// Bounds on candidates, so that pairs stay within thousands.
const (
	maxGroups = 48
	maxACRs   = 8
	maxScopes = 8
)

// candidate is a change that may help. apply never writes into what the original input holds.
type candidate struct {
	Change
	family family
	apply  func(*policy.Input)
	scope  string // that a ceiling is raised by
}

// excludes: two of one family replace each other, but for groups and ceilings, which add up.
func (c candidate) excludes(o candidate) bool {
	return c.family == o.family && c.family != familyGroup && c.family != familyCeiling && c.family != familyUser
}

// candidates lists what to try, the likeliest first; all is false when there is more than may be tried.
func candidates(in *policy.Input, d policy.Decision, sources []policy.Source) (list []candidate, all bool) {
	words := vocabulary.Of(resourceOf(in), sources...)
	acrs, groups := words.ACRs, words.Groups
	if d.StepUp != nil {
		acrs = append(slices.Clone(d.StepUp.ACRValues), acrs...)
	}
	for _, text := range words.Texts { // after the names that are surely such
		if !slices.Contains(groups, text) {
			groups = append(groups, text)
		}
	}
	all = len(acrs) <= maxACRs
	list = signIns(in, acrs[:min(len(acrs), maxACRs)], nil)
	member, complete := joins(in, groups)
	list = append(list, member...)
	all = all && complete
	less, complete := fewer(in, d)
	list = append(list, less...)
	all = all && complete
	list = append(list, ceilings(in)...)
	list = append(list, proofs(in)...)
	list = append(list, hours(in)...)
	return list, all
}

// signIns are a fresh sign-in, and one of each acr; of those that have are not again.
func signIns(in *policy.Input, acrs []string, have []candidate) (list []candidate) {
	if in.User == nil {
		return nil // nobody could sign in
	}
	assertion := func(in *policy.Input, change func(*policy.Assertion)) {
		a := policy.Assertion{}
		if in.Assertion != nil {
			a = *in.Assertion
		}
		change(&a)
		in.Assertion = &a
	}
	add := func(c candidate) {
		same := func(o candidate) bool { return o.family == c.family && o.Value == c.Value }
		if !slices.ContainsFunc(have, same) && !slices.ContainsFunc(list, same) {
			list = append(list, c)
		}
	}
	if at := in.Time.Unix; at > 0 && (in.Assertion == nil || in.Assertion.AuthTime != at) {
		add(candidate{
			Change: Change{Member: "assertion.auth_time", Do: "set", Value: at, Text: "sign in again, just before"}, family: familySignIn,
			apply: func(in *policy.Input) {
				assertion(in, func(a *policy.Assertion) { a.AuthTime = in.Time.Unix })
			},
		})
	}
	for _, acr := range acrs {
		if in.Assertion != nil && in.Assertion.ACR == acr {
			continue
		}
		add(candidate{
			Change: Change{Member: "assertion.acr", Do: "set", Value: acr, Text: fmt.Sprintf("sign in with acr %q", acr)}, family: familyACR,
			apply: func(in *policy.Input) { assertion(in, func(a *policy.Assertion) { a.ACR = acr }) },
		})
	}
	return list
}

// joins are the groups that the person is not in.
func joins(in *policy.Input, groups []string) (list []candidate, all bool) {
	if in.User == nil {
		return nil, true
	}
	for _, group := range groups {
		if slices.Contains(in.User.Groups, group) && slices.Contains(in.User.GroupNames, group) {
			continue
		}
		if len(list) == maxGroups {
			return list, false
		}
		list = append(list, candidate{
			Change: Change{Member: "user.group_names", Do: "add", Value: group, Text: fmt.Sprintf("be in group %q", group)}, family: familyGroup,
			apply: func(in *policy.Input) {
				u := *in.User
				u.Groups, u.GroupNames = with(u.Groups, group), with(u.GroupNames, group)
				u.GroupsState = policy.GroupsComplete
				in.User = &u
			},
		})
	}
	return list, true
}

// proofs are a bound key, and a person who is neither a guest nor switched off.
func proofs(in *policy.Input) (list []candidate) {
	if in.Client != nil && !in.Client.DPoP {
		list = append(list, candidate{
			Change: Change{Member: "client.dpop", Do: "set", Value: true, Text: "send a DPoP proof"}, family: familyProof,
			apply: func(in *policy.Input) {
				c := *in.Client
				c.DPoP = true
				in.Client = &c
			},
		})
	}
	user := func(member string, value any, text string, change func(*policy.User)) {
		list = append(list, candidate{
			Change: Change{Member: member, Do: "set", Value: value, Text: text}, family: familyUser,
			apply: func(in *policy.Input) {
				u := *in.User
				change(&u)
				in.User = &u
			},
		})
	}
	if in.User != nil && in.User.Guest {
		user("user.guest", false, "be no guest", func(u *policy.User) { u.Guest = false })
	}
	if in.User != nil && in.User.Status != "" && in.User.Status != "active" {
		user("user.status", "active", "be an active user", func(u *policy.User) { u.Status = "active" })
	}
	return list
}

// with never writes into list.
func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(slices.Clone(list), s)
}
