package federation

import "strings"

// Limits of a SPIFFE ID (SPIFFE-ID §2.3).
const (
	spiffeScheme    = "spiffe://"
	maxTrustDomain  = 255
	maxSPIFFELength = 2048
)

// ParseSPIFFEID takes a SPIFFE ID apart: the trust domain, and the path, "" for the
// ID of the trust domain itself. It is strict where a URL parser is not (SPIFFE-ID
// §2): lower case, no port, no user, no query, no escapes, no empty or dot segment,
// no slash at the end.
func ParseSPIFFEID(text string) (trustDomain, path string, ok bool) {
	rest, found := strings.CutPrefix(text, spiffeScheme)
	if !found || len(text) > maxSPIFFELength {
		return "", "", false
	}
	trustDomain, path = rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		trustDomain, path = rest[:slash], rest[slash:]
	}
	if trustDomain == "" || len(trustDomain) > maxTrustDomain || strings.ContainsFunc(trustDomain, isNotOfTrustDomain) { // §2.1
		return "", "", false
	}
	if path == "" {
		return trustDomain, "", true
	}
	for segment := range strings.SplitSeq(path[1:], "/") { // §2.2
		if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, isNotOfSegment) {
			return "", "", false
		}
	}
	return trustDomain, path, true
}

func isNotOfTrustDomain(r rune) bool { return 'A' <= r && r <= 'Z' || isNotOfSegment(r) }

func isNotOfSegment(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
		return false
	default:
		return true
	}
}

// SPIFFEIssuer is the issuer under which a trust domain is registered.
func SPIFFEIssuer(trustDomain string) string { return spiffeScheme + trustDomain }
