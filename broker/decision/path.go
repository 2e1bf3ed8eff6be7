package decision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/policy"
)

// member is a part of input that can be masked. visit calls change for each of its values, on a copy; it reports whether there
// was one.
type member struct {
	name string
	// personal members are masked wherever no policy that was asked can read them.
	personal bool
	// open members hold what has no fixed shape, so that a path may go on in them.
	open  bool
	visit func(in *policy.Input, rest []string, change changer) bool
}

// changer masks text; email keeps what follows the last @.
type changer interface {
	text(string) string
	email(string) string
}

// members are all that can be masked, in the order of input. What names the decision itself (the action, the tenant, the
// client, the resource, our own id of the user, scopes and the time) is in the audit log too and stays.
func members() []member {
	return []member{
		{name: "assertion.claims", personal: true, open: true, visit: func(in *policy.Input, rest []string, c changer) bool {
			if in.Assertion == nil || in.Assertion.Claims == nil {
				return false
			}
			a := *in.Assertion
			in.Assertion = &a
			return values(&a.Claims, rest, c)
		}},
		user("user.sub", true, func(u *policy.User, c changer) bool { return one(&u.Sub, c.text) }),
		user("user.email", true, func(u *policy.User, c changer) bool { return one(&u.Email, c.email) }),
		user("user.home_tenant", false, func(u *policy.User, c changer) bool { return one(&u.HomeTenant, c.text) }),
		user("user.groups", false, func(u *policy.User, c changer) bool { return each(&u.Groups, c.text) }),
		user("user.group_names", false, func(u *policy.User, c changer) bool { return each(&u.GroupNames, c.text) }),
		user("user.roles", false, func(u *policy.User, c changer) bool { return each(&u.Roles, c.text) }),
		{name: "user.attributes", personal: true, open: true, visit: func(in *policy.Input, rest []string, c changer) bool {
			if in.User == nil || in.User.Attributes == nil {
				return false
			}
			u := *in.User
			in.User = &u
			return values(&u.Attributes, rest, c)
		}},
		{name: "actor.chain", visit: func(in *policy.Input, _ []string, c changer) bool {
			if in.Actor == nil || len(in.Actor.Chain) == 0 {
				return false
			}
			a := *in.Actor
			a.Chain = slices.Clone(a.Chain)
			for i := range a.Chain {
				a.Chain[i].Sub = c.text(a.Chain[i].Sub)
			}
			in.Actor = &a
			return true
		}},
		{name: "workload.sub", visit: func(in *policy.Input, _ []string, c changer) bool {
			if in.Workload == nil {
				return false
			}
			w := *in.Workload
			in.Workload = &w
			return one(&w.Sub, c.text)
		}},
		{name: "requested.authorization_details", personal: true, visit: func(in *policy.Input, _ []string, c changer) bool {
			if in.Requested == nil || len(in.Requested.AuthorizationDetails) == 0 {
				return false
			}
			r := *in.Requested
			r.AuthorizationDetails = slices.Clone(r.AuthorizationDetails)
			for i := range r.AuthorizationDetails {
				values(&r.AuthorizationDetails[i], nil, c)
			}
			in.Requested = &r
			return true
		}},
		{name: "connection.account", personal: true, visit: func(in *policy.Input, _ []string, c changer) bool {
			if in.Connection == nil {
				return false
			}
			connection := *in.Connection
			in.Connection = &connection
			return one(&connection.Account, c.text)
		}},
		{name: "network.ip", personal: true, visit: func(in *policy.Input, _ []string, c changer) bool {
			if in.Network == nil {
				return false
			}
			n := *in.Network
			in.Network = &n
			return one(&n.IP, c.text)
		}},
	}
}

func user(name string, personal bool, change func(*policy.User, changer) bool) member {
	return member{name: name, personal: personal, visit: func(in *policy.Input, _ []string, c changer) bool {
		if in.User == nil {
			return false
		}
		u := *in.User
		in.User = &u
		return change(&u, c)
	}}
}

func one(s *string, mask func(string) string) bool {
	if *s == "" {
		return false
	}
	*s = mask(*s)
	return true
}

func each(list *[]string, mask func(string) string) bool {
	if len(*list) == 0 {
		return false
	}
	*list = slices.Clone(*list)
	for i, s := range *list {
		(*list)[i] = mask(s)
	}
	return true
}

// path is one member to mask, or a part of one that is open.
type path struct {
	member member
	rest   []string
}

func (p path) String() string { return strings.Join(append([]string{p.member.name}, p.rest...), ".") }

// parsePath reads a path such as user.email or user.attributes.phone.
func parsePath(text string) (path, error) {
	var names []string
	for _, m := range members() {
		rest, ok := strings.CutPrefix(text, m.name)
		switch {
		case ok && rest == "":
			return path{member: m}, nil
		case ok && m.open && strings.HasPrefix(rest, ".") && !strings.Contains(rest+".", ".."):
			return path{member: m, rest: strings.Split(rest[1:], ".")}, nil
		}
		names = append(names, m.name)
	}
	return path{}, fmt.Errorf("%.64q cannot be masked: one of %s is expected, with ! before it to record it in the clear", text, strings.Join(names, ", "))
}
