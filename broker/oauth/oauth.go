// Package oauth is the protocol's vocabulary: parameter and grant names, the
// strict form, scopes, resource identifiers, and the one table that says how
// each refusal looks on the wire. It depends on nothing else of the broker, so
// that every part of it can refuse in the same words.
package oauth

//go:generate go run ./cataloguegen catalogue.yaml codes_gen.go ../../docs/errors

// The grants that are served.
const (
	GrantTypeJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523 §2.1
	GrantTypeJWTDPoP           = "urn:ietf:params:oauth:grant-type:jwt-dpop"       // draft-parecki-oauth-jwt-dpop-grant
	GrantTypeClientCredentials = "client_credentials"                              // RFC 6749 §4.4
	GrantTypeAuthorizationCode = "authorization_code"                              // RFC 6749 §4.1.3
	GrantTypeRefreshToken      = "refresh_token"                                   // RFC 6749 §6
	GrantTypeSAML2Bearer       = "urn:ietf:params:oauth:grant-type:saml2-bearer"   // RFC 7522 §2.1
	GrantTypeDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628 §3.4
	GrantTypeTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
)

// GrantTypes lists the grants that are served, for grant_types_supported (RFC 8414 §2).
func GrantTypes() []string {
	return []string{
		GrantTypeAuthorizationCode, GrantTypeRefreshToken, GrantTypeDeviceCode,
		GrantTypeJWTBearer, GrantTypeJWTDPoP, GrantTypeSAML2Bearer, GrantTypeClientCredentials, GrantTypeTokenExchange,
	}
}

// ProfileIDJAG is announced in authorization_grant_profiles_supported (ID-JAG §6).
const ProfileIDJAG = "urn:ietf:params:oauth:grant-profile:id-jag"

// AssertionTypeJWT is the client_assertion_type of RFC 7523 §2.2.
const AssertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Error values of the standards.
const (
	ErrorAccessDenied = "access_denied" // RFC 6749 §4.1.2.1, at the token endpoint by ID-JAG-06
)

// TypeAccessToken is what an access token is called in an exchange (RFC 8693 §3).
const TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// Token types (RFC 6750, RFC 9449 §5).
const (
	TokenTypeBearer = "Bearer"
	TokenTypeDPoP   = "DPoP"
	TokenTypeNone   = "N_A" // RFC 8693 §2.2.1: what was issued is shown in another way
)
