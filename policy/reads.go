package policy

import (
	"maps"
	"slices"
	"strings"
)

// Reads lists what those who are asked about a resource and action can read of input, as "client.name" or, where it is not
// plain which part, "client"; in order. everything says that it is not plain from their text: they may read all of it.
func (s *Set) Reads(resource string, action Action) (members []string, everything bool) {
	p := s.lookup(resource, action)
	if p.grant == nil {
		return nil, false // nobody is asked
	}
	if p.wants == nil {
		return nil, true
	}
	for _, member := range sortedKeys(p.wants) {
		if p.wants[member] == nil {
			members = append(members, member)
		}
		for _, inner := range sortedKeys(p.wants[member]) {
			members = append(members, member+"."+inner)
		}
	}
	return members, false
}

// MayRead reports whether any of those who are asked about a resource and action can read a member of input, such as
// user.email or user, or a part of it. Where it is not plain from their text, they can. Nobody reads where nobody is asked.
func (s *Set) MayRead(resource string, action Action, member string) bool {
	p := s.lookup(resource, action)
	if p.grant == nil {
		return false
	}
	return p.grant.mayRead(member) || slices.ContainsFunc(p.guards, func(c *Compiled) bool { return c.mayRead(member) })
}

func (c *Compiled) mayRead(member string) bool {
	if c.Isolated() {
		return c.sees.reads(member)
	}
	return c.wants.reads(member)
}

// seenBy reads off the text of modules, which are not compiled, what they may read of input. It never says less than wantedBy:
// a name that stands for a part of input stands for all of that part.
func seenBy(modules map[string]string) wanted {
	parsed, err := parse(modules, root)
	if err != nil {
		return nil // it denies whatever it reads
	}
	return wantedIn(slices.Collect(maps.Values(parsed))...)
}

// reads reports whether the member, a part of it or all around it is wanted. Members are compared down to the second name:
// further down it is not known what is read.
func (w wanted) reads(member string) bool {
	first, rest, nested := strings.Cut(member, ".")
	if w == nil {
		return true
	}
	inner, ok := w[first]
	if !ok || inner == nil || !nested {
		return ok
	}
	second, _, _ := strings.Cut(rest, ".")
	return inner[second]
}
