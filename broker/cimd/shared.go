package cimd

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// What a client says of itself is held to the same rules wherever it says it: these are for clients that register
// themselves (RFC 7591 §2), too.

// Bounds of what a client says of itself.
const (
	MaxRedirectURIs = maxRedirects
	MaxName         = maxName // characters
)

// RedirectProblem says what is expected of a redirect URI, or "".
func RedirectProblem(uri string) string { return redirectProblem(uri) }

// IsWebRedirect tells whether a redirect URI that was accepted leads to a site; every other leads to a program on the
// person's machine.
func IsWebRedirect(uri string) bool { return isWebRedirect(uri) }

// RedirectHost is what a person is shown of a redirect URI that was accepted.
func RedirectHost(uri string) string { return redirectHost(uri) }

// PageProblem says what is expected of the URL of a page, or of keys, or "".
func PageProblem(uri string) string { return (&Document{}).uriProblem(uri) }

// VisibleName is a client's name without what cannot be seen; false where nothing is left, or too much.
func VisibleName(given string) (string, bool) {
	name := visible(given)
	return name, name != "" && utf8.RuneCountInString(name) <= maxName
}

// Lists tells whether a host is among patterns: exact names, or *.suffix for every name below a suffix.
func Lists(patterns []string, host string) bool { return Rules{Hosts: patterns}.lists(host) }

// CheckKeys refuses a key set that holds a private or symmetric key, or nothing that could be used.
func CheckKeys(set map[string]any) error {
	if err := checkPrivate(set); err != nil {
		return err
	}
	return (&Document{}).keepKeys(set)
}

// CheckAlgorithm refuses what a client assertion is never signed with (RFC 7591 §2).
func CheckAlgorithm(algorithm string) bool {
	return algorithm != "none" && !strings.HasPrefix(algorithm, "HS")
}

// Native tells whether any of the redirect URIs leads to the machine.
func Native(redirects []string) bool {
	return slices.ContainsFunc(redirects, func(uri string) bool { return !isWebRedirect(uri) })
}
