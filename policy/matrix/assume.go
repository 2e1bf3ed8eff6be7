package matrix

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/policy"
)

const absent = "absent"

// varies reports whether a member of input differs between cells, or is what the matrix is about.
func varies(member string) bool {
	switch member {
	case "user.groups", "user.group_names", "user.id", "requested.scopes", "asserted.scopes", "available_scopes", "action", "version", "actor.kind":
		return true
	}
	first, _, _ := strings.Cut(member, ".")
	return first == "client" || first == "resource"
}

// assumes lists what the policies read of input that is one value in every cell.
func assumes(set *policy.Set, resources []Resource, base policy.Input) (list []Assumption, all bool, err error) {
	read := map[string]bool{}
	for _, r := range resources {
		members, everything := set.Reads(r.Name, base.Action)
		all = all || everything
		for _, m := range members {
			read[m] = true
		}
	}
	text, err := base.JSON()
	if err != nil {
		return nil, false, err
	}
	var input map[string]json.RawMessage
	if err := json.Unmarshal(text, &input); err != nil {
		return nil, false, err
	}
	list = []Assumption{}
	for _, member := range slices.Sorted(maps.Keys(read)) {
		if !varies(member) {
			list = append(list, Assumption{Member: member, Value: value(input, member)})
		}
	}
	return list, all, nil
}

func value(input map[string]json.RawMessage, member string) string {
	first, inner, nested := strings.Cut(member, ".")
	text, ok := input[first]
	if ok && nested {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return absent
		}
		text, ok = members[inner]
	}
	if !ok {
		return absent
	}
	return string(text)
}
