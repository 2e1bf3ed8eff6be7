package cimd

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// The values of application_type.
const (
	ApplicationWeb    = "web"
	ApplicationNative = "native"
)

// The grant types that a document can give. No other is given to a client that
// nobody registered, whatever its document lists: not the exchange of an
// assertion, of a token or of the client's own credential.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
)

// Document is a metadata document that was read: what the holder of its URL says.
// It is shared and must not be changed. Only Parse makes one.
type Document struct {
	url          URL
	name         string
	redirectURIs []string
	grantTypes   []string
	method       client.Method
	keySet       []byte   // inline keys, "" when there are none
	jwksURI      string   // "" when there is none
	thumbprints  []string // of the inline keys
	application  string
	pages        Pages
	requireDPoP  bool
	requirePAR   bool
	fingerprint  string
	uid          string
}

// Pages are the places of a client that people can look at. They are never fetched.
type Pages struct {
	Client, Logo, Terms, Policy string // "" when absent
}

// URL is where the document lives: its client_id.
func (d *Document) URL() URL { return d.url }

// Name is client_name, without what cannot be seen. It is nobody's word but the
// client's own: show it beside the host. "" when there is none.
func (d *Document) Name() string { return d.name }

// RedirectURIs are as written, to be compared byte for byte (RFC 9700 §2.1).
func (d *Document) RedirectURIs() []string { return slices.Clone(d.redirectURIs) }

// GrantTypes are those of the document that it can give.
func (d *Document) GrantTypes() []string { return slices.Clone(d.grantTypes) }

// Method is how the client authenticates: none or private_key_jwt.
func (d *Document) Method() client.Method { return d.method }

// ApplicationType is web or native, taken from the redirect URIs where the
// document does not say.
func (d *Document) ApplicationType() string { return d.application }

// Pages are the client's.
func (d *Document) Pages() Pages { return d.pages }

// RequireDPoP is dpop_bound_access_tokens (RFC 9449 §5.2).
func (d *Document) RequireDPoP() bool { return d.requireDPoP }

// RequirePAR is require_pushed_authorization_requests (RFC 9126 §6).
func (d *Document) RequirePAR() bool { return d.requirePAR }

// LoopbackOnly tells whether every answer would go to the person's own machine:
// any program there can use this client_id, so consent must not be remembered.
func (d *Document) LoopbackOnly() bool {
	return !slices.ContainsFunc(d.redirectURIs, isWebRedirect)
}

// RedirectHosts are the hosts, and the schemes of applications, that answers may
// go to, each once, for the page of consent.
func (d *Document) RedirectHosts() []string {
	hosts := make([]string, 0, len(d.redirectURIs))
	for _, uri := range d.redirectURIs {
		hosts = append(hosts, redirectHost(uri))
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// keys says where the keys are that the client authenticates with. The zero value
// means that it does not.
func (d *Document) keys() jwks.Source {
	if d.method != client.MethodPrivateKeyJWT {
		return jwks.Source{Issuer: d.url.raw}
	}
	return jwks.Source{Issuer: d.url.raw, URI: d.jwksURI, Inline: d.keySet}
}

// Fingerprint is a digest of what consent was given to: where answers go and how
// the client proves itself. A consent that is remembered keeps it, and is asked
// for again when it differs, across restarts too. Keys behind a jwks_uri may
// change without it; the place itself may not.
func (d *Document) Fingerprint() string { return d.fingerprint }

// seal computes what is asked for often.
func (d *Document) seal() {
	redirects := slices.Sorted(slices.Values(d.redirectURIs))
	text := fmt.Sprintf("%q\n%q\n%q\n%q\n%q\n", d.url.raw, redirects, d.method, d.thumbprints, d.jwksURI)
	digest := sha256.Sum256([]byte(text))
	d.fingerprint = base64.RawURLEncoding.EncodeToString(digest[:])
	d.uid = UID(d.url.raw)
}

// UID is the uid of the client whose client_id is the URL of a document, whether there is one or not: what was given to it
// can be ended without asking its host.
func UID(clientID string) string {
	digest := sha256.Sum256([]byte(clientID))
	return uidPrefix + hex.EncodeToString(digest[:16])
}

// IsUID tells what UID could have made.
func IsUID(s string) bool {
	digits, ok := strings.CutPrefix(s, uidPrefix)
	if !ok || len(digits) != 32 {
		return false
	}
	return !strings.ContainsFunc(digits, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// uidPrefix begins the uid of a client that no object stands for: a digest of its
// client_id, so that it is the same on every replica and in every record.
const uidPrefix = "cimd_"

// Difference says what changed between two documents of one URL.
type Difference struct {
	RedirectURIs bool
	Method       bool // how the client authenticates
	Keys         bool // inline keys, or the place of the keys
	Name         bool
}

// Any tells whether anything changed.
func (d Difference) Any() bool { return d != Difference{} }

func difference(before, after *Document) Difference {
	sorted := func(d *Document) []string { return slices.Sorted(slices.Values(d.redirectURIs)) }
	return Difference{
		RedirectURIs: !slices.Equal(sorted(before), sorted(after)),
		Method:       before.method != after.method,
		Keys:         !slices.Equal(before.thumbprints, after.thumbprints) || before.jwksURI != after.jwksURI,
		Name:         before.name != after.name,
	}
}

// display is what a client is called in records: its name, or its host.
func (d *Document) display() string {
	if d.name == "" {
		return d.url.host
	}
	return d.name
}
