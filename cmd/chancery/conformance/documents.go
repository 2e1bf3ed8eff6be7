package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// metadataCases look at the documents that the target publishes (RFC 8414, RFC 7517).
// What they need was fetched before the controls.
func metadataCases() []Case {
	look := func(id, title, section string, severity Severity, expect string, wrong func(*session) string) Case {
		const sent = "GET of the metadata"
		return Case{
			ID: "metadata." + id, Title: title, Section: section, Severity: severity, Expect: expect, Sends: sent,
			run: func(_ context.Context, s *session) Finding {
				if said := wrong(s); said != "" {
					return fail(WrongMetadata, sent, said)
				}
				return pass(sent, s.meta.location)
			},
		}
	}
	return []Case{
		look("place", "metadata at the place of RFC 8414", "RFC 8414 §3.1", Should, "200 and JSON, with the same issuer", func(s *session) string {
			var m metadata
			place := places(s.settings.Target)[0]
			if s.inserts.status != 200 || json.Unmarshal(s.inserts.body, &m) != nil {
				return fmt.Sprintf("%s: %d", place, s.inserts.status)
			}
			if m.Issuer != s.settings.Target {
				return fmt.Sprintf("%s: the issuer is %q", place, m.Issuer)
			}
			return ""
		}),
		look("issuer", "the issuer, byte for byte", "RFC 8414 §3.3", Must, "issuer = the target", func(s *session) string {
			if s.meta.Issuer != s.settings.Target {
				return fmt.Sprintf("the issuer is %q", s.meta.Issuer)
			}
			return ""
		}),
		look("grant_type", "the grant is advertised", "RFC 8414 §2; ID-JAG-04 §6", Must, "grant_types_supported has "+grantJWTBearer, func(s *session) string {
			if !slices.Contains(s.meta.GrantTypes, grantJWTBearer) {
				return "grant_types_supported is " + strings.Join(s.meta.GrantTypes, " ")
			}
			return ""
		}),
		look("grant_profile", "the profile is advertised", "ID-JAG-04 §6", Should, "authorization_grant_profiles_supported has "+profileIDJAG, func(s *session) string {
			if !slices.Contains(s.meta.GrantProfiles, profileIDJAG) {
				return "authorization_grant_profiles_supported is " + text(s.meta.GrantProfiles)
			}
			return ""
		}).only(IDJAG),
		look("auth_signing", "client assertions are never unsigned", "RFC 8414 §2", Must, "no none in token_endpoint_auth_signing_alg_values_supported", func(s *session) string {
			if slices.Contains(s.meta.AuthSigningMethods, "none") {
				return "none is listed"
			}
			return ""
		}),
		look("proof_signing", "proofs are signed with asymmetric algorithms", "RFC 9449 §5.1", Must, "no none and no HS… in dpop_signing_alg_values_supported", func(s *session) string {
			for _, algorithm := range s.meta.ProofSigningMethods {
				if algorithm == "none" || strings.HasPrefix(algorithm, "HS") {
					return algorithm + " is listed"
				}
			}
			return ""
		}).needs(needDPoP),
		look("keys_public", "the key set has public keys only", "RFC 8414 §2; RFC 7517 §9.2", Must, "no private members and no symmetric keys at jwks_uri", func(s *session) string {
			var set struct {
				Keys []map[string]any `json:"keys"`
			}
			if s.keys.status != 200 || json.Unmarshal(s.keys.body, &set) != nil {
				return s.meta.KeysURI + ": " + s.keys.String()
			}
			for _, key := range set.Keys {
				for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
					if _, there := key[private]; there {
						return fmt.Sprintf("key %v has the member %s", key["kid"], private)
					}
				}
			}
			return ""
		}).needs(needKeys),
	}
}
