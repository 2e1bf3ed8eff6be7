package federation

import "strings"

// Limits of an address (RFC 5321 §4.5.3.1) and of a DNS name and its labels
// (RFC 1035 §2.3.4).
const (
	maxLocal  = 64
	maxDomain = 253
	maxLabel  = 63
)

// CanonicalEmail gives an address its one form for comparing, and the domain
// apart: ASCII, lower case, exactly one @, a host name of at least two labels
// after it. Whatever else a mail system may take (quoted local parts, comments,
// address literals, Unicode, a trailing dot) is refused: two readers could
// understand it differently (T14). An internationalised domain counts in its
// A-label form (RFC 5890 §2.3.2.1) only. Plus-addresses and dots are not
// folded: whose they are is the mail system's to know.
func CanonicalEmail(address string) (canonical, domain string, ok bool) {
	local, domain, found := strings.Cut(address, "@")
	if !found || local == "" || len(local) > maxLocal {
		return "", "", false
	}
	for i := range len(local) {
		if !isAtext(local[i]) { // a second @ is no atext; the domain below has none either
			return "", "", false
		}
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") { // RFC 5322 §3.2.3
		return "", "", false
	}
	domain, ok = CanonicalDomain(domain)
	if !ok {
		return "", "", false
	}
	return lower(local) + "@" + domain, domain, true
}

// CanonicalDomain gives a host name its one form: lower-case ASCII labels of
// letters, digits and inner hyphens (RFC 952, RFC 1123 §2.1), at least two, no
// trailing dot.
func CanonicalDomain(domain string) (string, bool) {
	if len(domain) > maxDomain || !strings.Contains(domain, ".") {
		return "", false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if !isLabel(label) {
			return "", false
		}
	}
	return lower(domain), true
}

func isLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; !isAlphanumeric(c) && c != '-' {
			return false
		}
	}
	return true
}

// isAtext: RFC 5322 §3.2.3, with the dot of a dot-atom.
func isAtext(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// lower is ASCII only: U+212A (kelvin sign) is not a k here.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
