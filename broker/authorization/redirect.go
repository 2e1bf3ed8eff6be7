package authorization

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

const maxRedirect = 1024

// loopbackHosts are those whose port may differ (RFC 8252 §7.3). localhost is one of them though §8.3 prefers the
// literals: programs that people use register it without a port, and browsers take it for loopback without asking a name
// server (RFC 6761 §6.3). None of the three stands for another.
var loopbackHosts = [...]string{"127.0.0.1", "[::1]", "localhost"}

// settleRedirect finds where the answer may go; named tells whether the request says so itself.
func settleRedirect(form oauth.Form, registered []string) (uri string, named bool, err error) {
	uri = form.Get("redirect_uri")
	named = uri != ""
	if !named {
		if len(registered) != 1 { // RFC 6749 §3.1.2.3
			return "", false, show(oauth.CodeRedirectURIMissing, "no redirect_uri", "one, unless the client has exactly one")
		}
		uri = registered[0]
	}
	// What could not be one is refused even if it was registered: whoever registered it, a browser would go there.
	if wrong := redirectProblem(uri); wrong != "" {
		return "", named, show(oauth.CodeRedirectURIMalformed, uri, wrong)
	}
	if !Registered(uri, registered) {
		return "", named, show(oauth.CodeRedirectURIUnregistered, uri, "a redirect URI of the client, byte for byte")
	}
	return uri, named, nil
}

// Registered tells whether a redirect URI is one of a client's: byte for byte, but for the port on loopback.
func Registered(uri string, registered []string) bool {
	return slices.ContainsFunc(registered, func(r string) bool { return r == uri || samePlace(r, uri) })
}

// samePlace is RFC 8252 §7.3: on loopback, and by http, everything but the port is compared.
func samePlace(registered, requested string) bool {
	host, rest, ok := splitLoopback(registered)
	if !ok {
		return false
	}
	otherHost, otherRest, ok := splitLoopback(requested)
	return ok && host == otherHost && rest == otherRest
}

// splitLoopback takes a loopback URI apart by its bytes, not by a parser that may read it otherwise than a browser.
func splitLoopback(uri string) (host, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	for _, host := range loopbackHosts {
		rest, ok := strings.CutPrefix(after, host)
		if !ok {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			end := strings.IndexAny(port, "/?")
			if end < 0 {
				end = len(port)
			}
			if !isPort(port[:end]) {
				return "", "", false
			}
			rest = port[end:]
		}
		return host, rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", "", false
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// redirectProblem says why a string can be nobody's redirect URI, or nothing.
func redirectProblem(uri string) string {
	if len(uri) > maxRedirect {
		return "at most 1024 bytes"
	}
	// RFC 3986 §2: what is no character of a URI, browsers mend, each in its own way. A fragment: RFC 6749 §3.1.2. An apostrophe
	// is one, but a page that goes on cannot say it (HTML §4.2.5.3: it quotes the address of a refresh).
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= 0x20 || r > 0x7e || strings.ContainsRune("\"'<>\\^`{|}#", r) }) {
		return "a URI without fragment"
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
	case !strings.Contains(u.Scheme, ".") && !oauth.IsApplication(uri): // RFC 8252 §7.1; javascript: and data: among them
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
	if _, port, found := strings.Cut(authority[strings.LastIndexByte(authority, ']')+1:], ":"); found && !isPort(port) {
		return "a port from 1 to 65535"
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) { // RFC 9700 §2.6
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

func isLoopback(host string) bool {
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
		if err != nil || slices.Contains(answerParameters(), name) {
			return "a query without parameters of the answer"
		}
	}
	return ""
}

// Loopback tells whether an answer to the URI reaches whatever program listens on the person's machine: no client can be
// told from another there (RFC 8252 §8.6).
func Loopback(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "http" && isLoopback(u.Hostname())
}
