package federation

// Code names one refusal of this room. It is stable: the broker's catalogue has
// a row for each that says what outsiders see of it.
type Code string

// What an assertion is refused for before its issuer is trusted. Outsiders see
// [CodeAssertionUntrusted] for every code from iss_unknown down to
// jwks_stale, so that nobody learns whom a tenant trusts.
const (
	CodeAssertionMalformed  Code = "assertion_malformed"   // not one compact JWS in its only canonical form
	CodeAssertionTooLarge   Code = "assertion_too_large"   // above 16 KiB
	CodeHeaderUnsupported   Code = "header_unsupported"    // crit, b64, zip or encryption
	CodeTypMissing          Code = "typ_missing"           // no typ, or plain JWT, where the entry takes ID-JAGs only
	CodeTypWrong            Code = "typ_wrong"             // the typ of another kind of token
	CodeOwnAssertion        Code = "own_assertion"         // issued by the tenant's own authorization server
	CodeAssertionUntrusted  Code = "assertion_untrusted"   // the public face of the next seven
	CodeIssUnknown          Code = "iss_unknown"           // no registry entry has exactly this issuer
	CodeIssDisabled         Code = "iss_disabled"          // the entry is disabled
	CodeProfileNotAllowed   Code = "profile_not_allowed"   // the entry does not list the profile
	CodeAlgorithmNotAllowed Code = "algorithm_not_allowed" // not on the entry's list
	CodeKeyUnknown          Code = "key_unknown"           // not in the issuer's key set
	CodeSignatureInvalid    Code = "signature_invalid"     // no key of the issuer verifies it
	CodeJWKSStale           Code = "jwks_stale"            // the entry's keys had an end, which is past
	CodeKeysUnavailable     Code = "keys_unavailable"      // none known and none to be had; a 503, the assertion stays unused
)

// What a trusted issuer's assertion is refused for.
const (
	CodeClaimMissing          Code = "claim_missing"             // a required claim is absent
	CodeClaimMalformed        Code = "claim_malformed"           // a claim of the wrong type or form
	CodeAudNotUs              Code = "aud_not_us"                // another audience
	CodeAudMulti              Code = "aud_multi"                 // more than one audience
	CodeAudIsResource         Code = "aud_is_resource"           // the resource where our issuer belongs
	CodeAssertionExpired      Code = "assertion_expired"         // exp is past
	CodeAssertionNotYetValid  Code = "assertion_not_yet_valid"   // nbf is to come
	CodeAssertionTooLongLived Code = "assertion_too_long_lived"  // exp - iat above the entry's bound
	CodeClockSkew             Code = "clock_skew"                // iat in the future, or not before exp
	CodeClientIDMismatch      Code = "client_id_mismatch"        // names another client than the one that authenticated
	CodeCNFUnproved           Code = "cnf_unproved"              // bound to a key that the request did not prove
	CodeCNFUnsupported        Code = "cnf_unsupported"           // bound in a way that is not served
	CodeTenantMissing         Code = "tenant_missing"            // the entry lists IdP-side tenants and none is named
	CodeTenantUnlisted        Code = "tenant_unlisted"           // an IdP-side tenant that the entry does not list
	CodeAudTenantMismatch     Code = "aud_tenant_mismatch"       // for another tenant of ours
	CodeActUnsupported        Code = "act_unsupported"           // an actor chain of the wrong form or too deep
	CodeGroupsMalformed       Code = "groups_malformed"          // groups that are no list of at most 2,000 names
	CodeIDTokenPresented      Code = "id_token_presented"        // made for signing a person in, not for this
	CodeIssuerClientDenied    Code = "issuer_client_not_allowed" // valid, but the entry does not list the client
)

// What the broker refuses a verified assertion for, in this room's words.
const (
	CodeJTIReplayed      Code = "jti_replayed"       // redeemed before
	CodeResourceUnknown  Code = "resource_unknown"   // names a resource that this entry and client may not reach
	CodeScopeNotAsserted Code = "scope_not_asserted" // no scope, and the entry does not say default_scopes
	CodeGroupsOverage    Code = "groups_overage"     // the IdP left the groups out because there are too many
)

// What a verified assertion's subject is refused for.
const (
	CodeSubjectUnmatched Code = "subject_unmatched"  // nobody here
	CodeSubjectConflict  Code = "subject_conflict"   // identifiers that name different people
	CodeSubjectDisabled  Code = "subject_disabled"   // a status other than active
	CodeGuestDenied      Code = "guest_denied"       // a guest, where the entry denies them
	CodeSAMLSubID        Code = "saml_subid"         // a SAML subject that does not count or is not linked
	CodeSubIDUnsupported Code = "sub_id_unsupported" // a subject identifier of a format that is not served
	CodeNoEmail          Code = "no_email"           // matched by email, and none was sent
	CodeEmailUnverified  Code = "email_unverified"   // an email that is not verified, or of no listed domain
)

// Codes returns every code above, in their order.
func Codes() []Code {
	return []Code{
		CodeAssertionMalformed, CodeAssertionTooLarge, CodeHeaderUnsupported, CodeTypMissing, CodeTypWrong,
		CodeOwnAssertion, CodeAssertionUntrusted, CodeIssUnknown, CodeIssDisabled, CodeProfileNotAllowed,
		CodeAlgorithmNotAllowed, CodeKeyUnknown, CodeSignatureInvalid, CodeJWKSStale, CodeKeysUnavailable,
		CodeClaimMissing, CodeClaimMalformed, CodeAudNotUs, CodeAudMulti, CodeAudIsResource, CodeAssertionExpired,
		CodeAssertionNotYetValid, CodeAssertionTooLongLived, CodeClockSkew, CodeClientIDMismatch, CodeCNFUnproved,
		CodeCNFUnsupported, CodeTenantMissing, CodeTenantUnlisted, CodeAudTenantMismatch, CodeActUnsupported,
		CodeGroupsMalformed, CodeIDTokenPresented, CodeIssuerClientDenied,
		CodeJTIReplayed, CodeResourceUnknown, CodeScopeNotAsserted, CodeGroupsOverage,
		CodeSubjectUnmatched, CodeSubjectConflict, CodeSubjectDisabled, CodeGuestDenied, CodeSAMLSubID,
		CodeSubIDUnsupported, CodeNoEmail, CodeEmailUnverified,
	}
}

// Public is what outsiders may see of a code.
func (c Code) Public() Code {
	switch c {
	case CodeIssUnknown, CodeIssDisabled, CodeProfileNotAllowed, CodeAlgorithmNotAllowed, CodeKeyUnknown, CodeSignatureInvalid, CodeJWKSStale:
		return CodeAssertionUntrusted
	default:
		return c
	}
}
