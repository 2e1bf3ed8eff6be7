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

// What a sign-in through an IdP is refused for on its way, before there is a token.
const (
	CodeSignInStateMismatch  Code = "sign_in_state_mismatch"   // the answer is to no departure of this browser
	CodeSignInExpired        Code = "sign_in_expired"          // the departure is too old, or its entry changed
	CodeIdPMixUp             Code = "idp_mix_up"               // an answer of another IdP than the one departed to
	CodeIssParameterMissing  Code = "iss_parameter_missing"    // the IdP says that it names itself, and did not
	CodeIdPAnswerMalformed   Code = "idp_answer_malformed"     // neither a code nor an error, or both
	CodeIdPLoginRequired     Code = "idp_login_required"       // nobody is signed in there, and nothing might be shown
	CodeIdPInteractionNeeded Code = "idp_interaction_required" // the person must do something there, and nothing might be shown
	CodeIdPConsentRequired   Code = "idp_consent_required"     // nobody consented there to our client
	CodeIdPAccessDenied      Code = "idp_access_denied"        // the person, or the IdP's policy, said no
	CodeIdPStepUpUnmet       Code = "idp_step_up_unmet"        // the IdP says that it cannot reach what was asked for
	CodeIdPStepUpUnsupported Code = "idp_step_up_unsupported"  // the IdP has no way to be asked for it
	CodeIdPUnavailable       Code = "idp_unavailable"          // cannot be reached, or says so
	CodeIdPRequestRefused    Code = "idp_request_refused"      // the IdP refuses our request: configuration
	CodeIdPClientRefused     Code = "idp_client_refused"       // the IdP refuses our client's credentials
	CodeIdPCodeRefused       Code = "idp_code_refused"         // the IdP refuses its own code
	CodeIdPMetadataUnusable  Code = "idp_metadata_unusable"    // discovery gives no usable document
	CodeIdPMoved             Code = "idp_moved"                // an endpoint moved to another host
	CodeTokenAnswerMalformed Code = "token_answer_malformed"   // the token endpoint's answer
	CodeUserinfoUnusable     Code = "userinfo_unusable"        // the userinfo endpoint's answer
	CodeUserinfoSubMismatch  Code = "userinfo_sub_mismatch"    // about somebody else than the ID token
	CodeHostedDomainUnlisted Code = "hosted_domain_unlisted"   // an account of no listed domain, or of none
)

// What an ID token is refused for, besides what any token can be.
const (
	CodeIDTokenMissing      Code = "id_token_missing"        // none in the answer
	CodeIDTokenMalformed    Code = "id_token_malformed"      //nolint:gosec // no credential: not one compact JWS of at most 16 KiB
	CodeIDTokenIssuer       Code = "id_token_iss_mismatch"   //nolint:gosec // no credential: another issuer
	CodeIDTokenAudience     Code = "id_token_aud_not_us"     //nolint:gosec // no credential: for another client
	CodeIDTokenAzp          Code = "id_token_azp_mismatch"   //nolint:gosec // no credential: issued to another client, or to several
	CodeIDTokenExpired      Code = "id_token_expired"        // exp is past
	CodeIDTokenNotYetValid  Code = "id_token_not_yet_valid"  // nbf is to come
	CodeIDTokenStale        Code = "id_token_stale"          // iat is too long ago
	CodeIDTokenTooLongLived Code = "id_token_too_long_lived" //nolint:gosec // no credential: exp - iat above a day
	CodeNonceMismatch       Code = "nonce_mismatch"          // not made for this departure
	CodeAtHashMismatch      Code = "at_hash_mismatch"        // came with another access token
	CodeAuthTimeMissing     Code = "auth_time_missing"       // max_age was asked and the claim is absent
	CodeAuthTimeTooOld      Code = "auth_time_too_old"       // the sign-in is older than asked
	CodeACRUnmet            Code = "acr_unmet"               // not one of the acr values that were asked for
)

// What a logout token is refused for, besides what any token can be.
const (
	CodeLogoutMalformed      Code = "logout_token_malformed"  // not one compact JWS of at most 16 KiB
	CodeLogoutNotForUs       Code = "logout_token_not_for_us" // another issuer or audience
	CodeLogoutExpired        Code = "logout_token_expired"    // exp is past, or too far ahead
	CodeLogoutEventMissing   Code = "logout_event_missing"    // says no logout
	CodeLogoutNoncePresent   Code = "logout_nonce_present"    // an ID token in disguise
	CodeLogoutSubjectMissing Code = "logout_subject_missing"  // neither sub nor sid
)

// What a SAML message is refused for. Outsiders see [CodeAssertionUntrusted] for the
// codes from saml_issuer down to saml_decryption_failed.
const (
	CodeSAMLMalformed          Code = "saml_malformed"           // not one plain XML document of the schema's form
	CodeSAMLTooLarge           Code = "saml_too_large"           // above 512 KiB, inflated too
	CodeSAMLIssuer             Code = "saml_issuer"              // another entity ID than the entry's
	CodeSAMLUnsigned           Code = "saml_unsigned"            // no signature where one is needed
	CodeSAMLSignatureMalformed Code = "saml_signature_malformed" // not one enveloped signature over its parent
	CodeSAMLSignatureInvalid   Code = "saml_signature_invalid"   // no pinned certificate verifies it
	CodeSAMLAlgorithm          Code = "saml_algorithm_refused"   // a method, digest or transform that is not on the list
	CodeSAMLCertificateExpired Code = "saml_certificate_expired" // verified, by a certificate outside its validity
	CodeSAMLDecryption         Code = "saml_decryption_failed"   // whatever the reason
	CodeSAMLAssertionCount     Code = "saml_assertion_count"     // none, or several, or one about another
	CodeSAMLStatus             Code = "saml_status"              // the IdP says no
	CodeSAMLDestination        Code = "saml_destination"         // for another endpoint
	CodeSAMLRecipient          Code = "saml_recipient"           // confirmed for another endpoint
	CodeSAMLInResponseTo       Code = "saml_in_response_to"      // answers another request, or none
	CodeSAMLUnsolicited        Code = "saml_unsolicited"         // nobody left, and the entry asks that somebody did
	CodeSAMLAudience           Code = "saml_audience"            // for another service provider
	CodeSAMLElementMissing     Code = "saml_element_missing"     // an element or attribute that is required
	CodeSAMLConfirmation       Code = "saml_confirmation"        // not one confirmation of a bearer
	CodeSAMLNameID             Code = "saml_nameid"              // no name that stays
	CodeSAMLAuthnContext       Code = "saml_authn_context"       // signed in otherwise than asked
	CodeSAMLAuthnStale         Code = "saml_authn_stale"         // signed in before it was asked, or a session that is over
	CodeSAMLMetadata           Code = "saml_metadata"            // metadata that describes no usable IdP
	CodeSAMLMetadataEndpoint   Code = "saml_metadata_endpoint"   // an endpoint to which no browser is sent
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
		CodeSignInStateMismatch, CodeSignInExpired, CodeIdPMixUp, CodeIssParameterMissing, CodeIdPAnswerMalformed,
		CodeIdPLoginRequired, CodeIdPInteractionNeeded, CodeIdPConsentRequired, CodeIdPAccessDenied, CodeIdPStepUpUnmet,
		CodeIdPStepUpUnsupported, CodeIdPUnavailable, CodeIdPRequestRefused, CodeIdPClientRefused, CodeIdPCodeRefused,
		CodeIdPMetadataUnusable, CodeIdPMoved, CodeTokenAnswerMalformed, CodeUserinfoUnusable, CodeUserinfoSubMismatch,
		CodeHostedDomainUnlisted, CodeIDTokenMissing, CodeIDTokenMalformed, CodeIDTokenIssuer, CodeIDTokenAudience,
		CodeIDTokenAzp, CodeIDTokenExpired, CodeIDTokenNotYetValid, CodeIDTokenStale, CodeIDTokenTooLongLived,
		CodeNonceMismatch, CodeAtHashMismatch, CodeAuthTimeMissing, CodeAuthTimeTooOld, CodeACRUnmet, CodeLogoutMalformed,
		CodeLogoutNotForUs, CodeLogoutExpired, CodeLogoutEventMissing, CodeLogoutNoncePresent, CodeLogoutSubjectMissing,
		CodeSAMLMalformed, CodeSAMLTooLarge, CodeSAMLIssuer, CodeSAMLUnsigned, CodeSAMLSignatureMalformed,
		CodeSAMLSignatureInvalid, CodeSAMLAlgorithm, CodeSAMLCertificateExpired, CodeSAMLDecryption, CodeSAMLAssertionCount,
		CodeSAMLStatus, CodeSAMLDestination, CodeSAMLRecipient, CodeSAMLInResponseTo, CodeSAMLUnsolicited, CodeSAMLAudience,
		CodeSAMLElementMissing, CodeSAMLConfirmation, CodeSAMLNameID, CodeSAMLAuthnContext, CodeSAMLAuthnStale,
		CodeSAMLMetadata, CodeSAMLMetadataEndpoint,
	}
}

// Public is what outsiders may see of a code.
func (c Code) Public() Code {
	switch c {
	case CodeIssUnknown, CodeIssDisabled, CodeProfileNotAllowed, CodeAlgorithmNotAllowed, CodeKeyUnknown, CodeSignatureInvalid, CodeJWKSStale,
		CodeSAMLIssuer, CodeSAMLUnsigned, CodeSAMLSignatureMalformed, CodeSAMLSignatureInvalid, CodeSAMLAlgorithm, CodeSAMLCertificateExpired, CodeSAMLDecryption:
		return CodeAssertionUntrusted
	default:
		return c
	}
}
