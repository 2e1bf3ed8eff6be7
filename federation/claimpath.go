package federation

import (
	"fmt"
	"strconv"
	"strings"
)

// claimsPrefix marks a claim by its path; `sub` alone needs none.
const claimsPrefix = "claims"

// ParseClaimPath reads a claim's path as administrators write it: `sub`, or
// `claims` and one part for each level: `claims.repository`, and with quotes where
// a name has a dot of its own, `claims["kubernetes.io"].namespace`.
func ParseClaimPath(text string) ([]string, error) {
	if text == "sub" {
		return []string{"sub"}, nil
	}
	rest, ok := strings.CutPrefix(text, claimsPrefix)
	if !ok || rest == "" {
		return nil, fmt.Errorf(`claim path %q: "sub", "claims.NAME" or claims["NAME"] is needed`, text)
	}
	var path []string
	for rest != "" {
		var name string
		switch {
		case strings.HasPrefix(rest, "."):
			name, rest = rest[1:], ""
			if end := strings.IndexAny(name, ".["); end >= 0 {
				name, rest = name[:end], name[end:]
			}
		case strings.HasPrefix(rest, "["):
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || quoted[0] != '"' {
				return nil, fmt.Errorf(`claim path %q: a name in double quotes is needed after "["`, text)
			}
			name, _ = strconv.Unquote(quoted)
			rest, ok = strings.CutPrefix(rest[1+len(quoted):], "]")
			if !ok {
				return nil, fmt.Errorf(`claim path %q: "]" is missing`, text)
			}
		default:
			return nil, fmt.Errorf("claim path %q: %q does not begin a part", text, rest)
		}
		if name == "" {
			return nil, fmt.Errorf("claim path %q: an empty name", text)
		}
		path = append(path, name)
	}
	return path, nil
}

// ClaimPath writes a path so that ParseClaimPath reads it back.
func ClaimPath(path []string) string {
	if len(path) == 1 && path[0] == "sub" {
		return "sub"
	}
	var b strings.Builder
	b.WriteString(claimsPrefix)
	for _, name := range path {
		if strings.ContainsAny(name, `."[]\`) || name != strings.TrimSpace(name) {
			b.WriteString("[" + strconv.Quote(name) + "]")
			continue
		}
		b.WriteString("." + name)
	}
	return b.String()
}
