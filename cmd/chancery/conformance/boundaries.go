package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// boundaryCases ask for more than was asserted, or for something else.
func boundaryCases() []Case {
	return []Case{
		{
			ID: "boundary.scope_not_asserted", Title: "a scope that the assertion does not have", Section: "EMA §7; ID-JAG-04 §4.4.1", Severity: Must,
			Expect: "refused: invalid_scope; or a token without it", Sends: "an assertion of the first scope, a request for all of them", profile: IDJAG, need: []need{needTwoScopes},
			run: func(ctx context.Context, s *session) Finding {
				first, rest := s.settings.Scopes[0], s.settings.Scopes[1:]
				return s.within(ctx, idptest.WithScope(first), func(*request) {}, rest, "scope = "+text(first)+" asserted, "+text(strings.Join(s.settings.Scopes, " "))+" requested")
			},
		},
		{
			ID: "boundary.scope_unknown", Title: "a scope that the server does not know, beside known ones", Section: "RFC 6749 §3.3", Severity: Must,
			Expect: "refused: invalid_scope; or a token without it", Sends: "one more scope in the request",
			run: func(ctx context.Context, s *session) Finding {
				extra := marker()
				return s.within(ctx, func(*idptest.Draft) {}, func(r *request) {
					r.form.Set("scope", strings.TrimSpace(r.form.Get("scope")+" "+extra))
				}, []string{extra}, "scope "+extra+" requested")
			},
		},
		{
			ID: "boundary.scope_unknown_alone", Title: "nothing but a scope that the server does not know", Section: "RFC 6749 §5.2", Severity: Must,
			Expect: "refused: invalid_scope; or a token without it", Sends: "an unknown scope in the request",
			run: func(ctx context.Context, s *session) Finding {
				extra := marker()
				return s.within(ctx, func(*idptest.Draft) {}, func(r *request) { r.form.Set("scope", extra) }, []string{extra}, "scope "+extra+" requested alone")
			},
		},
		{
			ID: "boundary.scope_malformed", Title: "a scope with a quotation mark", Section: "RFC 6749 §3.3", Severity: Must,
			Expect: refusal("invalid_scope", "invalid_request").String(), Sends: `scope = notes:"read`,
			run: func(ctx context.Context, s *session) Finding {
				return refusal("invalid_scope", "invalid_request").judge(`scope = notes:"read`, s.fresh(ctx, func(r *request) { r.form.Set("scope", `notes:"read`) }))
			},
		},
		resource("resource_not_asserted", "a requested resource that the assertion does not name", "EMA §7.6.2; RFC 8707 §2", func(*session) string { return "https://" + marker() + ".example/" }),
		resource("resource_with_fragment", "a requested resource with a fragment", "RFC 8707 §2", func(s *session) string { return s.settings.Resource + "#part" }),
		resource("resource_relative", "a requested resource that is relative", "RFC 8707 §2", func(*session) string { return "/notes" }),
	}
}

// within asks for what must not be granted.
func (s *session) within(ctx context.Context, option idptest.Option, change func(*request), forbidden []string, sent string) Finding {
	assertion, err := s.assertion(option)
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	want := refusal("invalid_scope", "invalid_grant").orToken(func(a answer) string { return s.scopesOutside(a, forbidden) })
	return want.judge(sent, s.present(ctx, assertion, change))
}

// scopesOutside reads the scopes of a token: of the answer, which may leave them out
// only where all that was requested is granted (RFC 6749 §3.3), and of a JWT.
func (s *session) scopesOutside(a answer, forbidden []string) string {
	granted, said := a.fields["scope"]
	if !said {
		return "the answer does not say that less was granted than requested"
	}
	all := strings.Fields(fmt.Sprint(granted))
	if token := decodeAccessToken(a.token()); token != nil {
		all = append(all, strings.Fields(fmt.Sprint(token.claims["scope"]))...)
	}
	for _, scope := range forbidden {
		if slices.Contains(all, scope) {
			return "scope " + scope + " was granted"
		}
	}
	return ""
}

// resource asks for a token for another resource. RFC 8707 §2 says SHOULD; where the
// assertion names its resource, the pair is bound (EMA §7.6.2).
func resource(id, title, section string, wrong func(*session) string) Case {
	want := refusal("invalid_target", "invalid_grant", "invalid_request")
	return Case{
		ID: "boundary." + id, Title: title, Section: section, Severity: Should, Expect: want.String(), Sends: title, need: []need{needResource},
		severe: map[Profile]Severity{IDJAG: Must},
		run: func(ctx context.Context, s *session) Finding {
			uri := wrong(s)
			sent := "resource = " + text(uri) + " in the request"
			return want.judge(sent, s.fresh(ctx, func(r *request) { r.form.Set("resource", uri) }))
		},
	}
}
