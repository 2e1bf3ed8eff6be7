package decision

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// values masks the values of an object, or the one at rest, on a copy. Names stay, and so do booleans and null.
func values(m *map[string]any, rest []string, c changer) bool {
	if len(rest) > 0 {
		v, ok := (*m)[rest[0]]
		if !ok {
			return false
		}
		inner, isObject := v.(map[string]any)
		if len(rest) > 1 && !isObject {
			return false
		}
		*m = maps.Clone(*m)
		if len(rest) == 1 {
			(*m)[rest[0]] = value(v, c)
			return true
		}
		found := values(&inner, rest[1:], c)
		(*m)[rest[0]] = inner
		return found
	}
	masked := make(map[string]any, len(*m))
	for _, name := range sorted(*m) { // in order: what is invented for them counts
		masked[name] = value((*m)[name], c)
	}
	found := len(masked) > 0
	*m = masked
	return found
}

// value masks what came from JSON. A number becomes text: which number it was is not told by its kind.
func value(v any, c changer) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case string:
		if v == "" {
			return v
		}
		return c.text(v)
	case json.Number:
		return c.text(v.String())
	case map[string]any:
		values(&v, nil, c)
		return v
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = value(list[i], c)
		}
		return list
	case []string:
		list := slices.Clone(v)
		for i := range list {
			list[i] = c.text(list[i])
		}
		return list
	default:
		return c.text(fmt.Sprint(v))
	}
}
