package jwks

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/strict"
)

// Source says where an issuer's keys are. Inline wins over URI; with neither,
// the issuer's metadata names the place. Any change starts the issuer's entry
// in a Cache afresh.
type Source struct {
	Issuer   string        // exact, as registered
	URI      string        // jwks_uri, "" for discovery
	Inline   []byte        // a JWK set; never fetched
	NotAfter time.Time     // after it, inline keys are refused; zero means no end
	SVID     bool          // the keys are a SPIFFE bundle's: use jwt-svid counts beside sig
	Network  fetch.Network // how the issuer is reached
}

func (s Source) equal(other Source) bool {
	return s.Issuer == other.Issuer && s.URI == other.URI && s.Network == other.Network && s.SVID == other.SVID &&
		s.NotAfter.Equal(other.NotAfter) && bytes.Equal(s.Inline, other.Inline)
}

// Why metadata is refused.
var (
	ErrMetadata    = errors.New("unusable issuer metadata")
	ErrKeysMoved   = errors.New("jwks_uri moved to another host")
	errIssuerShape = errors.New("the issuer is not an https URL without query and fragment")
)

const maxMetadata = 128 << 10

// Parse is [Parse] with the uses that count for this source.
func (s Source) Parse(b []byte) (Set, []Warning, error) {
	if s.SVID {
		return Parse(b, UseSVID)
	}
	return Parse(b)
}

// metadataURLs lists where an issuer's metadata may be: OpenID Connect
// Discovery 1.0 §4 appends to the issuer, RFC 8414 §3.1 inserts before its
// path.
func metadataURLs(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.Opaque != "" || u.RawQuery != "" || u.ForceQuery ||
		u.Fragment != "" || strings.Contains(issuer, "#") || u.User != nil ||
		u.Scheme != "https" && u.Scheme != "http" { // fetch lets http pass to loopback only
		return nil, fmt.Errorf("%w: %w", ErrMetadata, errIssuerShape)
	}
	base := u.Scheme + "://" + u.Host
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return []string{
		base + path + "/.well-known/openid-configuration",
		base + "/.well-known/oauth-authorization-server" + path,
	}, nil
}

// readMetadata takes jwks_uri out of a metadata document of issuer.
func readMetadata(body []byte, issuer string) (jwksURI string, err error) {
	members, err := strict.Object(body, strict.Limits{Bytes: maxMetadata, Reserved: strict.Reserve("issuer", "jwks_uri")})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrMetadata, err)
	}
	// RFC 8414 §3.3, OpenID Connect Discovery 1.0 §4.3: the identical string.
	if members["issuer"] != issuer {
		return "", fmt.Errorf("%w: its issuer is another", ErrMetadata)
	}
	jwksURI, _ = members["jwks_uri"].(string)
	if jwksURI == "" {
		return "", fmt.Errorf("%w: jwks_uri is absent", ErrMetadata)
	}
	return jwksURI, nil
}

// sameHost compares scheme, host and port.
func sameHost(a, b string) bool {
	first, err := url.Parse(a)
	if err != nil {
		return false
	}
	second, err := url.Parse(b)
	if err != nil {
		return false
	}
	return first.Scheme == second.Scheme && strings.EqualFold(first.Host, second.Host)
}
