package idptest

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/chancery-dev/chancery/federation"
)

// Mutation changes one thing of a valid ID-JAG, and says what must come of it.
//
// The codes hold for an authorization server whose entry for this IdP allows
// ES256 and RS256, lists no IdP-side tenants, reads groups from the claim
// `groups`, forgives 30 s and allows lifetimes of five minutes; that knows the
// resource of the first audience; and for a request without a DPoP proof. What
// is not about groups and RS256 holds for any.
type Mutation struct {
	Name    string
	Section string // of the standard, or the row of our threat model
	Break   func(*Draft, *IdP)
	Code    federation.Code // "" where the mutation is harmless and must be accepted
}

// Public is the code that outsiders see.
func (m Mutation) Public() federation.Code { return m.Code.Public() }

// OAuthError is the error on the wire under an error profile (RFC 6749 §5.2): a
// mutation makes an assertion invalid, which is invalid_grant under both. ""
// for a harmless one.
func (m Mutation) OAuthError(federation.ErrorProfile) string {
	switch {
	case m.Code == "":
		return ""
	case m.StopsInForm():
		return "invalid_request"
	default:
		return "invalid_grant"
	}
}

// StopsInForm tells whether the token holds control characters, which a strict
// form reader refuses before anybody looks at the assertion.
func (m Mutation) StopsInForm() bool {
	switch m.Name {
	case "newline_after", "newline_inside", "carriage_return_inside":
		return true
	default:
		return false
	}
}

// Mutations returns every mutation that must be refused. Names are unique.
func Mutations() []Mutation {
	return slices.Concat(shapes(), headers(), types(), issuers(), signatures(), audiences(), times(),
		identifiers(), bindings(), targets(), people(), smuggled())
}

// Variations returns mutations that must be accepted: forms that standards allow,
// and claims that nobody asked for.
func Variations() []Mutation {
	return []Mutation{
		{"untouched", "ID-JAG §3.1", func(*Draft, *IdP) {}, ""},
		{"typ_as_full_media_type", "RFC 7515 §4.1.9", header("typ", "application/oauth-id-jag+jwt"), ""},
		{"typ_in_upper_case", "RFC 2045 §5.1", header("typ", "OAUTH-ID-JAG+JWT"), ""},
		{"kid_absent_with_one_key", "RFC 7515 §4.1.4", noHeader("kid"), ""},
		{"header_with_unknown_member", "RFC 7515 §4.2", header("x-vendor", "anything"), ""},
		{"aud_array_of_one", "ID-JAG §4.4.1", func(d *Draft, _ *IdP) { d.Claims["aud"] = []any{d.Claims["aud"]} }, ""},
		{"resource_array_of_one", "RFC 8707 §2", func(d *Draft, _ *IdP) { d.Claims["resource"] = []any{d.Claims["resource"]} }, ""},
		{"nbf_now", "RFC 7519 §4.1.5", func(d *Draft, p *IdP) { d.Claims["nbf"] = p.Now().Unix() }, ""},
		{"iat_ahead_within_skew", "RFC 7523 §3", func(d *Draft, p *IdP) { d.Claims["iat"] = p.Now().Unix() + 10 }, ""},
		{"private_claims", "RFC 7519 §4.3", claim("https://acme.example/department", map[string]any{"name": "research"}), ""},
		{"claims_of_an_id_token", "ID-JAG §3.1", claim("preferred_username", "alice"), ""},
		{"auth_context", "OIDC Core §2", func(d *Draft, p *IdP) {
			d.Claims["auth_time"], d.Claims["acr"], d.Claims["amr"] = p.Now().Unix(), "phr", []string{"hwk"}
		}, ""},
		{"actors_four_levels", "RFC 8693 §4.1", claim("act", actors(4)), ""},
		{"groups_one_string", "OIDC Core §5.1", claim("groups", GroupEditors), ""},
		{"groups_two_thousand", "T15", claim("groups", many(2000)), ""},
		{"whitespace_in_claims", "RFC 8259 §2", raw(func(b []byte) []byte { return append([]byte(" \n\t"), b...) }), ""},
		{"escaped_member_names", "RFC 8259 §7", raw(func(b []byte) []byte { return bytes.Replace(b, []byte(`"sub":`), []byte(`"\u0073ub":`), 1) }), ""},
	}
}

// The small vocabulary of the tables.

func claim(name string, value any) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) { d.Claims[name] = value }
}

func number(name, text string) func(*Draft, *IdP) { return claim(name, json.RawMessage(text)) }

func absent(name string) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) { delete(d.Claims, name) }
}

func header(name string, value any) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) { d.Header[name] = value }
}

func noHeader(name string) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) { delete(d.Header, name) }
}

// text changes a string claim.
func text(name string, change func(string) string) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) {
		value, _ := d.Claims[name].(string)
		d.Claims[name] = change(value)
	}
}

func compact(change func(string) string) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) { d.Compact = change }
}

// raw changes the bytes of the claims before they are signed.
func raw(change func([]byte) []byte) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) {
		encoded, err := d.claims()
		if err != nil {
			return // Sign says it
		}
		d.RawClaims = change(encoded)
	}
}

// rawHeader changes the bytes of the header before they are signed.
func rawHeader(change func([]byte) []byte) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) {
		encoded, err := d.header()
		if err != nil {
			return // Sign says it
		}
		d.RawHeader = change(encoded)
	}
}

// member adds the text of a member to a JSON object, whether or not it has one of
// that name.
func member(text string) func([]byte) []byte {
	return func(object []byte) []byte {
		return append(append(bytes.TrimSuffix(object, []byte("}")), ","+text...), '}')
	}
}

func actors(levels int) map[string]any {
	var actor map[string]any
	for range levels {
		next := map[string]any{"sub": "agent"}
		if actor != nil {
			next["act"] = actor
		}
		actor = next
	}
	return actor
}

func nested(levels int) any {
	var value any = "x"
	for range levels {
		value = []any{value}
	}
	return value
}

func many(n int) []string {
	return slices.Repeat([]string{"g"}, n)
}
