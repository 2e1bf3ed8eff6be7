package assertion

import "github.com/chancery-dev/chancery/federation"

// Types of assertions, as media types without "application/" and in lower case.
const (
	TypeIDJAG = "oauth-id-jag+jwt" // ID-JAG §3.1
	TypeJWT   = "jwt"              // RFC 7519 §5.1
	TypeJOSE  = "jose"             // JWT-SVID §2.3: beside JWT
)

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
// so that none can be taken for another. Without one, or with JWT, which says
// nothing, the issuer's entry decides what it is.
func (w *walk) checkType(typ string) error {
	switch typ {
	case TypeIDJAG:
		w.profile = federation.ProfileIDJAG
		w.trail.Pass("typ", typ, TypeIDJAG)
		return nil
	case "", TypeJWT, TypeJOSE:
		return nil // checkPlainType
	default:
		received := typ
		if what, known := otherTypes[typ]; known {
			received = typ + ", " + what
		}
		return w.trail.Refuse(federation.CodeTypWrong, "typ", received, TypeIDJAG+", or JWT or none where the entry takes plain assertions", nil)
	}
}

// profileOf finds the profile of an assertion without a type of its own among those
// that the entry lists, which are one at most; "" is none.
func profileOf(idp *federation.IdentityProvider) federation.Profile {
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		if idp.Assertions.Allows(profile) {
			return profile
		}
	}
	return ""
}

// checkPlainType says what is wrong with a typ that only the issuer's entry could
// give a meaning. It runs after the signature: who has no genuine token must not
// learn which issuers are trusted, and for what.
func (w *walk) checkPlainType(typ string) error {
	switch {
	case w.profile == federation.ProfileIDJAG:
		return nil
	case typ == TypeJOSE && !w.idp.Dialect.SPIFFE: // JWT-SVID §2.3 alone
		return w.trail.Refuse(federation.CodeTypWrong, "typ", typ, "JWT or none", nil)
	case w.profile == "":
		return w.trail.Refuse(federation.CodeTypMissing, "typ", typ, TypeIDJAG+"; this is an ID token or the like, which needs an exchange at the IdP first", nil)
	}
	w.trail.Pass("typ", typ, "JWT or none: "+string(w.profile))
	return nil
}
