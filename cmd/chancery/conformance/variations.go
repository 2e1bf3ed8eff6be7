package conformance

import (
	"context"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// variationCases are valid assertions in forms that the standards allow and that
// servers which read too narrowly refuse. A server that refuses what is valid is made
// to work by loosening it, at the wrong place.
func variationCases() []Case {
	known := map[string]idptest.Mutation{}
	for _, v := range idptest.Variations() {
		known[v.Name] = v
	}
	var list []Case
	for _, row := range []struct {
		variation, title, section string
		profile                   Profile
	}{
		{"aud_array_of_one", "aud as an array of one", "RFC 7519 §4.1.3", ""},
		{"resource_array_of_one", "resource as an array of one", "ID-JAG-04 §3.1", IDJAG},
		{"typ_as_full_media_type", "typ as a whole media type", "RFC 7515 §4.1.9", IDJAG},
		{"typ_in_upper_case", "typ in upper case", "RFC 7515 §4.1.9", IDJAG},
		{"header_with_unknown_member", "a header member that nobody knows", "RFC 7515 §4", ""},
		{"nbf_now", "nbf of now", "RFC 7519 §4.1.5", ""},
		{"private_claims", "private claims", "RFC 7519 §4.3", ""},
		{"whitespace_in_claims", "white space before the claims", "RFC 7519 §7.1", ""},
		{"escaped_member_names", "a claim's name written with an escape", "RFC 7519 §7.3", ""},
	} {
		variation, found := known[row.variation]
		if !found {
			panic("conformance: no variation is named " + row.variation) // a test makes every case
		}
		list = append(list, Case{
			ID: "variation." + row.variation, Title: row.title, Section: row.section, Severity: Must,
			Expect: "a token", Sends: "a valid assertion: " + row.title, profile: row.profile,
			run: func(ctx context.Context, s *session) Finding { return s.vary(ctx, variation.Break) },
		})
	}
	return list
}

func (s *session) vary(ctx context.Context, change func(*idptest.Draft, *idptest.IdP)) Finding {
	valid, err := s.draft()
	if err != nil {
		return Finding{Outcome: Undecided, Got: err.Error()}
	}
	draft := copied(valid)
	change(draft, s.provider)
	sent := difference(valid, draft)
	compact, err := draft.Sign()
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	a := s.present(ctx, compact)
	if a.token() != "" {
		return pass(sent, a.String())
	}
	if f := refusal().judge(sent, a); f.Outcome == Undecided || f.Fault == ServerError {
		return f
	}
	return fail(Refused, sent, a.String())
}
