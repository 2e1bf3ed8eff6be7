package cimd

import (
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// MaxURL is the longest client_id there is, for registered clients too.
const MaxURL = 255

// URL is a client_id that can be the URL of a metadata document. It is compared
// and fetched byte for byte as it was sent: nothing is normalised, and whatever
// has a second spelling is refused.
type URL struct {
	raw      string
	host     string
	loopback bool
}

// String returns the client_id.
func (u URL) String() string { return u.raw }

// Host returns the host name, for people and for Rules.
func (u URL) Host() string { return u.host }

// Loopback tells whether the document is on the machine itself, which only
// development allows.
func (u URL) Loopback() bool { return u.loopback }

// IsURL tells whether a client_id means to be a document's URL, so that nobody
// takes it for the name of something else. It may still be refused.
func IsURL(clientID string) bool {
	const scheme = "http" // https too, in any case of letters
	return len(clientID) > len(scheme) && strings.EqualFold(clientID[:len(scheme)], scheme) && strings.Contains(clientID, "://")
}

// ParseURL reads a client_id. With dev, documents on loopback are allowed as
// well, by http or https and on any port.
func ParseURL(clientID string, dev bool) (URL, error) {
	no := func(expected string) (URL, error) {
		return URL{}, refuse(oauth.CodeCIMDURLMalformed, clientID, expected)
	}
	// 1. Bytes. RFC 3986 §2: what cannot be in a URL is where two readers differ.
	switch {
	case len(clientID) > MaxURL:
		return no("at most 255 bytes")
	case !plain(clientID):
		return no("the characters of a URL (RFC 3986 §2)")
	case strings.ContainsAny(clientID, "#"): // §3: MUST NOT contain a fragment
		return no("no fragment")
	case strings.ContainsAny(clientID, "?"): // §3: SHOULD NOT include a query; docs/divergences.md
		return no("no query")
	}

	// 2. Scheme (§3: MUST be https), in the one spelling.
	rest, secure := strings.CutPrefix(clientID, "https://")
	if !secure {
		var http bool
		if rest, http = strings.CutPrefix(clientID, "http://"); !http || !dev {
			return no("https")
		}
	}

	// 3. Authority, and the path that has to follow it (§3: MUST contain a path).
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return no("a path")
	}
	authority, path := rest[:slash], rest[slash:]
	if strings.Contains(authority, "@") { // §3: MUST NOT contain user information
		return no("no user information")
	}
	host, port, hasPort := splitPort(authority)
	loopback := isLoopback(host)
	switch {
	case loopback && !dev: // §6: only where the server itself is in development
		return no("a public host")
	case !loopback && !secure:
		return no("https")
	case !loopback && !isHost(host):
		return no("a lower-case host name with a dot")
	case hasPort && !loopback: // 443 too: it would be a second spelling of the same place
		return no("no port")
	case hasPort && !isPort(port):
		return no("a port")
	}

	// 4. Path (§3: no single-dot or double-dot segments).
	if wrong := pathProblem(path); wrong != "" {
		return no(wrong)
	}
	return URL{raw: clientID, host: host, loopback: loopback}, nil
}

// pathProblem says what is expected of a document's path, or "".
func pathProblem(path string) string {
	if path == "/" { // the root is what a host says of itself; docs/divergences.md
		return "a path besides /"
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		switch wrong := segmentProblem(segment); {
		case segment == "":
			return "no empty segment"
		case wrong != "":
			return wrong
		}
	}
	return ""
}
