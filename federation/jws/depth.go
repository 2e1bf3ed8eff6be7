package jws

// Within tells whether a value nests objects and arrays at most so many levels deep.
func Within(value any, levels int) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if levels == 0 || !Within(member, levels-1) {
				return false
			}
		}
		return levels > 0
	case []any:
		for _, element := range value {
			if levels == 0 || !Within(element, levels-1) {
				return false
			}
		}
		return levels > 0
	default:
		return true
	}
}
