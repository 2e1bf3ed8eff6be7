package idptest

import (
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// issuers: exact match or nothing (RFC 8414 §3.3, T11, T12).
func issuers() []Mutation {
	unknown, malformed := federation.CodeIssUnknown, federation.CodeClaimMalformed
	return []Mutation{
		{"iss_absent", "RFC 7523 §3", absent("iss"), federation.CodeClaimMissing},
		{"iss_null", "RFC 7519 §4.1.1", claim("iss", nil), malformed},
		{"iss_number", "RFC 7519 §4.1.1", claim("iss", 1), malformed},
		{"iss_array", "RFC 7519 §4.1.1", func(d *Draft, _ *IdP) { d.Claims["iss"] = []any{d.Claims["iss"]} }, malformed},
		{"iss_empty", "RFC 7519 §4.1.1", claim("iss", ""), federation.CodeClaimMissing},
		{"iss_unknown", "RFC 7523 §3", claim("iss", "https://idp.unknown.example"), unknown},
		{"iss_trailing_slash", "RFC 8414 §3.3", text("iss", func(s string) string { return s + "/" }), unknown},
		{"iss_upper_case", "RFC 8414 §3.3", text("iss", strings.ToUpper), unknown},
		{"iss_with_suffix", "T12", text("iss", func(s string) string { return s + ".evil.example" }), unknown},
		{"iss_with_path", "T12", text("iss", func(s string) string { return s + "/oauth2/default" }), unknown},
		{"iss_with_space", "T12", text("iss", func(s string) string { return s + " " }), unknown},
		{"iss_is_the_authorization_server", "ID-JAG §5", func(d *Draft, _ *IdP) { d.Claims["iss"] = d.Claims["aud"] }, federation.CodeOwnAssertion},
	}
}

// audiences: our issuer, alone (ID-JAG §4.4.1, T9).
func audiences() []Mutation {
	const section = "ID-JAG §4.4.1"
	notUs, malformed := federation.CodeAudNotUs, federation.CodeClaimMalformed
	with := func(more ...any) func(*Draft, *IdP) {
		return func(d *Draft, _ *IdP) { d.Claims["aud"] = append([]any{d.Claims["aud"]}, more...) }
	}
	return []Mutation{
		{"aud_absent", section, absent("aud"), federation.CodeClaimMissing},
		{"aud_null", "RFC 7519 §4.1.3", claim("aud", nil), malformed},
		{"aud_number", "RFC 7519 §4.1.3", claim("aud", 1), malformed},
		{"aud_object", "RFC 7519 §4.1.3", claim("aud", map[string]any{}), malformed},
		{"aud_empty", "RFC 7519 §4.1.3", claim("aud", ""), malformed},
		{"aud_array_empty", section, claim("aud", []string{}), notUs},
		{"aud_array_with_number", "RFC 7519 §4.1.3", with(1), malformed},
		{"aud_array_of_two", section, with("https://evil.example"), federation.CodeAudMulti},
		{"aud_array_of_two_same", section, func(d *Draft, _ *IdP) { d.Claims["aud"] = []any{d.Claims["aud"], d.Claims["aud"]} }, federation.CodeAudMulti},
		{"aud_with_resource", section, func(d *Draft, _ *IdP) { d.Claims["aud"] = []any{d.Claims["aud"], d.Claims["resource"]} }, federation.CodeAudMulti},
		{"aud_other", section, claim("aud", "https://other.example"), notUs},
		{"aud_trailing_slash", section, text("aud", func(s string) string { return s + "/" }), notUs},
		{"aud_upper_case", section, text("aud", strings.ToUpper), notUs},
		{"aud_token_endpoint", "RFC 7523bis", text("aud", func(s string) string { return s + "/token" }), notUs},
		{"aud_of_another_tenant", "T9", text("aud", func(s string) string { return s + "/t/another" }), notUs},
		{"aud_two_in_one_string", section, text("aud", func(s string) string { return s + " https://evil.example" }), notUs},
		{"aud_of_the_idp", section, func(d *Draft, p *IdP) { d.Claims["aud"] = p.Issuer() }, notUs},
		{"aud_is_resource", "EMA 7.6.2", func(d *Draft, _ *IdP) { d.Claims["aud"] = d.Claims["resource"] }, federation.CodeAudIsResource},
	}
}

// times: integers, within five minutes and thirty seconds' skew (RFC 7519
// §4.1.4-6, T7).
func times() []Mutation {
	malformed := federation.CodeClaimMalformed
	at := func(name string, offset time.Duration) func(*Draft, *IdP) {
		return func(d *Draft, p *IdP) { d.Claims[name] = p.Now().Add(offset).Unix() }
	}
	list := []Mutation{
		{"exp_absent", "RFC 7523 §3", absent("exp"), federation.CodeClaimMissing},
		{"iat_absent", "ID-JAG §3.1", absent("iat"), federation.CodeClaimMissing},
		{"expired", "RFC 7519 §4.1.4", func(d *Draft, p *IdP) {
			at("iat", -6*time.Minute)(d, p)
			at("exp", -2*time.Minute)(d, p)
		}, federation.CodeAssertionExpired},
		{"exp_at_the_epoch", "RFC 7519 §4.1.4", claim("exp", 0), federation.CodeAssertionExpired},
		{"exp_too_far", "EMA 7.4.2", at("exp", time.Hour), federation.CodeAssertionTooLongLived},
		{"exp_in_a_century", "T7", at("exp", 100*365*24*time.Hour), federation.CodeAssertionTooLongLived},
		{"iat_long_ago", "EMA 7.4.2", at("iat", -24*time.Hour), federation.CodeAssertionTooLongLived},
		{"iat_in_the_future", "EMA 7.4.2", func(d *Draft, p *IdP) {
			at("iat", 2*time.Minute)(d, p)
			at("exp", 6*time.Minute)(d, p)
		}, federation.CodeClockSkew},
		{"iat_after_exp", "EMA 7.4.2", func(d *Draft, p *IdP) {
			at("exp", 10*time.Second)(d, p)
			at("iat", 20*time.Second)(d, p)
		}, federation.CodeClockSkew},
		{"iat_equal_to_exp", "EMA 7.4.2", func(d *Draft, p *IdP) {
			at("exp", 10*time.Second)(d, p)
			at("iat", 10*time.Second)(d, p)
		}, federation.CodeClockSkew},
		{"nbf_in_the_future", "RFC 7519 §4.1.5", at("nbf", 2*time.Minute), federation.CodeAssertionNotYetValid},
		{"nbf_string", "RFC 7519 §2", claim("nbf", "now"), malformed},
		{"nbf_null", "RFC 7519 §2", claim("nbf", nil), malformed},
		{"auth_time_string", "OIDC Core §2", claim("auth_time", "1700000000"), malformed},
		{"auth_time_fraction", "OIDC Core §2", number("auth_time", "1700000000.5"), malformed},
		{"auth_time_null", "OIDC Core §2", claim("auth_time", nil), malformed},
	}
	for _, name := range []string{"exp", "iat"} {
		for _, wrong := range []struct{ kind, value string }{
			{"null", "null"},
			{"string", `"1893456000"`},
			{"true", "true"},
			{"array", "[1893456000]"},
			{"object", "{}"},
			{"fraction", "1893456000.5"},
			{"fraction_of_zero", "1893456000.0"},
			{"exponent", "1.893456e9"},
			{"1e18", "1e18"},
			{"19_digits", "1000000000000000000"},
			{"negative", "-1"},
			{"minus_zero", "-0"},
			{"beyond_int64", "92233720368547758080"},
		} {
			list = append(list, Mutation{name + "_" + wrong.kind, "RFC 7519 §2, T7", number(name, wrong.value), malformed})
		}
	}
	return list
}

// identifiers: of the subject, the assertion and the client.
func identifiers() []Mutation {
	malformed, missing := federation.CodeClaimMalformed, federation.CodeClaimMissing
	list := []Mutation{
		{"client_id_other", "ID-JAG §4.4.1", claim("client_id", "another-client"), federation.CodeClientIDMismatch},
		{"client_id_in_other_case", "ID-JAG §4.4.1", text("client_id", strings.ToUpper), federation.CodeClientIDMismatch},
		{"client_id_with_space", "ID-JAG §4.4.1", text("client_id", func(s string) string { return s + " " }), federation.CodeClientIDMismatch},
	}
	for _, name := range []string{"sub", "jti", "client_id"} {
		list = append(list,
			Mutation{name + "_absent", "ID-JAG §3.1", absent(name), missing},
			Mutation{name + "_null", "RFC 7519 §4.1", claim(name, nil), malformed},
			Mutation{name + "_empty", "RFC 7519 §4.1", claim(name, ""), malformed},
			Mutation{name + "_number", "RFC 7519 §4.1", claim(name, 1), malformed},
			Mutation{name + "_array", "RFC 7519 §4.1", claim(name, []string{"x"}), malformed},
			Mutation{name + "_control_character", "T4", claim(name, "a\nb"), malformed},
			Mutation{name + "_with_nul", "T4", claim(name, "a\x00b"), malformed},
		)
	}
	return append(list,
		Mutation{"sub_too_long", "RFC 7519 §4.1.2", claim("sub", strings.Repeat("s", 256)), malformed},
		Mutation{"jti_too_long", "RFC 7519 §4.1.7", claim("jti", strings.Repeat("j", 256)), malformed},
		Mutation{"client_id_too_long", "ID-JAG §3.1", claim("client_id", strings.Repeat("c", 1025)), malformed},
	)
}

// bindings: cnf and tenants (RFC 7800, RFC 9449 §6, ID-JAG §3.1).
func bindings() []Mutation {
	unsupported, malformed := federation.CodeCNFUnsupported, federation.CodeClaimMalformed
	const thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	return []Mutation{
		{"cnf_not_proved", "RFC 9449 §6.1", claim("cnf", map[string]any{"jkt": thumbprint}), federation.CodeCNFUnproved},
		{"cnf_empty", "RFC 7800 §3.1", claim("cnf", map[string]any{}), unsupported},
		{"cnf_null", "RFC 7800 §3.1", claim("cnf", nil), unsupported},
		{"cnf_string", "RFC 7800 §3.1", claim("cnf", thumbprint), unsupported},
		{"cnf_array", "RFC 7800 §3.1", claim("cnf", []any{map[string]any{"jkt": thumbprint}}), unsupported},
		{"cnf_jkt_number", "RFC 9449 §6.1", claim("cnf", map[string]any{"jkt": 1}), unsupported},
		{"cnf_jkt_empty", "RFC 9449 §6.1", claim("cnf", map[string]any{"jkt": ""}), unsupported},
		{"cnf_jwk", "RFC 7800 §3.2", func(d *Draft, _ *IdP) { d.Claims["cnf"] = map[string]any{"jwk": d.Key.JWK()} }, federation.CodeCNFUnproved},
		{"cnf_jwk_symmetric", "RFC 7800 §3.2", claim("cnf", map[string]any{"jwk": map[string]any{"kty": "oct", "k": "c2VjcmV0"}}), unsupported},
		{"cnf_jwk_private", "RFC 7517 §9.2", func(d *Draft, _ *IdP) {
			key := d.Key.JWK()
			key["d"] = "c2VjcmV0"
			d.Claims["cnf"] = map[string]any{"jwk": key}
		}, unsupported},
		{"cnf_jwk_string", "RFC 7800 §3.2", claim("cnf", map[string]any{"jwk": "key-1"}), unsupported},
		{"cnf_jwk_and_jkt", "RFC 7800 §3.1", func(d *Draft, _ *IdP) {
			d.Claims["cnf"] = map[string]any{"jwk": d.Key.JWK(), "jkt": thumbprint}
		}, unsupported},
		{"cnf_kid", "RFC 7800 §3.4", claim("cnf", map[string]any{"kid": "key-1"}), unsupported},
		{"cnf_certificate", "RFC 8705 §3.1", claim("cnf", map[string]any{"x5t#S256": thumbprint}), unsupported},
		{"cnf_jkt_and_certificate", "ID-JAG-05", claim("cnf", map[string]any{"jkt": thumbprint, "x5t#S256": thumbprint}), unsupported},
		{"cnf_jkt_in_other_case", "T6", claim("cnf", map[string]any{"JKT": thumbprint}), unsupported},
		{"tenant_unlisted", "ID-JAG §3.1", claim("tenant", "acme-eu"), federation.CodeTenantUnlisted},
		{"tenant_null", "ID-JAG §3.1", claim("tenant", nil), malformed},
		{"tenant_empty", "ID-JAG §3.1", claim("tenant", ""), malformed},
		{"tenant_number", "ID-JAG §3.1", claim("tenant", 1), malformed},
		{"aud_tenant_other", "ID-JAG §3.1", claim("aud_tenant", "another-tenant"), federation.CodeAudTenantMismatch},
		{"aud_tenant_empty", "ID-JAG §3.1", claim("aud_tenant", ""), malformed},
		{"aud_tenant_array", "ID-JAG §3.1", claim("aud_tenant", []string{"default"}), malformed},
	}
}

// targets: the form of resource, scope and authorization_details.
func targets() []Mutation {
	malformed := federation.CodeClaimMalformed
	return []Mutation{
		{"resource_with_fragment", "RFC 8707 §2", text("resource", func(s string) string { return s + "#part" }), malformed},
		{"resource_with_empty_fragment", "RFC 8707 §2", text("resource", func(s string) string { return s + "#" }), malformed},
		{"resource_relative", "RFC 8707 §2", claim("resource", "/notes"), malformed},
		{"resource_empty", "RFC 8707 §2", claim("resource", ""), malformed},
		{"resource_array_empty", "RFC 8707 §2", claim("resource", []string{}), malformed},
		{"resource_array_nested", "RFC 8707 §2", claim("resource", nested(2)), malformed},
		{"resource_number", "RFC 8707 §2", claim("resource", 1), malformed},
		{"resource_null", "RFC 8707 §2", claim("resource", nil), malformed},
		{"scope_empty", "RFC 6749 §3.3", claim("scope", ""), malformed},
		{"scope_two_spaces", "RFC 6749 §3.3", claim("scope", "notes:read  notes:write"), malformed},
		{"scope_space_after", "RFC 6749 §3.3", claim("scope", "notes:read "), malformed},
		{"scope_with_tab", "RFC 6749 §3.3", claim("scope", "notes:read\tnotes:write"), malformed},
		{"scope_with_quote", "RFC 6749 §3.3", claim("scope", `notes:"read"`), malformed},
		{"scope_array", "RFC 8693 §4.2", claim("scope", []string{"notes:read"}), malformed},
		{"scope_null", "RFC 8693 §4.2", claim("scope", nil), malformed},
		{"authorization_details_object", "RFC 9396 §2", claim("authorization_details", map[string]any{"type": "x"}), malformed},
		{"authorization_details_strings", "RFC 9396 §2", claim("authorization_details", []string{"x"}), malformed},
		{"authorization_details_without_type", "RFC 9396 §2", claim("authorization_details", []any{map[string]any{}}), malformed},
		{"authorization_details_null", "RFC 9396 §2", claim("authorization_details", nil), malformed},
	}
}

// people: what is said of the subject and of how it signed in.
func people() []Mutation {
	malformed, groups := federation.CodeClaimMalformed, federation.CodeGroupsMalformed
	return []Mutation{
		{"email_number", "OIDC Core §5.1", claim("email", 1), malformed},
		{"email_null", "OIDC Core §5.1", claim("email", nil), malformed},
		{"email_verified_string", "OIDC Core §5.1", claim("email_verified", "true"), malformed},
		{"email_verified_number", "OIDC Core §5.1", claim("email_verified", 1), malformed},
		{"aud_sub_number", "ID-JAG §3.1", claim("aud_sub", 1), malformed},
		{"aud_sub_empty", "ID-JAG §3.1", claim("aud_sub", ""), malformed},
		{"sub_id_string", "RFC 9493 §3", claim("sub_id", "alice"), malformed},
		{"sub_id_without_format", "RFC 9493 §3", claim("sub_id", map[string]any{"id": "alice"}), malformed},
		{"sub_id_member_number", "RFC 9493 §3", claim("sub_id", map[string]any{"format": "opaque", "id": 1}), malformed},
		{"sub_id_saml_without_issuer", "ID-JAG-04 saml-nameid", claim("sub_id", map[string]any{"format": "saml-nameid", "nameid": "alice"}), malformed},
		{"sub_id_saml_without_nameid", "ID-JAG-04 saml-nameid", claim("sub_id", map[string]any{"format": "saml_nameid", "issuer": "https://saml.example"}), malformed},
		{"acr_number", "OIDC Core §2", claim("acr", 2), malformed},
		{"acr_array", "OIDC Core §2", claim("acr", []string{"phr"}), malformed},
		{"acr_null", "OIDC Core §2", claim("acr", nil), malformed},
		{"amr_string", "OIDC Core §2", claim("amr", "pwd"), malformed},
		{"amr_with_number", "OIDC Core §2", claim("amr", []any{"pwd", 1}), malformed},
		{"act_string", "RFC 8693 §4.1", claim("act", "agent"), malformed},
		{"act_array", "RFC 8693 §4.1", claim("act", []any{actors(1)}), malformed},
		{"act_empty", "RFC 8693 §4.1", claim("act", map[string]any{}), federation.CodeActUnsupported},
		{"act_inner_string", "RFC 8693 §4.1", claim("act", map[string]any{"sub": "agent", "act": "agent"}), federation.CodeActUnsupported},
		{"act_inner_null", "RFC 8693 §4.1", claim("act", map[string]any{"sub": "agent", "act": nil}), federation.CodeActUnsupported},
		{"act_five_levels", "T19", claim("act", actors(5)), federation.CodeActUnsupported},
		{"act_twenty_levels", "T19", claim("act", actors(20)), federation.CodeActUnsupported},
		{"act_two_hundred_levels", "T19", claim("act", actors(200)), malformed}, // deeper than JSON is read
		{"act_a_thousand_levels", "T19", claim("act", actors(1000)), federation.CodeAssertionTooLarge},
		{"groups_nested", "T15", claim("groups", [][]string{{GroupEditors}}), groups},
		{"groups_number", "T15", claim("groups", 1), groups},
		{"groups_object", "T15", claim("groups", map[string]any{GroupEditors: true}), groups},
		{"groups_null", "T15", claim("groups", nil), groups},
		{"groups_with_number", "T15", claim("groups", []any{GroupEditors, 1}), groups},
		{"groups_with_empty", "T15", claim("groups", []string{GroupEditors, ""}), groups},
		{"groups_2001", "T15", claim("groups", many(2001)), groups},
		{"claim_names_string", "OIDC Core §5.6.2", claim("_claim_names", "groups"), malformed},
	}
}

// smuggled: one JSON text that two readers understand differently (M1, T6).
func smuggled() []Mutation {
	malformed := federation.CodeClaimMalformed
	list := []Mutation{
		{"long_s_sub", "M1", raw(member(`"\u017fub":"admin"`)), malformed},
		{"long_s_sub_literal", "M1", raw(member(`"ſub":"admin"`)), malformed},
		{"folded_private_claims", "T6", raw(member(`"role":"user","ROLE":"admin"`)), malformed},
		{"duplicate_in_private_claim", "T6", raw(member(`"private":{"a":1,"a":2}`)), malformed},
		{"duplicate_by_escape", "T6", raw(member(`"\u0073ub":"admin"`)), malformed},
		{"claims_array", "RFC 7519 §3", raw(func(b []byte) []byte { return append(append([]byte("["), b...), ']') }), malformed},
		{"claims_string", "RFC 7519 §3", raw(func([]byte) []byte { return []byte(`"claims"`) }), malformed},
		{"claims_empty", "RFC 7519 §3", raw(func([]byte) []byte { return []byte{} }), malformed},
		{"claims_no_json", "RFC 7519 §7.2", raw(func(b []byte) []byte { return b[:len(b)-1] }), malformed},
		{"claims_with_more_after", "RFC 8259 §2", raw(func(b []byte) []byte { return append(b, "{}"...) }), malformed},
		{"claims_with_byte_order_mark", "RFC 8259 §8.1", raw(func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }), malformed},
		{"claims_not_utf8", "RFC 8259 §8.1", raw(member("\"note\":\"\xff\"")), malformed},
		{"claims_with_lone_surrogate", "RFC 7493 §2.1", raw(member(`"note":"\ud800"`)), malformed},
		{"private_claim_nine_levels", "T15", claim("deep", nested(9)), malformed},
		{"private_claim_forty_levels", "T15", claim("deep", nested(40)), malformed},
		{"private_claim_huge_number", "T7", number("n", "1e999999"), malformed},
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "client_id", "jti"} {
		value := `"admin"`
		if name == "exp" {
			value = "9999999999"
		}
		list = append(list,
			Mutation{"duplicate_" + name, "RFC 7519 §4", raw(member(`"` + name + `":` + value)), malformed},
			Mutation{"folded_" + name, "M1", raw(member(`"` + strings.ToUpper(name) + `":` + value)), malformed},
		)
	}
	return list
}
