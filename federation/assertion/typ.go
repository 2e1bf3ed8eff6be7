package assertion

import "github.com/chancery-dev/chancery/federation"

// TypeIDJAG is the typ of an identity assertion grant, as a media type without
// "application/" (ID-JAG §3.1).
const TypeIDJAG = "oauth-id-jag+jwt"

// otherTypes are tokens that must never pass for a grant, and what they are.
var otherTypes = map[string]string{
	"at+jwt":                    "an access token (RFC 9068)",
	"dpop+jwt":                  "a DPoP proof (RFC 9449)",
	"logout+jwt":                "a logout token (OIDC Back-Channel Logout)",
	"secevent+jwt":              "a security event (RFC 8417)",
	"txntoken+jwt":              "a transaction token",
	"client-authentication+jwt": "a client assertion (RFC 7523bis)",
	"token-introspection+jwt":   "an introspection response (RFC 9701)",
	"oauth-authz-req+jwt":       "an authorization request (RFC 9101)",
}

// checkType dispatches by typ (RFC 8725 §3.11): each kind of token has its own,
// so that none can be taken for another. An ID token has none, or JWT.
func (w *walk) checkType(typ string) error {
	switch typ {
	case TypeIDJAG:
		w.trail.Pass("typ", typ, TypeIDJAG)
		return nil
	case "", "jwt":
		return w.trail.Refuse(federation.CodeTypMissing, "typ", typ, TypeIDJAG+"; this is an ID token or the like, which needs an exchange at the IdP first", nil)
	default:
		received := typ
		if what, known := otherTypes[typ]; known {
			received = typ + ", " + what
		}
		return w.trail.Refuse(federation.CodeTypWrong, "typ", received, TypeIDJAG, nil)
	}
}
