package provider

import (
	"context"
	"net/http"
	"net/url"
)

// Revoke ends a credential at the provider (RFC 7009, or what the provider has instead). That it is not known there any more is
// success. ErrNoRevocation: the provider offers nothing, and whoever asked must be told. It may be repeated.
func (p *Provider) Revoke(ctx context.Context, c Credential) error {
	if c.Origin == FromInstallation {
		return p.revokeInstallation(ctx, c)
	}
	r := p.manifest.Revoke
	if r == nil || c.Origin == FromHand {
		return ErrNoRevocation
	}
	token := c.Access
	if r.Token == "refresh" && !c.Refresh.IsZero() {
		token = c.Refresh
	}
	out := request{method: r.Method, format: r.Format, auth: r.Auth, bearer: c.Access, repeat: harmless, params: url.Values{}}
	also := map[string]string{"client_id": p.settings.ClientID}
	fill(out.params, r.Params)
	switch r.Format {
	case "form", "json":
		out.params.Set(r.Parameter, token.Reveal())
	case "path":
		also["token"], out.format = token.Reveal(), ""
	default:
		out.format = ""
	}
	address, failure := p.address(r.URL, also)
	if failure != nil {
		return failure
	}
	out.url = address
	return p.ended(ctx, out)
}

func (p *Provider) revokeInstallation(ctx context.Context, c Credential) error {
	if p.manifest.Installation == nil || p.manifest.Installation.RevokeURL == "" {
		return ErrNoRevocation
	}
	address, failure := p.address(p.manifest.Installation.RevokeURL, nil)
	if failure != nil {
		return failure
	}
	return p.ended(ctx, request{method: http.MethodDelete, url: address, auth: AuthBearer, bearer: c.Access, repeat: harmless})
}

func (p *Provider) ended(ctx context.Context, out request) error {
	a, failure := p.send(ctx, out)
	switch in200 := p.manifest.Errors.In200; {
	// RFC 7009 §2.2: 200 without a body is enough, unless this provider says in the body whether it did.
	case a.status == http.StatusOK && a.empty && (in200 == nil || in200.Equals == ""):
		return nil
	case failure != nil:
		return failure
	case p.refused(a):
		return p.gone(out, a)
	}
	return nil
}

// gone is nil for what was not there any more.
func (p *Provider) gone(out request, a answer) error {
	e := p.plainly(a)
	if e.Outcome != Misconfigured && e.Outcome != Terminal && a.body == nil {
		return e // a page that is not there is not a token that is not there
	}
	if a.status == http.StatusNotFound || e.Outcome == Terminal || out.auth == AuthBearer && a.status == http.StatusUnauthorized {
		return nil
	}
	return e
}

// plainly makes an error of a refusal without asking again.
func (p *Provider) plainly(a answer) *Error {
	code, outcome := p.code(a)
	e := &Error{Provider: p.manifest.Name, Outcome: outcome, Code: code, Status: a.status, RetryAfter: retryAfter(a.header, p.now())}
	switch {
	case outcome == ambiguous, outcome == "" && a.body != nil:
		e.Outcome, e.Reason = Misconfigured, "refused, with a code that is not listed"
	case outcome == "":
		e.Outcome, e.Reason = Transient, "refused by something in front of the provider"
	}
	return e
}
