package oauth

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxRedirect = 1024

// AnswerParameters are all that an answer to an authorization request adds to the address that it goes to.
func AnswerParameters() []string {
	return []string{"code", "error", "error_description", "error_uri", "state", "iss"}
}

// RedirectProblem says what is expected of a redirect URI, or "". It is the one rule for where an answer may go: whoever
// registers a client is told by it, and the authorization endpoint refuses by it what was registered before.
func RedirectProblem(uri string) string {
	if len(uri) > maxRedirect {
		return "at most 1024 bytes"
	}
	// RFC 3986 §2: what is no character of a URI, browsers mend, each in its own way. A fragment: RFC 6749 §3.1.2. An apostrophe
	// is one, but a page that goes on cannot say it (HTML §4.2.5.3: it quotes the address of a refresh).
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= 0x20 || r > 0x7e || strings.ContainsRune("\"'<>\\^`{|}#", r) }) {
		return "the characters of a URI (RFC 3986 §2), without fragment and apostrophe"
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || !strings.HasPrefix(uri, u.Scheme+":") {
		return "an absolute URI with its scheme in lower case"
	}
	if wrong := reservedQuery(u.RawQuery); wrong != "" {
		return wrong
	}
	if hasDots(uri) {
		return "a path without dot segments"
	}
	switch {
	case u.Scheme == "https" || u.Scheme == "http":
		return hostProblem(u, uri)
	case !strings.Contains(u.Scheme, ".") && !IsApplication(uri): // RFC 8252 §7.1; javascript: and data: among them
		return "https, http on loopback, or a private-use scheme with a dot"
	case u.User != nil || u.Opaque == "" && u.Host == "" && u.Path == "":
		return "a private-use URI with a place in it"
	}
	return ""
}

func hostProblem(u *url.URL, uri string) string {
	authority, ok := strings.CutPrefix(uri, u.Scheme+"://")
	if end := strings.IndexAny(authority, "/?"); end >= 0 {
		authority = authority[:end]
	}
	if !ok || authority == "" || u.Host != authority || u.Hostname() == "" || strings.ContainsAny(authority, "@%") {
		return "a host, with a port at most"
	}
	if _, port, found := strings.Cut(authority[strings.LastIndexByte(authority, ']')+1:], ":"); found && !IsPort(port) {
		return "a port from 1 to 65535"
	}
	if u.Scheme == "http" && !IsLoopback(u.Hostname()) { // RFC 9700 §2.6
		return "https, except on loopback"
	}
	return ""
}

// hasDots: a browser removes dot segments before it goes there, in their escaped spellings too (URL Standard §4.1), so that
// the place would not be the one that was compared.
func hasDots(uri string) bool {
	path, _, _ := strings.Cut(uri, "?")
	for segment := range strings.SplitSeq(strings.ReplaceAll(strings.ToLower(path), "%2e", "."), "/") {
		if segment, _, _ = strings.Cut(segment, ";"); segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// IsLoopback tells whether a host is the person's own machine.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// reservedQuery: the registered query is kept (RFC 6749 §3.1.2), so it must not hold what the answer adds: with two of
// one name, each reader would believe another.
func reservedQuery(query string) string {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		raw, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(raw)
		if err != nil || slices.Contains(AnswerParameters(), name) {
			return "a query without parameters of the answer"
		}
	}
	return ""
}

// IsPort tells whether a text is a port, in its only spelling.
func IsPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}
