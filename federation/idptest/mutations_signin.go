package idptest

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// IDTokenMutations returns what must be refused of an ID token, by a relying party that
// allows ES256 and RS256, forgives 30 s, has no other client than the one that the
// token is for, lists no IdP-side tenants, reads groups from the claim groups, and
// asked for nothing but a sign-in. Names are unique.
func IDTokenMutations() []Mutation {
	return slices.Concat(
		recoded(shapes()), recoded(headers()), idTokenTypes(), recoded(issuers()), signatures(), idTokenAudiences(), idTokenTimes(),
		idTokenIdentifiers(), idTokenBindings(), idTokenPeople(),
		slices.DeleteFunc(smuggled(), func(m Mutation) bool { return m.Name == "duplicate_client_id" }), // an ID token has none
	)
}

// recoded are mutations whose codes an ID token has others for.
func recoded(mutations []Mutation) []Mutation {
	for i := range mutations {
		switch mutations[i].Code {
		case federation.CodeAssertionMalformed, federation.CodeAssertionTooLarge:
			mutations[i].Code = federation.CodeIDTokenMalformed
		case federation.CodeIssUnknown, federation.CodeOwnAssertion:
			mutations[i].Code = federation.CodeIDTokenIssuer
		default:
		}
	}
	return mutations
}

func idTokenTypes() []Mutation {
	wrong := federation.CodeTypWrong
	list := []Mutation{
		{"events_of_a_logout", "OIDC Back-Channel Logout §2.4", claim("events", map[string]any{LogoutEvent: map[string]any{}}), wrong},
		{"typ_claim_bearer", "T10", claim("typ", "Bearer"), wrong},
		{"typ_claim_refresh", "T10", claim("typ", "Refresh"), wrong},
		{"typ_claim_number", "T10", claim("typ", 1), wrong},
		{"token_use_access", "T10", claim("token_use", "access"), wrong},
	}
	for _, typ := range []string{"at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "oauth-id-jag+jwt", "client-authentication+jwt", "JOSE"} {
		list = append(list, Mutation{"typ_" + strings.ReplaceAll(typ, "+", "_"), "RFC 8725 §3.11", header("typ", typ), wrong})
	}
	return list
}

func idTokenAudiences() []Mutation {
	const section = "OIDC Core §3.1.3.7"
	notUs, azp, malformed := federation.CodeIDTokenAudience, federation.CodeIDTokenAzp, federation.CodeClaimMalformed
	with := func(azp any, more ...any) func(*Draft, *IdP) {
		return func(d *Draft, _ *IdP) {
			d.Claims["aud"] = append([]any{d.Claims["aud"]}, more...)
			if azp != nil {
				d.Claims["azp"] = azp
			}
		}
	}
	return []Mutation{
		{"aud_absent", section, absent("aud"), federation.CodeClaimMissing},
		{"aud_null", section, claim("aud", nil), malformed},
		{"aud_number", section, claim("aud", 1), malformed},
		{"aud_empty", section, claim("aud", ""), malformed},
		{"aud_array_empty", section, claim("aud", []string{}), notUs},
		{"aud_array_with_number", section, with(nil, 1), malformed},
		{"aud_other", section, claim("aud", "another-client"), notUs},
		{"aud_in_other_case", section, text("aud", strings.ToUpper), notUs},
		{"aud_with_space", section, text("aud", func(s string) string { return s + " " }), notUs},
		{"aud_of_two_without_azp", "M2", with(nil, "evil"), azp},
		{"aud_of_two_azp_other", section, with("evil", "evil"), azp},
		{"aud_of_two_same_without_azp", section, func(d *Draft, _ *IdP) { d.Claims["aud"] = []any{d.Claims["aud"], d.Claims["aud"]} }, azp},
		{"azp_other", section, claim("azp", "evil"), azp},
		{"azp_empty", section, claim("azp", ""), malformed},
		{"azp_null", section, claim("azp", nil), malformed},
		{"azp_array", section, func(d *Draft, _ *IdP) { d.Claims["azp"] = []any{d.Claims["aud"]} }, malformed},
		{"duplicate_azp", "M1", raw(member(`"azp":"a","azp":"b"`)), malformed},
	}
}

func idTokenTimes() []Mutation {
	at := func(name string, offset time.Duration) func(*Draft, *IdP) {
		return func(d *Draft, p *IdP) { d.Claims[name] = p.Now().Add(offset).Unix() }
	}
	both := func(issued, expires time.Duration) func(*Draft, *IdP) {
		return func(d *Draft, p *IdP) {
			at("iat", issued)(d, p)
			at("exp", expires)(d, p)
		}
	}
	list := []Mutation{
		{"exp_absent", "OIDC Core §2", absent("exp"), federation.CodeClaimMissing},
		{"iat_absent", "OIDC Core §2", absent("iat"), federation.CodeClaimMissing},
		{"expired", "OIDC Core §3.1.3.7", both(-5*time.Minute, -time.Minute), federation.CodeIDTokenExpired},
		{"exp_at_the_epoch", "RFC 7519 §4.1.4", claim("exp", 0), federation.CodeIDTokenExpired},
		{"exp_in_two_days", "T7", at("exp", 48*time.Hour), federation.CodeIDTokenTooLongLived},
		{"exp_in_a_century", "M2", at("exp", 100*365*24*time.Hour), federation.CodeIDTokenTooLongLived},
		{"iat_an_hour_ago", "OIDC Core §3.1.3.7", at("iat", -time.Hour), federation.CodeIDTokenStale},
		{"iat_in_the_future", "M2", both(2*time.Minute, 6*time.Minute), federation.CodeClockSkew},
		{"iat_in_2286", "M2", both(260*365*24*time.Hour, 260*365*24*time.Hour+time.Hour), federation.CodeClockSkew},
		{"iat_equal_to_exp", "OIDC Core §2", both(10*time.Second, 10*time.Second), federation.CodeClockSkew},
		{"nbf_in_the_future", "RFC 7519 §4.1.5", at("nbf", 2*time.Minute), federation.CodeIDTokenNotYetValid},
		{"auth_time_in_the_future", "T48", at("auth_time", 5*time.Minute), federation.CodeClockSkew},
	}
	for _, m := range times() {
		if m.Code == federation.CodeClaimMalformed {
			list = append(list, m)
		}
	}
	return list
}

func idTokenIdentifiers() []Mutation {
	malformed := federation.CodeClaimMalformed
	list := slices.DeleteFunc(identifiers(), func(m Mutation) bool { return !strings.HasPrefix(m.Name, "sub_") })
	return append(list,
		Mutation{"sid_number", "OIDC Back-Channel Logout §2.1", claim("sid", 1), malformed},
		Mutation{"sid_too_long", "OIDC Back-Channel Logout §2.1", claim("sid", strings.Repeat("s", 256)), malformed},
		Mutation{"sid_with_line_break", "T4", claim("sid", "a\nb"), malformed},
		Mutation{"tenant_unlisted", "T12", claim("tenant", "another"), federation.CodeTenantUnlisted},
		Mutation{"tenant_number", "T12", claim("tenant", 1), malformed},
	)
}

func idTokenBindings() []Mutation {
	nonce, hash, malformed := federation.CodeNonceMismatch, federation.CodeAtHashMismatch, federation.CodeClaimMalformed
	return []Mutation{
		{"nonce_absent", "OIDC Core §3.1.3.7", absent("nonce"), nonce},
		{"nonce_other", "OIDC Core §3.1.3.7", claim("nonce", "n-0S6_WzA2Mj"), nonce},
		{"nonce_in_other_case", "OIDC Core §3.1.3.7", text("nonce", strings.ToUpper), nonce},
		{"nonce_truncated", "OIDC Core §3.1.3.7", text("nonce", func(s string) string { return s[:len(s)-1] }), nonce},
		{"nonce_empty", "OIDC Core §3.1.3.7", claim("nonce", ""), malformed},
		{"nonce_null", "OIDC Core §3.1.3.7", claim("nonce", nil), malformed},
		{"nonce_array", "OIDC Core §3.1.3.7", func(d *Draft, _ *IdP) { d.Claims["nonce"] = []any{d.Claims["nonce"]} }, malformed},
		{"folded_nonce", "M1", raw(member(`"NONCE":"n"`)), malformed},
		{"at_hash_other", "OIDC Core §3.1.3.8", claim("at_hash", "77QmUPtjPfzWtF2AnpK9RQ"), hash},
		{"at_hash_truncated", "OIDC Core §3.1.3.8", text("at_hash", func(s string) string { return s[:8] }), hash},
		{"at_hash_empty", "OIDC Core §3.1.3.8", claim("at_hash", ""), malformed},
		{"at_hash_null", "OIDC Core §3.1.3.8", claim("at_hash", nil), malformed},
		{"folded_at_hash", "M1", raw(member(`"At_Hash":"x"`)), malformed},
	}
}

func idTokenPeople() []Mutation {
	malformed, groups := federation.CodeClaimMalformed, federation.CodeGroupsMalformed
	return []Mutation{
		{"acr_array", "T48", claim("acr", []string{"phr"}), malformed},
		{"acr_null", "OIDC Core §2", claim("acr", nil), malformed},
		{"amr_string", "OIDC Core §2", claim("amr", "mfa"), malformed},
		{"amr_with_number", "OIDC Core §2", claim("amr", []any{"mfa", 1}), malformed},
		{"email_number", "OIDC Core §5.1", claim("email", 1), malformed},
		{"email_array", "T14", claim("email", []string{"alice@acme.com"}), malformed},
		{"email_with_line_break", "T14", claim("email", "alice@acme.com\r\nbcc: eve@evil.example"), malformed},
		{"email_verified_string", "OIDC Core §5.1", claim("email_verified", "false"), malformed},
		{"email_verified_number", "OIDC Core §5.1", claim("email_verified", 1), malformed},
		{"name_with_escape", "T70", claim("name", "Alice\x1b[2J"), malformed},
		{"groups_object", "T15", claim("groups", map[string]any{"a": true}), groups},
		{"groups_nested", "T15", claim("groups", []any{[]string{GroupEditors}}), groups},
		{"groups_with_number", "T15", claim("groups", []any{GroupEditors, 1}), groups},
		{"groups_2001", "T15", claim("groups", many(2001)), groups},
		{"claim_names_string", "OIDC Core §5.6.2", claim("_claim_names", "groups"), malformed},
	}
}

// AnswerMutation changes one thing of an authorization answer, and says what must come
// of it.
type AnswerMutation struct {
	Name    string
	Section string
	Break   func(url.Values, *IdP)
	Code    federation.Code
}

// AnswerMutations returns what must be refused of a good answer with a code, by a
// relying party that has read in the metadata that the IdP names itself.
func AnswerMutations() []AnswerMutation {
	malformed, mixUp, state := federation.CodeIdPAnswerMalformed, federation.CodeIdPMixUp, federation.CodeSignInStateMismatch
	set := func(name string, values ...string) func(url.Values, *IdP) {
		return func(v url.Values, _ *IdP) { v[name] = values }
	}
	del := func(name string) func(url.Values, *IdP) { return func(v url.Values, _ *IdP) { v.Del(name) } }
	change := func(name string, f func(string) string) func(url.Values, *IdP) {
		return func(v url.Values, _ *IdP) { v.Set(name, f(v.Get(name))) }
	}
	failed := func(code string) func(url.Values, *IdP) {
		return func(v url.Values, _ *IdP) {
			v.Del("code")
			v.Set("error", code)
			v.Set("error_description", "<script>alert(1)</script>\r\nSet-Cookie: a=b")
		}
	}
	const core = "OIDC Core §3.1.2.5"
	list := []AnswerMutation{
		{"state_absent", core, del("state"), state},
		{"state_empty", core, set("state", ""), state},
		{"state_other", core, set("state", "another"), state},
		{"state_in_other_case", core, change("state", strings.ToUpper), state},
		{"state_truncated", core, change("state", func(s string) string { return s[:len(s)-1] }), state},
		{"state_twice", "RFC 6749 §3.1", func(v url.Values, _ *IdP) { v["state"] = append(v["state"], v.Get("state")) }, malformed},
		{"state_huge", core, set("state", strings.Repeat("s", 4096)), malformed},
		{"iss_absent", "RFC 9207 §2.4", del("iss"), federation.CodeIssParameterMissing},
		{"iss_empty", "RFC 9207 §2.4", set("iss", ""), mixUp},
		{"iss_other", "T36", set("iss", "https://evil.example"), mixUp},
		{"iss_with_slash", "T36", change("iss", func(s string) string { return s + "/" }), mixUp},
		{"iss_in_upper_case", "T36", change("iss", strings.ToUpper), mixUp},
		{"iss_twice", "T36", func(v url.Values, _ *IdP) { v["iss"] = append(v["iss"], "https://evil.example") }, malformed},
		{"code_absent", core, del("code"), malformed},
		{"code_empty", core, set("code", ""), malformed},
		{"code_twice", "RFC 6749 §3.1", func(v url.Values, _ *IdP) { v["code"] = append(v["code"], "x") }, malformed},
		{"code_huge", core, set("code", strings.Repeat("c", 9<<10)), malformed},
		{"code_unknown", "RFC 6749 §5.2", set("code", "another"), federation.CodeIdPCodeRefused},
		{"code_and_error", core, set("error", "access_denied"), malformed},
		{"id_token_in_front", core, set("id_token", "e30.e30.AA"), malformed},
		{"access_token_in_front", core, set("access_token", "x"), malformed},
		{"response_of_jarm", core, set("response", "e30.e30.AA"), malformed},
		{"error_with_another_iss", "RFC 9207 §2.4", func(v url.Values, p *IdP) {
			failed("access_denied")(v, p)
			v.Set("iss", "https://evil.example")
		}, mixUp},
		{"error_without_state", "RFC 6749 §10.12", func(v url.Values, p *IdP) {
			failed("access_denied")(v, p)
			v.Del("state")
		}, state},
	}
	for failure, code := range map[string]federation.Code{
		"login_required": federation.CodeIdPLoginRequired, "interaction_required": federation.CodeIdPInteractionNeeded,
		"account_selection_required": federation.CodeIdPInteractionNeeded, "consent_required": federation.CodeIdPConsentRequired,
		"access_denied": federation.CodeIdPAccessDenied, "unmet_authentication_requirements": federation.CodeIdPStepUpUnmet,
		"temporarily_unavailable": federation.CodeIdPUnavailable, "server_error": federation.CodeIdPUnavailable,
		"invalid_request": federation.CodeIdPRequestRefused, "invalid_scope": federation.CodeIdPRequestRefused,
		"unauthorized_client": federation.CodeIdPRequestRefused, "<b>unheard of</b>": federation.CodeIdPRequestRefused,
	} {
		list = append(list, AnswerMutation{"error " + failure, "OIDC Core §3.1.2.6", failed(failure), code})
	}
	return list
}

// LogoutMutations returns what must be refused of a logout token.
func LogoutMutations() []Mutation {
	malformed, missing := federation.CodeClaimMalformed, federation.CodeClaimMissing
	event, notUs := federation.CodeLogoutEventMissing, federation.CodeLogoutNotForUs
	at := func(issued, expires time.Duration) func(*Draft, *IdP) {
		return func(d *Draft, p *IdP) {
			d.Claims["iat"], d.Claims["exp"] = p.Now().Add(issued).Unix(), p.Now().Add(expires).Unix()
		}
	}
	const section = "OIDC Back-Channel Logout §2.4"
	list := []Mutation{
		{"nonce_present", section, claim("nonce", "n"), federation.CodeLogoutNoncePresent},
		{"nonce_null", section, claim("nonce", nil), federation.CodeLogoutNoncePresent},
		{"events_absent", section, absent("events"), event},
		{"events_empty", section, claim("events", map[string]any{}), event},
		{"events_string", section, claim("events", LogoutEvent), malformed},
		{"events_array", section, claim("events", []string{LogoutEvent}), malformed},
		{"events_other", "RFC 8417 §2.2", claim("events", map[string]any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{}}), event},
		{"events_member_true", section, claim("events", map[string]any{LogoutEvent: true}), event},
		{"events_in_upper_case", section, claim("events", map[string]any{strings.ToUpper(LogoutEvent): map[string]any{}}), event},
		{"neither_sub_nor_sid", section, absent("sub"), federation.CodeLogoutSubjectMissing},
		{"sid_number", section, claim("sid", 1), malformed},
		{"sub_empty", section, claim("sub", ""), malformed},
		{"jti_absent", section, absent("jti"), missing},
		{"jti_too_long", section, claim("jti", strings.Repeat("j", 256)), malformed},
		{"iat_absent", section, absent("iat"), missing},
		{"exp_absent", section, absent("exp"), missing},
		{"expired", section, at(-5*time.Minute, -time.Minute), federation.CodeLogoutExpired},
		{"exp_in_an_hour", section, at(0, time.Hour), federation.CodeLogoutExpired},
		{"iat_in_the_future", section, at(5*time.Minute, 6*time.Minute), federation.CodeClockSkew},
		{"exp_string", section, claim("exp", "1893456000"), malformed},
		{"iss_absent", section, absent("iss"), missing},
		{"iss_other", section, claim("iss", "https://evil.example"), notUs},
		{"iss_with_slash", section, text("iss", func(s string) string { return s + "/" }), notUs},
		{"aud_absent", section, absent("aud"), missing},
		{"aud_other", section, claim("aud", "another-client"), notUs},
		{"typ_at", section, header("typ", "at+jwt"), federation.CodeTypWrong},
		{"typ_secevent", "RFC 8417 §2.3", header("typ", "secevent+jwt"), federation.CodeTypWrong},
		{"alg_none", "RFC 8725 §2.1", header("alg", "none"), federation.CodeAlgorithmNotAllowed},
		{"kid_unknown", "RFC 7515 §4.1.4", header("kid", "key-of-nobody"), federation.CodeKeyUnknown},
		{"signed_by_a_stranger", "T11", func(d *Draft, _ *IdP) { d.Key = stranger(d.Key.ID) }, federation.CodeSignatureInvalid},
		{"folded_sub", "M1", raw(member(`"SUB":"admin"`)), malformed},
		{"duplicate_sid", "M1", raw(member(`"sid":"a","sid":"b"`)), malformed},
		{"two_parts", "RFC 7515 §7.1", compact(func(s string) string { return s[:strings.LastIndexByte(s, '.')] }), federation.CodeLogoutMalformed},
		{"json_flattened", "M2", compact(flattened), federation.CodeLogoutMalformed},
		{"larger_than_16_kib", "T17", claim("padding", strings.Repeat("a", 16<<10)), federation.CodeLogoutMalformed},
	}
	return list
}

// BreakIDTokens changes one thing in every ID token of the code flow from now on; nil
// undoes it.
func (p *IdP) BreakIDTokens(m *Mutation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.brokenID = m
}

func (p *IdP) breakIDToken(d *Draft) {
	p.mu.Lock()
	broken := p.brokenID
	p.mu.Unlock()
	if broken != nil {
		broken.Break(d, p)
	}
}

// BreakAnswers changes one thing in every authorization answer from now on; nil undoes
// it.
func (p *IdP) BreakAnswers(m *AnswerMutation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.brokenAt = m
}
