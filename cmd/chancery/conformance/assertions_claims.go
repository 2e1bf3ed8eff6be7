package conformance

import (
	"github.com/chancery-dev/chancery/federation/idptest"
)

func issuers() []broken {
	return []broken{
		{mutation: "iss_absent", title: "no iss", section: "RFC 7523 §3 (1)", severity: Must, form: true},
		{mutation: "iss_empty", title: "an empty iss", section: "RFC 7523 §3 (1)", severity: Must, form: true},
		{mutation: "iss_number", title: "an iss that is a number", section: "RFC 7519 §4.1.1", severity: Must, form: true},
		{mutation: "iss_unknown", title: "an issuer that the server does not know", section: "RFC 7521 §5.2", severity: Must},
		{mutation: "iss_trailing_slash", title: "the issuer with a slash after it", section: "RFC 7523 §3 (1)", severity: Must},
		{mutation: "iss_upper_case", title: "the issuer in upper case", section: "RFC 7523 §3 (1)", severity: Must},
		{mutation: "iss_with_suffix", title: "a longer issuer that begins like the known one", section: "RFC 7523 §3 (1)", severity: Must},
		{mutation: "iss_is_the_authorization_server", title: "the server itself as issuer", section: "RFC 7523 §3 (9)", severity: Must},
	}
}

func audiences() []broken {
	const must = "RFC 7523 §3 (3)"
	return []broken{
		{mutation: "aud_absent", title: "no aud", section: must, severity: Must},
		{mutation: "aud_empty", title: "an empty aud", section: must, severity: Must, form: true},
		{mutation: "aud_array_empty", title: "an aud of no members", section: must, severity: Must, form: true},
		{mutation: "aud_number", title: "an aud that is a number", section: "RFC 7519 §4.1.3", severity: Must, form: true},
		{mutation: "aud_other", title: "the aud of another server", section: must, severity: Must},
		{mutation: "aud_trailing_slash", title: "our issuer with a slash after it", section: must, severity: Must},
		{mutation: "aud_upper_case", title: "our issuer in upper case", section: must, severity: Must},
		{mutation: "aud_of_another_tenant", title: "a longer URL that begins with our issuer", section: must, severity: Must},
		{mutation: "aud_two_in_one_string", title: "two audiences in one string", section: must, severity: Must},
		{mutation: "aud_of_the_idp", title: "the IdP as audience", section: must, severity: Must},
		{mutation: "aud_a_client", title: "a client as audience: an ID token", section: must, severity: Must, profile: JWTBearer},
		{mutation: "aud_introspection_endpoint", title: "another endpoint of the server as audience", section: must, severity: Should, profile: JWTBearer},
		{mutation: "aud_array_of_two", title: "two audiences, one of them ours", section: "ID-JAG-04 §4.4.1", severity: Must, profile: IDJAG},
		{mutation: "aud_is_resource", title: "the resource where the server belongs", section: "ID-JAG-04 §4.4.1", severity: Must, profile: IDJAG},
		{id: "aud_token_endpoint", title: "the token endpoint as audience", section: "ID-JAG-04 §4.4.1", severity: Must, profile: IDJAG, change: own(func(s *session, d *idptest.Draft) {
			d.Claims["aud"] = s.meta.TokenEndpoint
		})},
	}
}

func times() []broken {
	const must = "RFC 7523 §3 (4)"
	mayBound := map[Profile]Severity{JWTBearer: May}
	return []broken{
		{mutation: "exp_absent", title: "no exp", section: must, severity: Must, form: true},
		{mutation: "expired", title: "expired two minutes ago", section: must, severity: Must},
		{mutation: "exp_at_the_epoch", title: "exp 0", section: must, severity: Must, form: true},
		{mutation: "exp_negative", title: "exp -1", section: must, severity: Must, form: true},
		{mutation: "exp_null", title: "exp null", section: must, severity: Must, form: true},
		{mutation: "exp_string", title: "exp as a string", section: "RFC 7519 §2", severity: Must, form: true},
		{mutation: "exp_true", title: "exp true", section: "RFC 7519 §2", severity: Must, form: true},
		{mutation: "exp_object", title: "exp {}", section: "RFC 7519 §2", severity: Must, form: true},
		{mutation: "exp_beyond_int64", title: "exp beyond 64 bits", section: "RFC 7519 §2", severity: Should, form: true},
		{mutation: "exp_in_a_century", title: "good for a century", section: "EMA §7.4.2", severity: Should, severe: mayBound},
		{mutation: "exp_too_far", title: "good for an hour", section: "EMA §7.4.2", severity: Should, severe: mayBound},
		{mutation: "iat_absent", title: "no iat", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG, form: true},
		{mutation: "iat_string", title: "iat as a string", section: "RFC 7519 §2", severity: Must, form: true},
		{mutation: "iat_in_the_future", title: "issued in two minutes", section: "EMA §7.4.2", severity: Must, severe: mayBound},
		{mutation: "iat_long_ago", title: "issued yesterday, good until now", section: "RFC 7523 §3 (6)", severity: Should, severe: mayBound},
		{mutation: "nbf_in_the_future", title: "nbf in two minutes", section: "RFC 7523 §3 (5)", severity: Must},
		{mutation: "nbf_string", title: "nbf that is no number", section: "RFC 7519 §2", severity: Must, form: true},
	}
}

func identifiers() []broken {
	return []broken{
		{mutation: "sub_absent", title: "no sub", section: "RFC 7523 §3 (2)", severity: Must, form: true},
		{mutation: "sub_empty", title: "an empty sub", section: "RFC 7523 §3 (2)", severity: Must, form: true},
		{mutation: "sub_number", title: "a sub that is a number", section: "RFC 7519 §4.1.2", severity: Must, form: true},
		{mutation: "sub_array", title: "a sub that is an array", section: "RFC 7519 §4.1.2", severity: Must, form: true},
		{id: "sub_unknown", title: "a sub that nobody has", section: "RFC 7523 §3 (2)", severity: Must, also: []string{"access_denied"}, change: own(func(_ *session, d *idptest.Draft) {
			d.Claims["sub"] = marker()
			delete(d.Claims, "email")
			delete(d.Claims, "email_verified")
		})},
		{mutation: "jti_absent", title: "no jti", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG, form: true},
		{mutation: "jti_null", title: "jti null", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG, form: true},
		{id: "jti_number", title: "a jti that is a number", section: "RFC 7519 §4.1.7", severity: Must, form: true, change: own(func(s *session, d *idptest.Draft) {
			d.Claims["jti"] = s.now().UnixNano() // never the same: a replay would be refused for another reason
		})},
		{mutation: "client_id_absent", title: "no client_id", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG, form: true},
		{mutation: "client_id_other", title: "the client_id of another client", section: "ID-JAG-04 §4.4.1", severity: Must, profile: IDJAG},
		{mutation: "client_id_in_other_case", title: "the client_id in upper case", section: "ID-JAG-04 §4.4.1", severity: Must, profile: IDJAG},
		{mutation: "client_id_with_space", title: "the client_id with a space after it", section: "ID-JAG-04 §4.4.1", severity: Must, profile: IDJAG},
		{mutation: "client_id_array", title: "a list that holds the client_id", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG, form: true},
		{mutation: "client_id_number", title: "a client_id that is a number", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG, form: true},
	}
}

// contents: what else an ID-JAG says, and claims that two readers read differently.
func contents() []broken {
	const twice = "RFC 7519 §4"
	return []broken{
		{mutation: "cnf_not_proved", title: "bound to a DPoP key that nobody proves", section: "RFC 9449 §6.1; ID-JAG-04 §3.1", severity: Must, profile: IDJAG, also: []string{"invalid_dpop_proof"}},
		{mutation: "cnf_empty", title: "an empty cnf", section: "RFC 7800 §3.1", severity: Should, profile: IDJAG},
		{mutation: "resource_with_fragment", title: "a resource with a fragment", section: "RFC 8707 §2", severity: Must, profile: IDJAG, also: []string{"invalid_target"}},
		{mutation: "resource_relative", title: "a relative resource", section: "RFC 8707 §2", severity: Must, profile: IDJAG, also: []string{"invalid_target"}},
		{mutation: "resource_number", title: "a resource that is a number", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG, also: []string{"invalid_target", "invalid_request"}},
		{id: "resource_unknown", title: "a resource that the server does not know", section: "EMA §7.6.2", severity: Must, profile: IDJAG, also: []string{"invalid_target"}, change: own(func(_ *session, d *idptest.Draft) {
			d.Claims["resource"] = "https://" + marker() + ".example/"
		})},
		{id: "resource_one_unknown", title: "two resources, one of them unknown", section: "EMA §7.6.2", severity: Must, profile: IDJAG, also: []string{"invalid_target"}, change: own(func(s *session, d *idptest.Draft) {
			d.Claims["resource"] = []string{s.settings.Resource, "https://" + marker() + ".example/"}
		})},
		{mutation: "scope_array", title: "a scope that is an array", section: "ID-JAG-04 §3.1; RFC 8693 §4.2", severity: Must, profile: IDJAG, also: []string{"invalid_scope", "invalid_request"}},
		{mutation: "scope_with_quote", title: "a scope with a quotation mark", section: "RFC 6749 §3.3", severity: Must, profile: IDJAG, also: []string{"invalid_scope", "invalid_request"}},
		{mutation: "act_string", title: "an act that is a string", section: "RFC 8693 §4.1", severity: Should, form: true},
		{mutation: "duplicate_sub", title: "two sub members", section: twice, severity: Must, form: true},
		{mutation: "duplicate_aud", title: "two aud members, the last another's", section: twice, severity: Must, form: true},
		{mutation: "duplicate_iss", title: "two iss members, the last another's", section: twice, severity: Must, form: true},
		{mutation: "duplicate_client_id", title: "two client_id members, the last another's", section: twice, severity: Must, form: true, profile: IDJAG},
	}
}
