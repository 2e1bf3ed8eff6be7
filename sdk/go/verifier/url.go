package verifier

import (
	"errors"
	"net/url"
	"strings"
)

var errTarget = errors.New("not an absolute http URL")

// normalise brings an htu to the form in which it is compared (RFC 9449 §4.3
// with RFC 3986 §6.2.2, §6.2.3): without query and fragment, scheme and host in
// lower case, no default port, an empty path as "/", percent-encodings in one
// spelling. Dot segments are not resolved but refused: no client of ours is sent
// to such a URL.
func normalise(raw string) (string, error) {
	for i := range len(raw) {
		if raw[i] <= 0x20 || raw[i] > 0x7e || raw[i] == '\\' {
			return "", errTarget
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsFunc(u.Host, isNoHost) {
		return "", errTarget
	}
	scheme := strings.ToLower(u.Scheme)
	host := strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", errTarget
	}
	path := spell(u.EscapedPath())
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "", errTarget
		}
	}
	if path == "" {
		path = "/"
	}
	return scheme + "://" + strings.TrimSuffix(host, ":") + path, nil
}

// isNoHost: escapes and zones in a host have several spellings; no public URL
// needs them.
func isNoHost(r rune) bool {
	return r > 0x7e || !isUnreserved(byte(r)) && !strings.ContainsRune(":[]", r) || r == '~' //nolint:gosec // ASCII here
}

// spell writes escapes in upper case, and unreserved characters without escape
// (RFC 3986 §6.2.2.1, §6.2.2.2).
func spell(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		escape := strings.ToUpper(path[i : i+3])
		if plain, err := url.PathUnescape(escape); err == nil && isUnreserved(plain[0]) {
			b.WriteByte(plain[0])
		} else {
			b.WriteString(escape)
		}
		i += 2
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
