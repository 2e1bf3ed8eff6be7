package conformance

import (
	"github.com/chancery-dev/chancery/federation/idptest"
)

func shapes() []broken {
	return []broken{
		{mutation: "two_parts", title: "no signature part", section: "RFC 7515 §7.1", severity: Must, form: true},
		{mutation: "four_parts", title: "four parts", section: "RFC 7515 §7.1", severity: Must, form: true},
		{mutation: "five_parts_as_jwe", title: "five parts that are no encryption", section: "RFC 7516 §3.1", severity: Must, form: true},
		{mutation: "unsecured", title: "an empty signature", section: "RFC 8725 §3.2", severity: Must, form: true},
		{mutation: "json_flattened", title: "JSON serialization", section: "RFC 7519 §1", severity: Must, form: true},
		{mutation: "padded", title: "base64url with padding", section: "RFC 7515 §2", severity: Must, form: true},
		{mutation: "standard_alphabet", title: "base64 of the standard alphabet", section: "RFC 7515 §2", severity: Must, form: true},
		{mutation: "not_canonical", title: "a second spelling of the same signature", section: "RFC 4648 §3.5", severity: Should, form: true},
		{mutation: "bearer_prefix", title: "the word Bearer before the token", section: "RFC 7515 §7.1", severity: Must, form: true},
		{mutation: "newline_inside", title: "a line break in the token", section: "RFC 7515 §2", severity: Must, form: true},
		{mutation: "header_is_no_object", title: "a header that is an array", section: "RFC 7515 §4", severity: Must, form: true},
		{mutation: "header_is_no_json", title: "a header that is no JSON", section: "RFC 7515 §5.2", severity: Must, form: true},
		{mutation: "header_with_duplicate_alg", title: "two alg members, the second none", section: "RFC 7515 §4", severity: Must, form: true},
		{mutation: "claims_no_json", title: "claims that are no JSON", section: "RFC 7519 §7.2", severity: Must, form: true},
		{mutation: "claims_array", title: "claims in an array", section: "RFC 7519 §7.2", severity: Must, form: true},
		{mutation: "claims_empty", title: "no claims at all", section: "RFC 7519 §7.2", severity: Must, form: true},
		{mutation: "claims_not_utf8", title: "claims that are no UTF-8", section: "RFC 7519 §7.2", severity: Must, form: true},
		{mutation: "claims_with_more_after", title: "more after the claims", section: "RFC 7519 §7.2", severity: Must, form: true},
		{mutation: "larger_than_16_kib", title: "17 KiB of padding in a claim", section: "RFC 7521 §8.2", severity: May, form: true},
		{mutation: "many_dots", title: "4096 dots", section: "RFC 7515 §7.1", severity: Must, form: true},
	}
}

func headers() []broken {
	return []broken{
		{mutation: "alg_absent", title: "no alg", section: "RFC 7515 §4.1.1", severity: Must, form: true},
		{mutation: "alg_empty", title: "an empty alg", section: "RFC 7515 §4.1.1", severity: Must, form: true},
		{mutation: "alg_null", title: "alg null", section: "RFC 7515 §4.1.1", severity: Must, form: true},
		{mutation: "alg_none", title: "alg none beside a signature", section: "RFC 8725 §3.2", severity: Must, form: true},
		{mutation: "alg_none_unsigned", title: "alg none and no signature", section: "RFC 8725 §3.2", severity: Must, form: true},
		{mutation: "alg_None_unsigned", id: "alg_none_capital_unsigned", title: "alg None and no signature", section: "RFC 8725 §2.1", severity: Must, form: true},
		{mutation: "alg_nOnE_unsigned", id: "alg_none_mixed_unsigned", title: "alg nOnE and no signature", section: "RFC 8725 §2.1", severity: Must, form: true},
		{mutation: "hs256_with_public_key_as_pem", title: "HS256 with the public key (PEM) as its secret", section: "RFC 8725 §2.1", severity: Must, form: true},
		{mutation: "hs256_with_public_key_as_der", title: "HS256 with the public key (DER) as its secret", section: "RFC 8725 §2.1", severity: Must, form: true},
		{mutation: "hs256_with_public_key_as_jwk", title: "HS256 with the public key (JWK) as its secret", section: "RFC 8725 §2.1", severity: Must, form: true},
		{mutation: "alg_in_lower_case", title: "alg in lower case", section: "RFC 7515 §4.1.1", severity: Must, form: true},
		{mutation: "alg_unknown", title: "an alg that nobody knows", section: "RFC 8725 §3.1", severity: Must, form: true},
		{id: "alg_of_another_key_type", title: "the alg of another type of key", section: "RFC 8725 §3.1", severity: Must, form: true, change: own(func(s *session, d *idptest.Draft) {
			d.Header["alg"] = map[string]string{"ES256": "RS256", "RS256": "ES256"}[s.settings.IdP.Algorithm]
			d.Signature = func([]byte) []byte { return make([]byte, 64) }
		})},
		{mutation: "crit_known_claim", title: "crit names what must not be in it", section: "RFC 7515 §4.1.11", severity: Must, form: true},
		{mutation: "crit_empty", title: "an empty crit", section: "RFC 7515 §4.1.11", severity: Must, form: true},
		{id: "crit_unknown", title: "crit names an extension that nobody knows", section: "RFC 7515 §4.1.11", severity: Must, form: true, change: own(func(_ *session, d *idptest.Draft) {
			d.Header["crit"], d.Header["urn:example:unknown"] = []string{"urn:example:unknown"}, true
		})},
		{mutation: "crit_b64_false", title: "an unencoded payload announced", section: "RFC 7797 §6", severity: Must, form: true},
		{mutation: "kid_number", title: "a kid that is a number", section: "RFC 7515 §4.1.4", severity: Must, form: true},
		{mutation: "kid_as_path", title: "a kid that is a path", section: "RFC 8725 §3.10", severity: Must, form: true, either: true},
		{mutation: "kid_as_sql", title: "a kid that is SQL", section: "RFC 8725 §3.10", severity: Must, form: true, either: true},
		{mutation: "kid_with_line_break", title: "a kid with a line break", section: "RFC 8725 §3.10", severity: Must, form: true, either: true},
		{mutation: "own_key_in_jwk", title: "the attacker's key in jwk", section: "RFC 8725 §3.10", severity: Must},
		{mutation: "own_key_in_jku", title: "the attacker's key set in jku", section: "RFC 8725 §3.10", severity: Must},
		{mutation: "own_key_in_x5u", title: "the attacker's certificate in x5u", section: "RFC 8725 §3.10", severity: Must},
		{mutation: "own_key_in_x5c", title: "the attacker's certificate in x5c", section: "RFC 8725 §3.10", severity: Must},
		{mutation: "own_key_under_own_kid", title: "the attacker's key in jwk, under a kid of its own", section: "RFC 8725 §3.10", severity: Must},
	}
}

func signatures() []broken {
	const section = "RFC 7523 §3 (9)"
	return []broken{
		{mutation: "signature_bit_flipped", title: "one bit of the signature", section: section, severity: Must, form: true},
		{mutation: "signature_of_zeros", title: "a signature of zeros", section: "RFC 7515 §5.2", severity: Must, form: true},
		{mutation: "signature_truncated", title: "a signature that is too short", section: "RFC 7518 §3.4", severity: Must, form: true},
		{mutation: "signature_extended", title: "a signature that is too long", section: "RFC 7518 §3.4", severity: Must, form: true},
		{mutation: "claims_altered", title: "claims altered after signing", section: section, severity: Must, form: true},
		{mutation: "header_altered", title: "the header altered after signing", section: section, severity: Must, form: true},
		{mutation: "signed_by_a_stranger", title: "signed with another key under the same kid", section: section, severity: Must},
	}
}

// types: RFC 8725 §3.11 and §3.12; ID-JAG-04 §3.1 makes its own type a MUST.
func types() []broken {
	another := func(typ, title string) broken {
		return broken{
			mutation: "typ_" + typ, title: title, section: "RFC 8725 §3.12", severity: Must,
			severe: map[Profile]Severity{JWTBearer: Should},
		}
	}
	return []broken{
		{mutation: "typ_absent", title: "no typ", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG},
		{mutation: "typ_jwt", title: "typ JWT: an ID token", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG},
		{mutation: "typ_oauth-id-jag", title: "typ oauth-id-jag without +jwt", section: "ID-JAG-04 §3.1", severity: Must, profile: IDJAG},
		another("at_jwt", "typ at+jwt: an access token"),
		another("dpop_jwt", "typ dpop+jwt: a DPoP proof"),
		another("logout_jwt", "typ logout+jwt: a logout token"),
		another("secevent_jwt", "typ secevent+jwt: a security event"),
		another("client-authentication_jwt", "typ client-authentication+jwt: a client assertion"),
		{mutation: "id_token_nonce", title: "a nonce: an ID token", section: "RFC 8725 §3.12", severity: Should, profile: JWTBearer},
		{id: "typ_id_jag_for_another_client", title: "an ID-JAG that names another client", section: "ID-JAG-04 §4.4.1", severity: Must, profile: JWTBearer, change: own(func(_ *session, d *idptest.Draft) {
			d.Header["typ"], d.Claims["client_id"] = typeIDJAG, marker()
		})},
	}
}
