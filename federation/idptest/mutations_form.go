package idptest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash"
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// shapes are about the compact form (RFC 7515 §7.1, M2, M3).
func shapes() []Mutation {
	const section = "RFC 7515 §7.1"
	malformed := federation.CodeAssertionMalformed
	part := func(i int, change func(string) string) func(*Draft, *IdP) {
		return compact(func(s string) string {
			parts := strings.Split(s, ".")
			parts[i] = change(parts[i])
			return strings.Join(parts, ".")
		})
	}
	return []Mutation{
		{"space_before", section, compact(func(s string) string { return " " + s }), malformed},
		{"space_after", section, compact(func(s string) string { return s + " " }), malformed},
		{"newline_after", section, compact(func(s string) string { return s + "\n" }), malformed},
		{"newline_inside", section, part(1, func(s string) string { return s[:8] + "\n" + s[8:] }), malformed},
		{"carriage_return_inside", section, part(2, func(s string) string { return s[:8] + "\r\n" + s[8:] }), malformed},
		{"bearer_prefix", section, compact(func(s string) string { return "Bearer " + s }), malformed},
		{"two_parts", section, compact(func(s string) string { return s[:strings.LastIndexByte(s, '.')] }), malformed},
		{"four_parts", section, compact(func(s string) string { return s + ".e30" }), malformed},
		{"five_parts_as_jwe", "RFC 7516 §3.1", compact(func(s string) string { return s + ".AAAA.AAAA" }), malformed},
		{"json_flattened", "RFC 7515 §7.2.2", compact(flattened), malformed},
		{"json_general", "RFC 7515 §7.2.1", compact(general), malformed},
		{"padded", "RFC 7515 §2", part(2, func(s string) string { return s + "==" }), malformed},
		{"standard_alphabet", "RFC 7515 §2", part(2, func(s string) string { return "+/" + s[2:] }), malformed},
		{"not_canonical", "RFC 4648 §3.5", part(2, lowBits), malformed},
		{"unsecured", "RFC 7515 §A.5", part(2, func(string) string { return "" }), malformed},
		{"no_header", section, part(0, func(string) string { return "" }), malformed},
		{"header_is_no_object", "RFC 7515 §4", rawHeader(func([]byte) []byte { return []byte(`["ES256"]`) }), malformed},
		{"header_is_no_json", "RFC 7515 §4", rawHeader(func([]byte) []byte { return []byte(`{alg:ES256}`) }), malformed},
		{"header_with_duplicate_alg", "RFC 7515 §4", rawHeader(member(`"alg":"none"`)), malformed},
		{"header_with_folded_alg", "T6", rawHeader(member(`"ALG":"none"`)), malformed},
		{"header_with_kelvin_jwk", "T6", rawHeader(member(`"jw\u212a":{}`)), malformed},
		{"larger_than_16_kib", "T17", claim("padding", strings.Repeat("a", 16<<10)), federation.CodeAssertionTooLarge},
		{"groups_10_000", "T15", claim("groups", many(10_000)), federation.CodeAssertionTooLarge},
		{"many_dots", "CVE-2025-27144", compact(func(s string) string { return s + strings.Repeat(".", 4096) }), malformed},
	}
}

func flattened(s string) string {
	parts := strings.Split(s, ".")
	return `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`
}

func general(s string) string {
	parts := strings.Split(s, ".")
	return `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`
}

// lowBits sets a bit that a decoder throws away: another text for the same bytes.
// A 64-byte signature ends with a character of two bits.
func lowBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last|1])
}

// headers are about JOSE header parameters (RFC 8725, T1-T5).
func headers() []Mutation {
	unsupported, notAllowed := federation.CodeHeaderUnsupported, federation.CodeAlgorithmNotAllowed
	unknown, invalid := federation.CodeKeyUnknown, federation.CodeSignatureInvalid
	list := []Mutation{
		{"alg_absent", "RFC 7515 §4.1.1", noHeader("alg"), unsupported},
		{"alg_null", "RFC 7515 §4.1.1", header("alg", nil), unsupported},
		{"alg_number", "RFC 7515 §4.1.1", header("alg", 256), unsupported},
		{"alg_empty", "RFC 7515 §4.1.1", header("alg", ""), unsupported},
		{"alg_of_another_key_type", "RFC 8725 §3.1", header("alg", "RS256"), unknown},
		{"alg_not_of_the_entry", "RFC 8725 §3.1", header("alg", "ES512"), notAllowed},
		{"alg_in_lower_case", "RFC 7515 §4.1.1", header("alg", "es256"), notAllowed},
		{"alg_unknown", "RFC 8725 §3.1", header("alg", "XX999"), notAllowed},
		{"kid_unknown", "RFC 7515 §4.1.4", header("kid", "key-of-nobody"), unknown},
		{"kid_as_path", "T4", header("kid", "../../../dev/null"), unknown},
		{"kid_as_sql", "T4", header("kid", "' OR 1=1 --"), unknown},
		{"kid_in_other_case", "RFC 7515 §4.1.4", header("kid", "KEY-1"), unknown},
		{"kid_with_line_break", "T4", header("kid", "key-1\r\nX-Injected: 1"), unsupported},
		{"kid_too_long", "T4", header("kid", strings.Repeat("k", 257)), unsupported},
		{"kid_number", "RFC 7515 §4.1.4", header("kid", 1), unsupported},
		{"kid_empty", "RFC 7515 §4.1.4", header("kid", ""), unsupported},
		{"crit_known_claim", "RFC 7515 §4.1.11", header("crit", []string{"exp"}), unsupported},
		{"crit_empty", "RFC 7515 §4.1.11", header("crit", []string{}), unsupported},
		{"crit_b64_false", "RFC 7797 §6", func(d *Draft, _ *IdP) { d.Header["crit"], d.Header["b64"] = []string{"b64"}, false }, unsupported},
		{"b64_true", "RFC 7797 §3", header("b64", true), unsupported},
		{"zip", "RFC 7516 §4.1.3", header("zip", "DEF"), unsupported},
		{"enc", "RFC 7516 §4.1.2", header("enc", "A256GCM"), unsupported},
		{"own_key_in_jwk", "RFC 8725 §3.10", ownKey("jwk"), invalid},
		{"own_key_in_jku", "RFC 8725 §3.10", ownKey("jku"), invalid},
		{"own_key_in_x5u", "RFC 8725 §3.10", ownKey("x5u"), invalid},
		{"own_key_in_x5c", "RFC 8725 §3.10", ownKey("x5c"), invalid},
		{"own_key_under_own_kid", "RFC 8725 §3.10", func(d *Draft, _ *IdP) {
			d.Key = stranger("key-of-the-attacker")
			d.Header["kid"], d.Header["jwk"] = d.Key.ID, d.Key.JWK()
		}, unknown},
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "NoNe", "noNE", "nonE", "nONE"} {
		list = append(list,
			Mutation{"alg_" + none, "RFC 8725 §2.1", header("alg", none), notAllowed},
			Mutation{"alg_" + none + "_unsigned", "RFC 8725 §2.1", func(d *Draft, _ *IdP) {
				d.Header["alg"] = none
				d.Signature = func([]byte) []byte { return nil }
			}, federation.CodeAssertionMalformed})
	}
	return append(list,
		Mutation{"hs256_with_public_key_as_pem", "RFC 8725 §2.1", symmetric("HS256", sha256.New, asPEM), notAllowed},
		Mutation{"hs256_with_public_key_as_der", "RFC 8725 §2.1", symmetric("HS256", sha256.New, asDER), notAllowed},
		Mutation{"hs256_with_public_key_as_jwk", "RFC 8725 §2.1", symmetric("HS256", sha256.New, asJWK), notAllowed},
		Mutation{"hs384_with_public_key", "RFC 8725 §2.1", symmetric("HS384", sha512.New384, asPEM), notAllowed},
		Mutation{"hs512_with_public_key", "RFC 8725 §2.1", symmetric("HS512", sha512.New, asPEM), notAllowed})
}

// ownKey signs with a key that nobody registered and offers it in the header,
// under the kid of the IdP's.
func ownKey(parameter string) func(*Draft, *IdP) {
	return func(d *Draft, p *IdP) {
		d.Key = stranger(d.Key.ID)
		switch parameter {
		case "jwk":
			d.Header[parameter] = d.Key.JWK()
		case "x5c":
			d.Header[parameter] = []string{base64.StdEncoding.EncodeToString(asDER(d.Key))}
		default:
			d.Header[parameter] = p.Issuer() + "/keys-of-the-attacker"
		}
	}
}

func stranger(kid string) *Key {
	key, err := NewKey(kid, "ES256")
	if err != nil {
		panic("idptest: " + err.Error()) // the algorithm is known and the system has randomness
	}
	return key
}

func symmetric(algorithm string, h func() hash.Hash, secret func(*Key) []byte) func(*Draft, *IdP) {
	return func(d *Draft, _ *IdP) {
		d.Header["alg"] = algorithm
		mac := hmac.New(h, secret(d.Key))
		d.Signature = func(input []byte) []byte {
			mac.Write(input)
			return mac.Sum(nil)
		}
	}
}

func asDER(k *Key) []byte {
	der, err := x509.MarshalPKIXPublicKey(k.Signer.Public())
	if err != nil {
		panic("idptest: " + err.Error()) // our own key
	}
	return der
}

func asPEM(k *Key) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: asDER(k)})
}

func asJWK(k *Key) []byte {
	encoded, err := json.Marshal(k.JWK())
	if err != nil {
		panic("idptest: " + err.Error()) // strings only
	}
	return encoded
}

// types are other kinds of token, and none (RFC 8725 §3.11, T10).
func types() []Mutation {
	const section = "ID-JAG §3.1"
	list := []Mutation{
		{"typ_absent", section, noHeader("typ"), federation.CodeTypMissing},
		{"typ_jwt", section, header("typ", "JWT"), federation.CodeTypMissing},
		{"typ_application_jwt", section, header("typ", "application/jwt"), federation.CodeTypMissing},
		{"typ_null", "RFC 7515 §4.1.9", header("typ", nil), federation.CodeHeaderUnsupported},
		{"typ_number", "RFC 7515 §4.1.9", header("typ", 1), federation.CodeHeaderUnsupported},
		{"typ_empty", "RFC 7515 §4.1.9", header("typ", ""), federation.CodeHeaderUnsupported},
	}
	for _, typ := range []string{
		"at+jwt", "application/at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "txntoken+jwt",
		"client-authentication+jwt", "oauth-authz-req+jwt", "token-introspection+jwt",
		"oauth-id-jag", "oauth-id-jag+jwt2", "text/oauth-id-jag+jwt", "application/application/oauth-id-jag+jwt", "JOSE",
	} {
		name := strings.NewReplacer("/", "_", "+", "_").Replace(typ)
		list = append(list, Mutation{"typ_" + name, "RFC 8725 §3.11", header("typ", typ), federation.CodeTypWrong})
	}
	return list
}

// signatures are altered after they were made, or made by somebody else.
func signatures() []Mutation {
	const section = "RFC 7515 §5.2"
	invalid := federation.CodeSignatureInvalid
	return []Mutation{
		{"signature_bit_flipped", section, compact(func(s string) string {
			i := len(s) - 10
			return s[:i] + flip(s[i:i+1]) + s[i+1:]
		}), invalid},
		{"signature_of_zeros", "CVE-2022-21449", func(d *Draft, _ *IdP) { d.Signature = func([]byte) []byte { return make([]byte, 64) } }, invalid},
		{"signature_truncated", "RFC 7518 §3.4", compact(func(s string) string { return s[:len(s)-6] }), invalid},
		{"signature_extended", "RFC 7518 §3.4", compact(func(s string) string {
			return s[:strings.LastIndexByte(s, '.')] + ".AAAA" + s[strings.LastIndexByte(s, '.')+1:]
		}), invalid},
		{"claims_altered", section, compact(func(s string) string {
			parts := strings.Split(s, ".")
			claims, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil {
				return s
			}
			parts[1] = base64.RawURLEncoding.EncodeToString(member(`"admin":true`)(claims))
			return strings.Join(parts, ".")
		}), invalid},
		{"header_altered", section, compact(func(s string) string {
			parts := strings.Split(s, ".")
			head, err := base64.RawURLEncoding.DecodeString(parts[0])
			if err != nil {
				return s
			}
			parts[0] = base64.RawURLEncoding.EncodeToString(member(`"x":1`)(head))
			return strings.Join(parts, ".")
		}), invalid},
		{"signed_by_a_stranger", "T11", func(d *Draft, _ *IdP) { d.Key = stranger(d.Key.ID) }, invalid},
	}
}

func flip(s string) string {
	if s == "A" {
		return "B"
	}
	return "A"
}
