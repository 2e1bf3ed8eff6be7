package authorization

import (
	"net/url"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

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
	if wrong := oauth.RedirectProblem(uri); wrong != "" {
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
			if !oauth.IsPort(port[:end]) {
				return "", "", false
			}
			rest = port[end:]
		}
		return host, rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", "", false
}

// Loopback tells whether an answer to the URI reaches whatever program listens on the person's machine: no client can be
// told from another there (RFC 8252 §8.6).
func Loopback(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "http" && oauth.IsLoopback(u.Hostname())
}
