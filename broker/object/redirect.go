package object

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

const maxRedirect = 1024

// redirectProblem: RFC 6749 §3.1.2 absolute, no fragment; RFC 8252 §7 for programs on a machine; RFC 9700 §2.1 compared
// exactly. What is accepted here the authorization endpoint accepts too: it refuses what a browser would read in another
// way than it is compared (T33).
func redirectProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	if len(s) > maxRedirect {
		return "is longer than 1024 bytes"
	}
	scheme, _, absolute := strings.Cut(s, ":")
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "#"):
		return "has a fragment (RFC 6749 §3.1.2)"
	case strings.Contains(s, "*"):
		return "holds a wildcard: redirect URIs are compared exactly (RFC 9700 §2.1)"
	case strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e || strings.ContainsRune("\"<>\\^`{|}", r) }):
		return "holds characters that a URI does not"
	case err != nil || !absolute || !u.IsAbs():
		return "is no absolute URI"
	case scheme != u.Scheme:
		return "has upper-case letters in its scheme"
	case hasDots(s):
		return "has dot segments, which a browser removes"
	case hasAnswer(u.RawQuery):
		return "has a parameter of the answer in its query"
	case scheme == "http" || scheme == "https":
		return webRedirectProblem(u, s)
	case scheme == "javascript" || scheme == "data" || scheme == "file" || scheme == "vbscript" || scheme == "blob" || scheme == "about":
		return "is no place that an answer could go to"
	case oauth.IsApplication(s):
	case !strings.Contains(scheme, "."): // nobody owns such a name: any program can claim it
		return "has a private-use scheme without a dot, which any program can claim (RFC 8252 §7.1): have the program listen on loopback and give " +
			"http://127.0.0.1/callback (any port matches), or use a scheme that begins with a domain of its maker in reverse, such as com.example." + scheme + ":/callback"
	case u.User != nil || u.Opaque == "" && u.Host == "" && u.Path == "":
		return "is a private-use URI without a place in it"
	}
	return ""
}

func webRedirectProblem(u *url.URL, s string) string {
	authority, _ := strings.CutPrefix(s, u.Scheme+"://")
	if end := strings.IndexAny(authority, "/?"); end >= 0 {
		authority = authority[:end]
	}
	port, hasPort := u.Port(), strings.Contains(authority[strings.LastIndexByte(authority, ']')+1:], ":")
	switch {
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "" || u.User != nil || u.Host != authority || strings.Contains(authority, "%"):
		return "names no host alone"
	case hasPort && !isPort(port):
		return "has no port from 1 to 65535"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "is not https; http is for loopback only"
	}
	return ""
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// hasDots: in their escaped spellings too (URL Standard §4.1).
func hasDots(uri string) bool {
	path, _, _ := strings.Cut(uri, "?")
	return slices.ContainsFunc(strings.Split(strings.ReplaceAll(strings.ToLower(path), "%2e", "."), "/"), func(segment string) bool {
		segment, _, _ = strings.Cut(segment, ";")
		return segment == "." || segment == ".."
	})
}

// hasAnswer: with two parameters of one name, each reader would believe another.
func hasAnswer(query string) bool {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		raw, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(raw)
		if err != nil || slices.Contains([]string{"code", "state", "iss", "error", "error_description", "error_uri"}, name) {
			return true
		}
	}
	return false
}
