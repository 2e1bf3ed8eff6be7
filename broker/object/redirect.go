package object

import (
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// redirectProblem: what the authorization endpoint refuses is refused here already, by its own rule (oauth.RedirectProblem),
// and some of it is said in more words; and RFC 9700 §2.1, compared exactly.
func redirectProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	expected := oauth.RedirectProblem(s)
	scheme, _, absolute := strings.Cut(s, ":")
	switch {
	case strings.Contains(s, "#"):
		return "has a fragment (RFC 6749 §3.1.2)"
	case strings.Contains(s, "*"):
		return "holds a wildcard: redirect URIs are compared exactly (RFC 9700 §2.1)"
	case expected == "":
		return ""
	case scheme == "javascript" || scheme == "data" || scheme == "file" || scheme == "vbscript" || scheme == "blob" || scheme == "about":
		return "is no place that an answer could go to"
	case absolute && scheme != "https" && scheme != "http" && schemeLike(scheme): // nobody owns such a name: any program can claim it
		return "has a private-use scheme without a dot, which any program can claim (RFC 8252 §7.1): have the program listen on loopback and give " +
			"http://127.0.0.1/callback (any port matches), or use a scheme that begins with a domain of its maker in reverse, such as com.example." + scheme + ":/callback"
	}
	return "is no redirect URI: expected " + expected
}

// schemeLike: RFC 3986 §3.1, without a dot.
func schemeLike(scheme string) bool {
	return scheme != "" && !strings.ContainsFunc(scheme, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '+' })
}
