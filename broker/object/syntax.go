package object

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxName  = 63 // RFC 1035 §2.3.4
	maxText  = 1024
	maxURL   = 2048
	maxList  = 4096
	maxScope = 255
)

// Each of these says what is wrong with a value, or "".

// nameProblem: names are lower-case DNS labels (RFC 1123 §2.1).
func nameProblem(s string) string {
	if s == "" || len(s) > maxName {
		return "is no name: expected 1 to 63 lower-case letters, digits and inner hyphens"
	}
	for i := range len(s) {
		c := s[i]
		inner := i > 0 && i < len(s)-1
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' && inner {
			continue
		}
		return "is no name: expected 1 to 63 lower-case letters, digits and inner hyphens"
	}
	return ""
}

// clientNameProblem: a name, or the host of a client ID metadata document.
func clientNameProblem(s string) string {
	if nameProblem(s) == "" || strings.Contains(s, ".") && hostProblem(s) == "" {
		return ""
	}
	return "is neither a client's name nor the host of a metadata document"
}

func hostProblem(s string) string {
	const wrong = "is no lower-case host name"
	if len(s) > 253 || s == "" {
		return wrong
	}
	for label := range strings.SplitSeq(s, ".") {
		if nameProblem(label) != "" {
			return wrong
		}
	}
	return ""
}

// scopeProblem: RFC 6749 §3.3 scope-token.
func scopeProblem(s string) string {
	if s == "" || len(s) > maxScope {
		return "is no scope: expected 1 to 255 printable characters"
	}
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return `is no scope: printable ASCII without spaces, " and \ (RFC 6749 §3.3)`
		}
	}
	return ""
}

// textProblem: short text for people and for comparing; nothing that a log or a terminal could trip over.
func textProblem(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > maxText:
		return "is longer than 1024 bytes"
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "holds control characters"
	default:
		return ""
	}
}

// subjectProblem: a subject or jti is at most 255 bytes (docs/grants.md).
func subjectProblem(s string) string {
	if len(s) > 255 {
		return "is longer than 255 bytes"
	}
	return textProblem(s)
}

// httpsProblem: an https URL without fragment and user; http to loopback only.
func httpsProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	if len(s) > maxURL {
		return "is longer than 2048 bytes"
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "is no absolute URL"
	case strings.ContainsAny(s, " \\<>\"{}|^`"):
		return "holds characters that a URL does not"
	case strings.Contains(s, "#"):
		return "has a fragment"
	case u.User != nil:
		return "names a user"
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "is not https; http is for loopback only"
	default:
		return "is not https"
	}
}

// issuerProblem: RFC 8414 §2, OpenID Connect Core §2: https, no query, no fragment.
// It is compared byte for byte, so a form that two sides would write differently is refused.
func issuerProblem(s string) string {
	if wrong := httpsProblem(s); wrong != "" {
		return wrong
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "is no absolute URL"
	case u.RawQuery != "" || u.ForceQuery:
		return "has a query (RFC 8414 §2)"
	case u.Host != strings.ToLower(u.Host) || !strings.HasPrefix(s, u.Scheme+"://"):
		return "has upper-case letters in its host"
	default:
		return ""
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// resourceProblem: RFC 8707 §2 absolute URI without fragment.
func resourceProblem(s string) string {
	if wrong := httpsProblem(s); wrong != "" {
		return wrong
	}
	u, err := url.Parse(s)
	if err != nil || strings.HasSuffix(u.Host, ":") {
		return "is no absolute URL"
	}
	return ""
}

func proxyProblem(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is not an http or https URL" // it may hold a password: never quoted
	case u.User != nil:
		return "holds a credential; it would be readable by everyone who can read the object"
	default:
		return ""
	}
}

func timeProblem(s string) string {
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return "is no time: expected RFC 3339, such as 2030-01-31T00:00:00Z"
	}
	return ""
}

// pathProblem: a path that does not depend on where the process was started.
func pathProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	if !strings.HasPrefix(s, "/") {
		return "is no absolute path"
	}
	return ""
}

// envProblem: POSIX names.
func envProblem(s string) string {
	for i := range len(s) {
		c := s[i]
		if c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || i > 0 && '0' <= c && c <= '9' {
			continue
		}
		return "is no name of an environment variable"
	}
	return ""
}

// IsName tells whether s can name an object.
func IsName(s string) bool { return nameProblem(s) == "" }
