package provider

import (
	"context"
	"fmt"
	"net/url"
)

// Exchange redeems a code (RFC 6749 §4.1.3) and reads whose account it is. With ErrProbe the credential is there and good, and
// must be saved, probed again or revoked: nobody has seen the account.
func (p *Provider) Exchange(ctx context.Context, code Secret, d Departure) (Credential, Account, error) {
	if p.manifest.Kind != OAuth2 || code.IsZero() {
		return Credential{}, Account{}, ErrUnsupported
	}
	if d.Provider != p.manifest.Name || !p.manifest.DisablePKCE && d.Verifier.IsZero() {
		return Credential{}, Account{}, ErrState
	}
	params := url.Values{}
	fill(params, p.manifest.TokenParams)
	params.Set("grant_type", "authorization_code")
	params.Set("code", code.Reveal())
	params.Set("redirect_uri", d.Redirect)
	if !d.Verifier.IsZero() {
		params.Set("code_verifier", d.Verifier.Reveal())
	}
	started := p.now()
	a, failure := p.token(ctx, p.manifest.TokenURL, params, never)
	if failure != nil {
		return Credential{}, Account{}, failure
	}
	if p.refused(a) {
		return Credential{}, Account{}, p.judge(ctx, a)
	}
	c, ok := p.credential(a, p.manifest.Tokens.Paths, FromPerson)
	if !ok {
		return Credential{}, Account{}, p.lost(never, started, a.status, "an answer without a token that can be used")
	}
	c.Scopes = p.granted(c.Scopes, d.Scopes)
	account, err := p.recognise(ctx, a, &c)
	if err != nil {
		return c, Account{}, fmt.Errorf("%w: %w", ErrProbe, err)
	}
	return c, account, nil
}

// Refresh gets a credential's successor. The caller has written down that it is under way, and saves what comes back before
// anybody uses it. Only the successor's refresh token may be used from then on.
//
// It asks once: see [Error] for what may be done after a failure.
func (p *Provider) Refresh(ctx context.Context, c Credential) (Credential, error) {
	switch c.Origin {
	case FromClient:
		return p.Obtain(ctx, Wanted{Subject: c.Subject, Scopes: c.Scopes})
	case FromInstallation:
		return p.Install(ctx, Wanted{Subject: c.Subject, Scopes: c.Scopes, Resources: c.Resources})
	case FromPerson, FromExchange, FromHand:
	}
	if c.Refresh.IsZero() {
		return Credential{}, ErrNoRefresh
	}
	if !c.RefreshExpiresAt.IsZero() && !p.now().Before(c.RefreshExpiresAt) {
		return Credential{}, p.fail(Terminal, "the refresh token has ended")
	}
	how := p.rotation()
	started := p.now()
	a, failure := p.token(ctx, p.manifest.RefreshURL, p.refreshing(c), how)
	if failure != nil {
		return Credential{}, failure
	}
	if p.refused(a) {
		return Credential{}, p.judge(ctx, a)
	}
	next, ok := p.credential(a, *p.manifest.Tokens.RefreshPaths, c.Origin)
	if !ok {
		return Credential{}, p.lost(how, started, a.status, "an answer without a token that can be used")
	}
	return p.succeed(c, next), nil
}

func (p *Provider) rotation() repeat {
	switch p.manifest.Refresh.Rotation {
	case RotationNone:
		return harmless
	case RotationWindow:
		return windowed
	case SingleUse:
		return never
	default:
		return never
	}
}

func (p *Provider) refreshing(c Credential) url.Values {
	params := url.Values{}
	fill(params, p.manifest.RefreshParams)
	params.Set("grant_type", "refresh_token")
	params.Set("refresh_token", c.Refresh.Reveal())
	return params
}

// succeed carries over what the answer did not say again (RFC 6749 §6).
func (p *Provider) succeed(c, next Credential) Credential {
	if next.Refresh.IsZero() {
		next.Refresh, next.RefreshExpiresAt = c.Refresh, c.RefreshExpiresAt
	}
	next.Scopes = p.granted(next.Scopes, c.Scopes)
	next.Subject, next.Resources = c.Subject, c.Resources
	for name, value := range c.Kept {
		if _, again := next.Kept[name]; !again {
			if next.Kept == nil {
				next.Kept = map[string]string{}
			}
			next.Kept[name] = value
		}
	}
	return next
}
