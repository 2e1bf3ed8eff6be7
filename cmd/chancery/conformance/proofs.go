package conformance

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// proof is a DPoP proof that is not signed yet (RFC 9449 §4.2).
func (s *session) proof() *idptest.Draft {
	key := maps.Clone(s.proofKey.JWK())
	for _, name := range []string{"kid", "alg", "use"} {
		delete(key, name)
	}
	claims := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": s.meta.TokenEndpoint, "iat": s.now().Unix()}
	if s.nonce != "" {
		claims["nonce"] = s.nonce
	}
	return &idptest.Draft{Header: map[string]any{"typ": "dpop+jwt", "alg": s.proofKey.Algorithm, "jwk": key}, Claims: claims, Key: s.proofKey}
}

func (s *session) thumbprint() string {
	thumbprint, err := jwks.Thumbprint(s.proofKey.Signer.Public())
	if err != nil {
		return "" // our own key; a case that compares it fails
	}
	return thumbprint
}

// withProof presents a fresh assertion with a proof that change has broken. A server
// that wants a nonce says so once (RFC 9449 §8), and gets a second proof with it.
func (s *session) withProof(ctx context.Context, change func(*idptest.Draft), options ...idptest.Option) (sent string, a answer) {
	for range 2 {
		valid := s.proof()
		draft := copied(valid)
		change(draft)
		sent = "a DPoP proof: " + difference(valid, draft)
		compact, err := draft.Sign()
		if err != nil {
			return sent, answer{err: err}
		}
		assertion, err := s.assertion(options...)
		if err != nil {
			return sent, answer{err: err}
		}
		a = s.present(ctx, assertion, func(r *request) { r.header.Set("DPoP", compact) })
		if a.text("error") != "use_dpop_nonce" {
			break
		}
	}
	return sent, a
}

func proofCases() []Case {
	const form = "RFC 9449 §4.3"
	want := refusal("invalid_dpop_proof")
	broken := func(id, title, section string, change func(*session, *idptest.Draft)) Case {
		return Case{
			ID: "dpop." + id, Title: title, Section: section, Severity: Must, Expect: want.String(), Sends: title, need: []need{needDPoP},
			run: func(ctx context.Context, s *session) Finding {
				sent, a := s.withProof(ctx, func(d *idptest.Draft) { change(s, d) })
				return want.judge(sent, a)
			},
		}
	}
	set := func(name string, value any) func(*session, *idptest.Draft) {
		return func(_ *session, d *idptest.Draft) { d.Claims[name] = value }
	}
	drop := func(name string) func(*session, *idptest.Draft) {
		return func(_ *session, d *idptest.Draft) { delete(d.Claims, name) }
	}
	at := func(offset time.Duration) func(*session, *idptest.Draft) {
		return func(s *session, d *idptest.Draft) { d.Claims["iat"] = s.now().Add(offset).Unix() }
	}
	return []Case{
		bound(),
		broken("typ_wrong", "a proof of typ JWT", form+" (4)", func(_ *session, d *idptest.Draft) { d.Header["typ"] = "JWT" }),
		broken("alg_none", "a proof with alg none", form+" (5)", func(_ *session, d *idptest.Draft) {
			d.Header["alg"] = "none"
			d.Signature = func([]byte) []byte { return nil }
		}),
		broken("alg_symmetric", "a proof with HS256", form+" (5)", func(_ *session, d *idptest.Draft) {
			secret := make([]byte, 32)
			d.Header["alg"] = "HS256"
			d.Header["jwk"] = map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(secret)}
			d.Signature = func(input []byte) []byte {
				mac := hmac.New(sha256.New, secret)
				mac.Write(input)
				return mac.Sum(nil)
			}
		}),
		broken("signed_by_another", "a proof that its key did not sign", form+" (6)", func(_ *session, d *idptest.Draft) {
			d.Signature = func([]byte) []byte { return make([]byte, 64) }
		}),
		broken("jwk_absent", "a proof without its key", form+" (3)", func(_ *session, d *idptest.Draft) { delete(d.Header, "jwk") }),
		broken("jwk_private", "a proof with its private key", form+" (7)", func(s *session, d *idptest.Draft) {
			key, _ := d.Header["jwk"].(map[string]any)
			key = maps.Clone(key)
			key["d"] = base64.RawURLEncoding.EncodeToString(make([]byte, 32)) // none of anybody's
			d.Header["jwk"] = key
		}),
		broken("htm_wrong", "a proof for GET", form+" (8)", set("htm", "GET")),
		broken("htm_absent", "a proof for no method", form+" (3)", drop("htm")),
		broken("htu_other", "a proof for another server", form+" (9)", set("htu", "https://other.example/token")),
		broken("htu_other_path", "a proof for another path", form+" (9)", func(s *session, d *idptest.Draft) { d.Claims["htu"] = s.meta.TokenEndpoint + "/other" }),
		broken("htu_absent", "a proof for no URL", form+" (3)", drop("htu")),
		broken("iat_old", "a proof of an hour ago", form+" (11)", at(-time.Hour)),
		broken("iat_future", "a proof of in an hour", form+" (11)", at(time.Hour)),
		broken("iat_absent", "a proof without iat", form+" (3)", drop("iat")),
		broken("jti_absent", "a proof without jti", form+" (3)", drop("jti")),
		broken("no_jwt", "a proof that is no JWT", form+" (2)", func(_ *session, d *idptest.Draft) {
			d.Compact = func(string) string { return "not-a-proof" }
		}),
		twoProofs(), replayedProof(), boundToAnother(),
	}
}

// bound is the positive one: what the others break.
func bound() Case {
	return Case{
		ID: "dpop.bound", Title: "a good proof binds the token", Section: "RFC 9449 §5", Severity: Must, need: []need{needDPoP},
		Expect: "a token of type DPoP, bound to the key of the proof", Sends: "a good DPoP proof",
		run: func(ctx context.Context, s *session) Finding {
			sent, a := s.withProof(ctx, func(*idptest.Draft) {})
			switch token := decodeAccessToken(a.token()); {
			case a.token() == "":
				return fail(Refused, sent, a.String())
			case a.text("token_type") != "DPoP":
				return fail(WrongGrant, sent, a.String()+": another token_type")
			case token != nil && token.thumbprint() != s.thumbprint():
				return fail(WrongGrant, sent, "the token's cnf.jkt is "+text(token.claims["cnf"]))
			}
			return pass(sent, a.String())
		},
	}
}

func twoProofs() Case {
	want := refusal("invalid_dpop_proof", "invalid_request")
	const sent = "two DPoP header fields, each good"
	return Case{
		ID: "dpop.two_headers", Title: "two proofs", Section: "RFC 9449 §4.3 (1)", Severity: Must, Expect: want.String(), Sends: sent, need: []need{needDPoP},
		run: func(ctx context.Context, s *session) Finding {
			first, err := s.proof().Sign()
			if err != nil {
				return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
			}
			second, err := s.proof().Sign()
			if err != nil {
				return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
			}
			return want.judge(sent, s.fresh(ctx, func(r *request) { r.header["Dpop"] = []string{first, second} }))
		},
	}
}

func replayedProof() Case {
	want := refusal("invalid_dpop_proof", "use_dpop_nonce")
	const sent = "a good DPoP proof with one assertion, then with another"
	return Case{
		ID: "dpop.replayed", Title: "a proof a second time", Section: "RFC 9449 §11.1", Severity: Should, Expect: want.String(), Sends: sent, need: []need{needDPoP},
		run: func(ctx context.Context, s *session) Finding {
			var compact string
			_, a := s.withProof(ctx, func(d *idptest.Draft) {
				d.Compact = func(signed string) string {
					compact = signed
					return signed
				}
			})
			if a.token() == "" {
				return Finding{Outcome: Undecided, Sent: sent, Got: "the first time: " + a.String()}
			}
			return want.judge(sent, s.fresh(ctx, func(r *request) { r.header.Set("DPoP", compact) }))
		},
	}
}

func boundToAnother() Case {
	want := refusal("invalid_grant", "invalid_dpop_proof")
	return Case{
		ID: "dpop.assertion_bound_to_another", Title: "an assertion bound to another key than the proof's", Section: "RFC 9449 §6.1; ID-JAG-04 §3.1", Severity: Must,
		Expect: want.String(), Sends: "cnf.jkt of another key, and a good proof", profile: IDJAG, need: []need{needDPoP},
		run: func(ctx context.Context, s *session) Finding {
			sent, a := s.withProof(ctx, func(*idptest.Draft) {}, idptest.WithJKT("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"))
			return want.judge(sent+", with an assertion that is bound to another key", a)
		},
	}
}
