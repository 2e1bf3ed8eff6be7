package oidc

import (
	"fmt"
	"slices"
)

// StepUp is the way in which an IdP is asked for an authentication context.
type StepUp string

// The ways. The zero value is none: such an IdP cannot be asked.
const (
	StepUpNone StepUp = ""
	// StepUpACRValues sends acr_values (OIDC Core §3.1.2.1): Okta, Keycloak's levels
	// of authentication, Ping's policies.
	StepUpACRValues StepUp = "acr_values"
	// StepUpClaimsACR sends the claims parameter with acr as essential (§5.5.1.1).
	StepUpClaimsACR StepUp = "claims_acr"
	// StepUpClaimsACRS is Entra's form of it: the claim acrs, which lists
	// authentication contexts.
	StepUpClaimsACRS StepUp = "claims_acrs"
)

// AssertionAudience is whom a client assertion at the IdP is made for.
type AssertionAudience string

// The audiences.
const (
	AssertionForIssuer        AssertionAudience = ""               // RFC 7523bis
	AssertionForTokenEndpoint AssertionAudience = "token_endpoint" // RFC 7523 §3, which some IdPs still insist on
)

// Dialect is how one product's sign-in differs, as far as federation.Dialect, which is
// about its tokens, does not say. The zero value is an IdP that cannot step up and has
// no other peculiarity.
type Dialect struct {
	StepUp StepUp
	// ACRListClaim carries what was reached as a list; "" is acr, one string. Entra: acrs.
	ACRListClaim string
	// AskAuthTime asks for auth_time as an essential claim where max_age is asked
	// (§5.5.1): an IdP that sends it only then.
	AskAuthTime bool
	// RequireAtHash: the IdP always says with which access token the ID token came, so
	// one that does not is not its own.
	RequireAtHash bool
	// AssertionAudience is for private_key_jwt.
	AssertionAudience AssertionAudience
	// HostedDomainClaim names the domain whose account it is, which must then be one of
	// the entry's; HostedDomainParameter asks for it. Google: hd, because everybody in
	// the world has an account there.
	HostedDomainClaim, HostedDomainParameter string
	// Parameters are added to every authorization request as they are.
	Parameters map[string]string
}

// ownParameters are what this package sends: a dialect may not say them again.
var ownParameters = []string{
	"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"request", "request_uri", "login_hint", "prompt", "max_age", "acr_values", "claims", "ui_locales", "resource", "iss", "id_token_hint",
	"client_secret", "client_assertion", "client_assertion_type",
}

func (d Dialect) validate() error {
	switch d.StepUp {
	case StepUpNone, StepUpACRValues, StepUpClaimsACR:
		if d.ACRListClaim == "acr" {
			return fmt.Errorf("%w: acr is no list", ErrDialect)
		}
	case StepUpClaimsACRS:
		if d.ACRListClaim == "" {
			return fmt.Errorf("%w: step-up %s without the claim that shows it", ErrDialect, d.StepUp)
		}
	default:
		return fmt.Errorf("%w: step-up %q", ErrDialect, d.StepUp)
	}
	if a := d.AssertionAudience; a != AssertionForIssuer && a != AssertionForTokenEndpoint {
		return fmt.Errorf("%w: assertion audience %q", ErrDialect, a)
	}
	if d.HostedDomainParameter != "" && d.HostedDomainClaim == "" {
		return fmt.Errorf("%w: a domain is asked for and not checked", ErrDialect)
	}
	for name := range d.Parameters {
		if name == "" || slices.Contains(ownParameters, name) || name == d.HostedDomainParameter {
			return fmt.Errorf("%w: parameter %q", ErrDialect, name)
		}
	}
	return nil
}
