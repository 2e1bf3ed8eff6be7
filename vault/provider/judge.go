package provider

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
)

// code finds the refusal's code that is listed, and what it means. The first path that holds a listed one decides: the
// most telling stands first.
func (p *Provider) code(a answer) (string, Outcome) {
	for _, path := range p.manifest.Errors.Paths {
		for _, code := range codes(at(a.body, path)) {
			if outcome, listed := p.meaning(code); listed {
				return code, outcome
			}
		}
	}
	return "", ""
}

func codes(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var found []string
	for _, one := range list[:min(len(list), 16)] {
		if code := words(one); code != "" {
			found = append(found, code)
		}
	}
	return found
}

const ambiguous Outcome = "ambiguous"

// meaning looks a code up: the manifest's lists go before those of RFC 6749 §5.2.
func (p *Provider) meaning(code string) (Outcome, bool) {
	e := p.manifest.Errors
	for _, row := range []struct {
		outcome Outcome
		codes   []string
	}{
		{ambiguous, e.Ambiguous},
		{Misconfigured, e.Misconfigured},
		{RateLimited, e.RateLimited},
		{Terminal, e.Terminal},
		{Transient, e.Transient},
		{Terminal, []string{"invalid_grant"}},
		{ScopeRefused, []string{"invalid_scope", "invalid_target"}},
		{Misconfigured, []string{"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_request", "redirect_uri_mismatch"}},
		{Transient, []string{"temporarily_unavailable", "server_error", "slow_down"}},
	} {
		if slices.Contains(row.codes, code) {
			return row.outcome, true
		}
	}
	return "", false
}

// refused tells whether an answer is a refusal, whatever its status says.
func (p *Provider) refused(a answer) bool {
	if a.status < 200 || a.status > 299 {
		return true
	}
	c := p.manifest.Errors.In200
	if c == nil {
		// RFC 6749 §5.2 says 400, and yet.
		return words(at(a.body, "error")) != ""
	}
	v := at(a.body, c.Path)
	if c.Equals != "" {
		return words(v) == c.Equals
	}
	return v != nil
}

// judge makes an error of a refusal. What could be a dead token or a wrong client secret is settled by asking again without
// the token: a company's mistake must not send its people through consent, one after the other.
func (p *Provider) judge(ctx context.Context, a answer) *Error {
	code, outcome := p.code(a)
	e := &Error{Provider: p.manifest.Name, Outcome: outcome, Code: code, Status: a.status, RetryAfter: retryAfter(a.header, p.now())}
	if claims := words(at(a.body, p.manifest.Errors.Claims)); p.manifest.Errors.Claims != "" && claims != "" && len(claims) <= maxClaims {
		e.Claims = NewSecret(claims)
	}
	switch {
	case outcome != "" && outcome != ambiguous:
		return e
	case a.status == http.StatusRequestTimeout || a.status == http.StatusConflict || a.status == http.StatusTooEarly:
		e.Outcome = Transient
	case a.body == nil:
		e.Outcome, e.Reason = Transient, "refused by something in front of the provider"
	case p.manifest.Kind != OAuth2:
		e.Outcome, e.Reason = Misconfigured, "refused, with a code that is not listed"
	default:
		e.Outcome, e.Reason = p.settle(ctx, a)
	}
	return e
}

const maxClaims = 4 << 10

// settle sends a code that nobody gave out. A provider that knows us refuses the code; one that does not, us.
func (p *Provider) settle(ctx context.Context, first answer) (Outcome, string) {
	second, failure := p.token(ctx, p.manifest.TokenURL, url.Values{
		"grant_type": {"authorization_code"}, "code": {rand.Text()}, "redirect_uri": {p.settings.RedirectURL}, "code_verifier": {rand.Text() + rand.Text()},
	}, harmless)
	if failure != nil {
		return Transient, "refused, and it could not be told why"
	}
	code, outcome := p.code(second)
	switch {
	case outcome == Misconfigured || outcome == ambiguous:
		return Misconfigured, "the client is refused"
	case code == "" && second.status == first.status && slices.Equal(p.raw(first), p.raw(second)):
		return Misconfigured, "every request is refused alike"
	case outcome == Transient || outcome == RateLimited:
		return Transient, "refused, and it could not be told why"
	default:
		return Terminal, "the credential is refused"
	}
}

// raw is all codes of an answer, listed or not: to compare, never to show.
func (p *Provider) raw(a answer) []string {
	var all []string
	for _, path := range p.manifest.Errors.Paths {
		all = append(all, codes(at(a.body, path))...)
	}
	return all
}

// token asks the token endpoint.
func (p *Provider) token(ctx context.Context, endpoint string, params url.Values, how repeat) (answer, *Error) {
	address, failure := p.address(endpoint, nil)
	if failure != nil {
		return answer{}, failure
	}
	return p.send(ctx, request{method: http.MethodPost, url: address, params: params, format: p.manifest.BodyFormat, auth: p.manifest.TokenRequestAuthMethod, repeat: how})
}
