package cimd

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain: printable ASCII that can stand in a URI, escaped or not (RFC 3986 §2).
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c > 0x7e || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// splitPort cuts the port off an authority; the host keeps its brackets.
func splitPort(authority string) (host, port string, has bool) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || colon < strings.LastIndexByte(authority, ']') {
		return authority, "", false
	}
	return authority[:colon], authority[colon+1:], true
}

// isPort: a decimal number in its one spelling.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// isLoopback: the names that RFC 8252 §7.3 and §8.3 speak of, each in one
// spelling. Other addresses of 127/8 are nobody's habit.
func isLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "[::1]"
}

// isHost: a host name of two labels or more in lower case (RFC 1123 §2.1), which
// no resolver takes for an address: none of them begins its last label with a
// digit (RFC 3696 §2). Names under localhost are the machine itself (RFC 6761
// §6.3).
func isHost(host string) bool {
	if len(host) > 253 || strings.HasSuffix(host, ".localhost") {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && (last[0] < '0' || last[0] > '9')
}

func isLabel(label string) bool {
	if label == "" || len(label) > 63 {
		return false
	}
	for i := range len(label) {
		c := label[i]
		inner := i > 0 && i < len(label)-1
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' && inner {
			continue
		}
		return false
	}
	return true
}

// segmentProblem says what is expected of a segment of a path, or "". Some
// servers cut a segment at its first semicolon before they look for dots.
func segmentProblem(segment string) string {
	decoded, wrong := unescape(segment)
	if wrong != "" {
		return wrong
	}
	name, _, _ := strings.Cut(decoded, ";")
	if name == "." || name == ".." {
		return "no dot segment"
	}
	return ""
}

// unescape decodes a segment whose every escape is needed: what RFC 3986 §2.3
// calls unreserved has no second spelling, and an escaped delimiter would be one
// for whoever decodes first and another for whoever splits first.
func unescape(segment string) (decoded, wrong string) {
	if !strings.Contains(segment, "%") {
		return segment, ""
	}
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		if segment[i] != '%' {
			b.WriteByte(segment[i])
			continue
		}
		if i+2 >= len(segment) || !isUpperHex(segment[i+1]) || !isUpperHex(segment[i+2]) {
			return "", "escapes of two upper-case hexadecimal digits (RFC 3986 §2.1)"
		}
		n, err := strconv.ParseUint(segment[i+1:i+3], 16, 8)
		if err != nil {
			return "", "escapes of two upper-case hexadecimal digits (RFC 3986 §2.1)"
		}
		c := byte(n)
		if c < 0x20 || c == 0x7f || isUnreserved(c) || strings.IndexByte(`/\?#%;.`, c) >= 0 {
			return "", "no escaped delimiter, control or unreserved character (RFC 3986 §2.3)"
		}
		b.WriteByte(c)
		i += 2
	}
	if !utf8.ValidString(b.String()) {
		return "", "escapes of UTF-8"
	}
	return b.String(), ""
}

func isUpperHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
