package cimd

import (
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// Bounds of redirect_uris.
const (
	maxRedirects   = 50
	maxRedirectURI = 1024
)

// redirectProblem says what is expected of a redirect URI, or "". It will be
// compared byte for byte (RFC 9700 §2.1), the port of http on loopback aside
// (RFC 8252 §7.3); what is here has one reading.
func redirectProblem(uri string) string {
	if expected := oauth.RedirectProblem(uri); expected != "" { // what no answer is ever sent to
		return expected
	}
	switch {
	case !plain(uri):
		return "the characters of a URI (RFC 3986 §2)"
	case strings.Contains(uri, "*"): // RFC 9700 §2.1: no patterns
		return "no wildcard"
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	switch {
	case !ok || !isScheme(scheme):
		return "an absolute URI with a lower-case scheme"
	case scheme == "https":
		return webProblem(rest)
	case scheme == "http":
		return loopbackProblem(rest)
	case oauth.IsApplication(uri):
		return ""
	case !strings.Contains(scheme, "."):
		// RFC 8252 §7.1: a private-use scheme is a domain name in reverse, and has a
		// dot; javascript, data, file and blob have none.
		return "https, http on loopback, or a private-use scheme with a dot"
	default:
		return privateUseProblem(rest)
	}
}

// isScheme: RFC 3986 §3.1, in lower case.
func isScheme(scheme string) bool {
	for i := range len(scheme) {
		c := scheme[i]
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return scheme != "" && !strings.HasSuffix(scheme, ".") && !strings.Contains(scheme, "..")
}

func webProblem(rest string) string {
	at, wrong := hierarchy(rest)
	switch {
	case wrong != "":
		return wrong
	case !isHost(at.host):
		return "a lower-case host name with a dot"
	}
	return queriedPathProblem(at.path)
}

// loopbackProblem: http carries a code in the clear, so it may go nowhere but to
// the machine itself (RFC 8252 §7.3). A port that is not named is any port.
func loopbackProblem(rest string) string {
	at, wrong := hierarchy(rest)
	switch {
	case wrong != "":
		return wrong
	case !isLoopback(at.host):
		return "http for localhost, 127.0.0.1 and [::1] only"
	}
	return queriedPathProblem(at.path)
}

// privateUseProblem: com.example.app:/path, with an authority or without one.
func privateUseProblem(rest string) string {
	rest = strings.TrimPrefix(rest, "//")
	if rest == "" {
		return "a path"
	}
	authority, _, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		return "no user information"
	}
	return queriedPathProblem(rest)
}

// place is what a hierarchical URI names.
type place struct{ host, port, path string }

// hierarchy reads what follows the scheme of https and http.
func hierarchy(rest string) (at place, wrong string) {
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return place{}, "an authority"
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority, at.path = rest[:end], rest[end:]
	}
	if strings.Contains(authority, "@") { // RFC 9110 §4.2.4: it misleads about the host
		return place{}, "no user information"
	}
	var hasPort bool
	if at.host, at.port, hasPort = splitPort(authority); hasPort && !isPort(at.port) {
		return place{}, "a port"
	}
	return at, ""
}

// queriedPathProblem: a browser removes dot segments before it goes there, so
// that the place would not be the one that was compared. An empty segment and a
// query are the client's own business.
func queriedPathProblem(path string) string {
	path, _, _ = strings.Cut(path, "?")
	for segment := range strings.SplitSeq(path, "/") {
		if isDots(segment) {
			return "no dot segment"
		}
	}
	return ""
}

// isDots: a browser knows the escaped spellings too (URL Standard §4.1), and some
// servers cut at the semicolon.
func isDots(segment string) bool {
	segment, _, _ = strings.Cut(segment, ";")
	segment = strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
	return segment == "." || segment == ".."
}

// isLoopbackRedirect tells whether a URI that was accepted leads to whichever
// program listens on the person's machine.
func isLoopbackRedirect(uri string) bool { return strings.HasPrefix(uri, "http://") }

// isWebRedirect tells whether it leads to a site.
func isWebRedirect(uri string) bool { return strings.HasPrefix(uri, "https://") }

// redirectHost is what a person is shown of a redirect URI: the host, or the
// scheme that an application on the machine has claimed.
func redirectHost(uri string) string {
	scheme, rest, _ := strings.Cut(uri, ":")
	if scheme != "https" && scheme != "http" {
		return scheme
	}
	at, _ := hierarchy(rest) // it was accepted before
	return at.host
}
