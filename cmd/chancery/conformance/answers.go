package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// accessToken is what a resource server would read of a token that is a JWT.
type accessToken struct {
	header map[string]any
	claims map[string]any
}

// decodeAccessToken trusts nothing: nil where the token is opaque.
func decodeAccessToken(compact string) *accessToken {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil
	}
	var t accessToken
	for i, into := range []*map[string]any{&t.header, &t.claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return nil
		}
	}
	return &t
}

func (t *accessToken) text(name string) string {
	value, _ := t.claims[name].(string)
	return value
}

func (t *accessToken) audience() []string {
	switch aud := t.claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		list := make([]string, len(aud))
		for i, one := range aud {
			list[i] = fmt.Sprint(one)
		}
		return list
	}
	return nil
}

func (t *accessToken) thumbprint() string {
	cnf, _ := t.claims["cnf"].(map[string]any)
	thumbprint, _ := cnf["jkt"].(string)
	return thumbprint
}

// answerCases look at the token of the first positive control. They send nothing.
func answerCases() []Case {
	look := func(id, title, section string, severity Severity, expect string, wrong func(*session) string) Case {
		return Case{
			ID: "answer." + id, Title: title, Section: section, Severity: severity, Expect: expect, Sends: "nothing: the answer to the positive control", need: []need{needGrant},
			run: func(_ context.Context, s *session) Finding {
				const sent = "nothing: the answer to the positive control"
				if said := wrong(s); said != "" {
					return fail(WrongGrant, sent, said)
				}
				return pass(sent, s.granted.String())
			},
		}
	}
	return []Case{
		look("no_store", "a token is not to be stored by caches", "RFC 6749 §5.1", Must, "Cache-Control: no-store", func(s *session) string {
			if got := s.granted.header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
				return fmt.Sprintf("Cache-Control is %q", got)
			}
			return ""
		}),
		look("json", "the answer is JSON", "RFC 6749 §5.1", Must, "Content-Type: application/json", func(s *session) string {
			if got := s.granted.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
				return fmt.Sprintf("Content-Type is %q", got)
			}
			return ""
		}),
		look("token_type", "without a proof, the token is a bearer token", "RFC 6749 §5.1", Must, "token_type Bearer", func(s *session) string {
			if got := s.granted.text("token_type"); !strings.EqualFold(got, "Bearer") {
				return fmt.Sprintf("token_type is %q", got)
			}
			return ""
		}),
		look("expires_in", "the lifetime is told, and it is short", "RFC 6749 §5.1", Should, "expires_in, at most a day", func(s *session) string {
			if got, ok := s.granted.fields["expires_in"].(float64); !ok || got <= 0 || got > 86400 {
				return "expires_in is " + text(s.granted.fields["expires_in"])
			}
			return ""
		}),
		look("no_refresh_token", "no refresh token for an assertion", "RFC 7521 §4.1; ID-JAG-04 §4.4", Should, "no refresh_token", func(s *session) string {
			if s.granted.text("refresh_token") != "" {
				return "a refresh token"
			}
			return ""
		}),
		look("scope", "no scope but those that were asked for", "RFC 6749 §3.3", Must, "the requested scopes or fewer", func(s *session) string {
			said := s.granted.text("scope")
			if s.access != nil {
				said += " " + s.access.text("scope")
			}
			for scope := range strings.FieldsSeq(said) {
				if !slices.Contains(s.settings.Scopes, scope) {
					return "scope " + scope + " was granted"
				}
			}
			return ""
		}).needs(needScope),
		look("jwt_typ", "the access token says what it is", "RFC 9068 §2.1", Should, "typ at+jwt", func(s *session) string {
			typ, _ := s.access.header["typ"].(string)
			if strings.TrimPrefix(strings.ToLower(typ), "application/") != typeAccessToken {
				return fmt.Sprintf("typ is %q", typ)
			}
			return ""
		}).needs(needJWT),
		look("jwt_claims", "the access token has what it must have", "RFC 9068 §2.2", Should, "iss, exp, aud, sub, client_id, iat, jti", func(s *session) string {
			var missing []string
			for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
				if _, there := s.access.claims[name]; !there {
					missing = append(missing, name)
				}
			}
			if len(missing) > 0 {
				return "without " + strings.Join(missing, ", ")
			}
			return ""
		}).needs(needJWT),
		look("jwt_issuer", "the access token is of the issuer of the metadata", "RFC 9068 §4", Must, "iss as in the metadata", func(s *session) string {
			if got := s.access.text("iss"); got != s.settings.Target {
				return fmt.Sprintf("iss is %q", got)
			}
			return ""
		}).needs(needJWT),
		look("jwt_audience", "the access token is for the resource, and nothing else", "EMA §7.6.2; RFC 8707 §2", Must, "aud is the resource alone", func(s *session) string {
			if got := s.access.audience(); len(got) != 1 || got[0] != s.settings.Resource {
				return "aud is " + text(s.access.claims["aud"])
			}
			return ""
		}).needs(needJWT, needResource),
		look("jwt_client", "the access token names the client", "RFC 9068 §2.2", Should, "client_id of the client", func(s *session) string {
			if got := s.access.text("client_id"); got != s.settings.Client.ID {
				return fmt.Sprintf("client_id is %q", got)
			}
			return ""
		}).needs(needJWT),
		look("jwt_lifetime", "the access token ends when the answer says", "RFC 6749 §5.1", Should, "exp as expires_in, within a minute", func(s *session) string {
			exp, ends := s.access.claims["exp"].(float64)
			iat, begins := s.access.claims["iat"].(float64)
			in, told := s.granted.fields["expires_in"].(float64)
			if !ends || !begins || !told {
				return "exp, iat or expires_in is missing"
			}
			if difference := exp - iat - in; difference > 60 || difference < -60 {
				return fmt.Sprintf("good for %.0f s, and expires_in is %.0f", exp-iat, in)
			}
			return ""
		}).needs(needJWT),
		look("jwt_signature", "a published key verifies the access token", "RFC 9068 §4", Must, "a signature by a key of jwks_uri, under an asymmetric alg", verifies).needs(needJWT),
		{
			ID: "answer.access_token_as_assertion", Title: "an access token of the server, presented as an assertion", Section: "RFC 8725 §3.12", Severity: Must,
			Expect: refusal("invalid_grant", "invalid_request").String(), Sends: "the granted access token as assertion", need: []need{needGrant},
			run: func(ctx context.Context, s *session) Finding {
				const sent = "the granted access token as assertion"
				return refusal("invalid_grant", "invalid_request").judge(sent, s.present(ctx, s.granted.token()))
			},
		},
		{
			ID: "answer.id_token_as_assertion", Title: "an ID token of the IdP for the client, presented as an assertion", Section: "RFC 8725 §3.12; RFC 7523 §3 (3)", Severity: Must,
			Expect: refusal("invalid_grant").String(), Sends: "an ID token of the same person as assertion",
			run: func(ctx context.Context, s *session) Finding {
				const sent = "an ID token for the client as assertion"
				token, err := s.provider.IDToken(person, s.settings.Client.ID, idptest.WithHeader("typ", "JWT"))
				if err != nil {
					return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
				}
				return refusal("invalid_grant").judge(sent, s.present(ctx, token))
			},
		},
	}
}

// verifies checks the granted token as a resource server would.
func verifies(s *session) string {
	set, _, err := jwks.Parse(s.keys.body)
	if err != nil {
		return "the key set at jwks_uri cannot be read: " + err.Error()
	}
	message, err := jws.Parse(s.granted.token())
	if err != nil {
		return "the token cannot be read: " + err.Error()
	}
	if _, _, err := message.Verify(set, jws.Algorithms()); err != nil {
		return "no published key verifies it: " + err.Error()
	}
	return ""
}
