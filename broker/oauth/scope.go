package oauth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ParseScope splits a scope value (RFC 6749 §3.3): tokens of printable ASCII without quotes and backslashes, single
// spaces between. The order is kept, repetitions are dropped; empty is none.
func ParseScope(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	scopes := make([]string, 0, 4)
	for token := range strings.SplitSeq(s, " ") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
			return nil, Refuse(CodeScopeMalformed, fmt.Sprintf("%.100q", s), "scope tokens separated by single spaces")
		}
		if !slices.Contains(scopes, token) {
			scopes = append(scopes, token)
		}
	}
	return scopes, nil
}

// Intersect keeps of a what b holds, in a's order.
func Intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// CanonicalResource gives the form in which resource identifiers are compared (RFC 8707 §2, RFC 3986 §6.2.2-3): scheme
// and host in lower case, no default or empty port, an empty path as "/". Everything else counts byte for byte, a trailing slash included.
func CanonicalResource(raw string) (string, error) {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r > 0x7e }) { // RFC 3986 §2: a URI is ASCII
		return "", fmt.Errorf("%.200q is no URI", raw)
	}
	u, err := url.Parse(raw)
	if err != nil || !u.IsAbs() || u.Host == "" || u.Fragment != "" || strings.Contains(raw, "#") || u.User != nil {
		return "", fmt.Errorf("%.200q is no absolute URI without fragment", raw)
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := u.Port(); (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // RFC 3986 §6.2.3: an empty port is none
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}
