package policy

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
