package idptest

import (
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// MutationsFor returns every mutation of a profile's assertion that must be refused.
// What is said at Mutation holds, and: the token endpoint is the issuer of the first
// audience with /token behind it.
func MutationsFor(profile federation.Profile) []Mutation {
	switch profile {
	case federation.ProfileIDJAG:
		return Mutations()
	case federation.ProfileJWTBearer:
		return slices.Concat(shapes(), headers(), plainTypes(), issuers(), signatures(),
			without(audiences(), "aud_token_endpoint"), plainAudiences(), times(),
			without(identifiers(), "client_id_absent"), bindings(),
			without(targets(), "scope_"), people(), smuggled(), purposes())
	case federation.ProfileWorkload:
		return slices.Concat(shapes(), headers(), without(plainTypes(), "typ_of_an_id_jag"), issuers(), signatures(),
			without(audiences(), "aud_token_endpoint", "aud_is_resource", "aud_with_resource"), plainAudiences(),
			without(times(), "iat_absent", "auth_time_"),
			without(identifiers(), "client_id_", "jti_absent"),
			without(bindings(), "aud_tenant_"),
			only(people(), "act_"), without(smuggled(), "duplicate_client_id"), purposes(), workloads())
	case federation.ProfileSAML2Bearer:
	}
	return nil
}

// VariationsFor returns mutations of a profile's assertion that must be accepted.
func VariationsFor(profile federation.Profile) []Mutation {
	switch profile {
	case federation.ProfileIDJAG:
		return Variations()
	case federation.ProfileJWTBearer:
		return slices.Concat(without(Variations(), "typ_"), plainVariations(), []Mutation{
			{"client_id_absent", "RFC 7523 §3", absent("client_id"), ""},
			{"resource_absent", "RFC 7523 §3", absent("resource"), ""},
		})
	case federation.ProfileWorkload:
		return slices.Concat(without(Variations(), "typ_", "resource_", "groups_"), plainVariations(), []Mutation{
			{"iat_absent", "SEP-1933", func(d *Draft, _ *IdP) {
				delete(d.Claims, "iat")
				delete(d.Claims, "nbf")
			}, ""},
			{"jti_absent", "SEP-1933", absent("jti"), ""},
			{"client_id_of_the_platform", "SEP-1933", claim("client_id", "builder"), ""},
			{"resource_of_the_platform", "SEP-1933", claim("resource", []any{1}), ""},
			{"email_of_the_platform", "SEP-1933", claim("email", 1), ""},
			{"acr_of_the_platform", "SEP-1933", claim("acr", 2), ""},
			{"groups_of_the_platform", "SEP-1933", claim("groups", map[string]any{"name": "acme"}), ""},
		})
	case federation.ProfileSAML2Bearer:
	}
	return nil
}

func plainVariations() []Mutation {
	return []Mutation{
		{"typ_absent", "RFC 7519 §5.1", noHeader("typ"), ""},
		{"typ_application_jwt", "RFC 7515 §4.1.9", header("typ", "application/jwt"), ""},
		{"typ_in_lower_case", "RFC 7519 §5.1", header("typ", "jwt"), ""},
		{"aud_token_endpoint", "RFC 7523 §3", text("aud", func(s string) string { return s + "/token" }), ""},
		{"scope_of_the_idp", "RFC 7523 §3", claim("scope", "openid profile"), ""},
		{"scope_of_the_idp_as_a_list", "RFC 7523 §3", claim("scope", []string{"openid"}), ""},
		{"azp_of_the_idp", "OIDC Core §2", claim("azp", "another-client"), ""},
		{"access_token_of_keycloak", "Keycloak server administration guide", claim("typ", "Bearer"), ""},
		{"access_token_of_cognito", "Amazon Cognito developer guide", claim("token_use", "access"), ""},
	}
}

// plainTypes are typ of other tokens, where JWT and none are what is expected (RFC
// 8725 §3.11, T10).
func plainTypes() []Mutation {
	list := without(types(), "typ_absent", "typ_jwt", "typ_application_jwt", "typ_oauth")
	return append(list,
		Mutation{"typ_of_an_id_jag", "ID-JAG §3.1", header("typ", "oauth-id-jag+jwt"), federation.CodeProfileNotAllowed},
		Mutation{"typ_oauth-id-jag", "RFC 8725 §3.11", header("typ", "oauth-id-jag"), federation.CodeTypWrong},
	)
}

// plainAudiences: RFC 7523 §3, T9.
func plainAudiences() []Mutation {
	const section = "RFC 7523 §3"
	notUs := federation.CodeAudNotUs
	return []Mutation{
		{"aud_token_endpoint_with_slash", section, text("aud", func(s string) string { return s + "/token/" }), notUs},
		{"aud_token_endpoint_in_upper_case", section, text("aud", func(s string) string { return s + "/TOKEN" }), notUs},
		{"aud_token_endpoint_of_another_tenant", "T9", text("aud", func(s string) string { return s + "/t/another/token" }), notUs},
		{"aud_introspection_endpoint", section, text("aud", func(s string) string { return s + "/introspect" }), notUs},
		{"aud_issuer_and_token_endpoint", section, func(d *Draft, _ *IdP) {
			issuer, _ := d.Claims["aud"].(string)
			d.Claims["aud"] = []any{issuer, issuer + "/token"}
		}, federation.CodeAudMulti},
		{"aud_a_client", "OIDC Core §2", claim("aud", "claude"), notUs},
	}
}

// purposes are tokens that were made for something else and have no typ that says
// so (T10, RFC 8725 §3.12).
func purposes() []Mutation {
	idToken, other := federation.CodeIDTokenPresented, federation.CodeTypWrong
	const keycloak, cognito = "Keycloak server administration guide", "Amazon Cognito developer guide"
	return []Mutation{
		{"id_token_nonce", "OIDC Core §2", claim("nonce", "n-0S6_WzA2Mj"), idToken},
		{"id_token_nonce_null", "OIDC Core §2", claim("nonce", nil), idToken},
		{"id_token_at_hash", "OIDC Core §3.1.3.6", claim("at_hash", "MTIzNDU2Nzg5MDEyMzQ1Ng"), idToken},
		{"id_token_c_hash", "OIDC Core §3.3.2.11", claim("c_hash", "MTIzNDU2Nzg5MDEyMzQ1Ng"), idToken},
		{"id_token_s_hash", "FAPI 1.0 part 2 §5.1", claim("s_hash", "MTIzNDU2Nzg5MDEyMzQ1Ng"), idToken},
		{"id_token_of_keycloak", keycloak, claim("typ", "ID"), idToken},
		{"id_token_of_keycloak_in_lower_case", keycloak, claim("typ", "id"), idToken},
		{"id_token_of_cognito", cognito, claim("token_use", "id"), idToken},
		{"refresh_token_of_keycloak", keycloak, claim("typ", "Refresh"), other},
		{"offline_token_of_keycloak", keycloak, claim("typ", "Offline"), other},
		{"logout_token_of_keycloak", keycloak, claim("typ", "Logout"), other},
		{"logout_token", "OIDC Back-Channel Logout §2.4", claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), other},
		{"security_event", "RFC 8417 §2.2", claim("events", map[string]any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{}}), other},
		{"events_null", "RFC 8417 §2.2", claim("events", nil), other},
		{"claim_typ_number", keycloak, claim("typ", 1), federation.CodeClaimMalformed},
		{"claim_typ_null", keycloak, claim("typ", nil), federation.CodeClaimMalformed},
		{"claim_token_use_array", cognito, claim("token_use", []string{"access"}), federation.CodeClaimMalformed},
	}
}

// workloads: what only holds where iat may be absent.
func workloads() []Mutation {
	return []Mutation{
		{"exp_too_far_without_iat", "SEP-1933", func(d *Draft, p *IdP) {
			delete(d.Claims, "iat")
			d.Claims["exp"] = p.Now().Add(6 * time.Minute).Unix()
		}, federation.CodeAssertionTooLongLived},
		{"expired_without_iat", "RFC 7519 §4.1.4", func(d *Draft, p *IdP) {
			delete(d.Claims, "iat")
			d.Claims["exp"] = p.Now().Add(-time.Minute).Unix()
		}, federation.CodeAssertionExpired},
		{"spiffe_id_without_spiffe", "JWT-SVID §3.1", func(d *Draft, _ *IdP) {
			delete(d.Claims, "iss")
			d.Claims["sub"] = "spiffe://acme.example/agents/builder"
		}, federation.CodeIssUnknown},
	}
}

// without leaves mutations out whose names begin so.
func without(list []Mutation, prefixes ...string) []Mutation {
	return slices.DeleteFunc(list, func(m Mutation) bool { return m.begins(prefixes) })
}

func only(list []Mutation, prefixes ...string) []Mutation {
	return slices.DeleteFunc(list, func(m Mutation) bool { return !m.begins(prefixes) })
}

func (m Mutation) begins(prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(m.Name, prefix) })
}
