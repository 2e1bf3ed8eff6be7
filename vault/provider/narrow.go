package provider

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Narrow makes a lease that can do what is wanted and, where the provider can, nothing more. narrowed is true only if the
// provider's own answer bears it out: the token holds no other scope, and no other resource where some were named. The
// credential stays as it is. It may be repeated.
func (p *Provider) Narrow(ctx context.Context, c Credential, w Wanted) (lease Lease, narrowed bool, err error) {
	if missing := p.missing(c, w); len(missing) > 0 {
		return Lease{}, false, &MissingScopesError{missing}
	}
	whole := p.Lend(c)
	if len(w.Scopes) == 0 && len(w.Resources) == 0 {
		return whole, false, nil
	}
	if len(w.Resources) == 0 && p.within(c.Scopes, w.Scopes) {
		return whole, true, nil // it has nothing else
	}
	switch d := p.manifest.Downscope; {
	case c.Origin == FromInstallation:
		return p.narrowInstallation(ctx, c, w)
	case c.Origin == FromClient:
		return p.narrowClient(ctx, c, w)
	case d == nil || c.Origin == FromHand:
		return whole, false, nil
	case d.Method == "refresh" && !c.Refresh.IsZero():
		return p.narrowRefresh(ctx, c, w)
	case d.Method == "token_exchange":
		return p.narrowExchange(ctx, c, w)
	case d.Method == "google_access_boundary" && len(boundary(w.Scopes)) > 0 && len(w.Resources) > 0:
		return p.narrowBoundary(ctx, c, w)
	default:
		return whole, false, nil
	}
}

// missing is what a credential does not have. A write permission of an installation covers reading.
func (p *Provider) missing(c Credential, w Wanted) []string {
	var missing []string
	for _, scope := range w.Scopes {
		covered := slices.Contains(c.Scopes, scope) || strings.HasPrefix(scope, inRole) && p.boundaries()
		if c.Origin == FromInstallation {
			covered = slices.ContainsFunc(c.Scopes, func(has string) bool { return permits(has, scope) })
		}
		if !covered {
			missing = append(missing, scope)
		}
	}
	return missing
}

func (p *Provider) boundaries() bool {
	return p.manifest.Downscope != nil && p.manifest.Downscope.Method == "google_access_boundary"
}

func permits(has, wanted string) bool {
	name, level, _ := strings.Cut(has, ":")
	wantedName, wantedLevel, _ := strings.Cut(wanted, ":")
	levels := []string{"read", "write", "admin"}
	return name == wantedName && slices.Index(levels, wantedLevel) >= 0 && slices.Index(levels, wantedLevel) <= slices.Index(levels, level)
}

// within tells whether scopes are no more than allowed; that there are none is not known of a token that names none.
func (p *Provider) within(scopes, allowed []string) bool {
	return len(scopes) > 0 && !slices.ContainsFunc(scopes, func(s string) bool {
		return !slices.Contains(allowed, s) && !slices.Contains(p.manifest.Scopes.Unlisted, s)
	})
}

// narrowRefresh asks for less with the refresh token (RFC 6749 §6). Many ignore it: the answer tells. A successor of the
// refresh token is let go, for the manifest says that the old one stays good.
func (p *Provider) narrowRefresh(ctx context.Context, c Credential, w Wanted) (Lease, bool, error) {
	params := p.refreshing(c)
	params.Set(p.manifest.ScopeParameter, join(w.Scopes, p.manifest.ScopeSeparator))
	a, failure := p.token(ctx, p.manifest.RefreshURL, params, harmless)
	if failure != nil {
		return Lease{}, false, failure
	}
	if p.refused(a) {
		return Lease{}, false, p.judge(ctx, a)
	}
	less, ok := p.credential(a, *p.manifest.Tokens.RefreshPaths, c.Origin)
	if !ok || !p.within(less.Scopes, w.Scopes) {
		return p.Lend(c), false, nil
	}
	return p.Lend(p.succeed(c, less)), len(w.Resources) == 0, nil
}

// narrowClient obtains a token for less from the start.
func (p *Provider) narrowClient(ctx context.Context, c Credential, w Wanted) (Lease, bool, error) {
	less, err := p.Obtain(ctx, Wanted{Subject: c.Subject, Scopes: w.Scopes})
	if err != nil {
		return Lease{}, false, err
	}
	return p.Lend(less), len(w.Resources) == 0 && p.within(less.Scopes, w.Scopes), nil
}

// narrowExchange is RFC 8693 §2.1 with the token itself as subject.
func (p *Provider) narrowExchange(ctx context.Context, c Credential, w Wanted) (Lease, bool, error) {
	params := exchanging(c)
	if len(w.Scopes) > 0 {
		params.Set(p.manifest.ScopeParameter, join(w.Scopes, p.manifest.ScopeSeparator))
	}
	if len(w.Resources) > 0 {
		params["resource"] = w.Resources
	}
	less, err := p.exchanged(ctx, p.manifest.TokenRequestAuthMethod, params)
	if err != nil {
		return Lease{}, false, err
	}
	// §2.2.1: an answer without scope gave what was asked. One that gave the same token back gave nothing less.
	if less.Access.Reveal() == c.Access.Reveal() || less.Scopes != nil && !p.within(less.Scopes, w.Scopes) {
		return p.Lend(c), false, nil
	}
	less.Scopes, less.Resources, less.Kept = p.granted(less.Scopes, w.Scopes), w.Resources, c.Kept
	return p.Lend(less), len(w.Scopes) > 0, nil
}

const inRole = "inRole:"

// boundary picks the permissions of a credential access boundary: inRole:roles/storage.objectViewer.
func boundary(scopes []string) []string {
	var roles []string
	for _, s := range scopes {
		if strings.HasPrefix(s, inRole) {
			roles = append(roles, s)
		}
	}
	return roles
}

// narrowBoundary bounds a Google token to roles on named resources. Google's answer does not repeat the boundary; it takes it
// whole or refuses.
func (p *Provider) narrowBoundary(ctx context.Context, c Credential, w Wanted) (Lease, bool, error) {
	type rule struct {
		Resource    string   `json:"availableResource"`
		Permissions []string `json:"availablePermissions"`
	}
	var rules []rule
	for _, resource := range w.Resources {
		rules = append(rules, rule{resource, boundary(w.Scopes)})
	}
	options, err := json.Marshal(map[string]any{"accessBoundary": map[string]any{"accessBoundaryRules": rules}})
	if err != nil {
		return Lease{}, false, p.fail(Misconfigured, "the request cannot be written")
	}
	params := exchanging(c)
	params.Set("options", string(options))
	less, err := p.exchanged(ctx, "", params)
	if err != nil {
		return Lease{}, false, err
	}
	if less.Access.Reveal() == c.Access.Reveal() {
		return p.Lend(c), false, nil
	}
	less.Scopes, less.Resources, less.Kept = boundary(w.Scopes), w.Resources, c.Kept
	if less.ExpiresAt.IsZero() { // it lives as long as what it was made of
		less.ExpiresAt = c.ExpiresAt
	}
	// Asked together with a plain scope, the token cannot do that one, and the boundary is all it can do.
	return p.Lend(less), true, nil
}

func exchanging(c Credential) url.Values {
	return url.Values{
		"grant_type": {grantExchange}, "subject_token": {c.Access.Reveal()}, "subject_token_type": {typeAccess}, "requested_token_type": {typeAccess},
	}
}

func (p *Provider) exchanged(ctx context.Context, auth AuthMethod, params url.Values) (Credential, error) {
	address, failure := p.address(p.manifest.Downscope.URL, nil)
	if failure != nil {
		return Credential{}, failure
	}
	a, failure := p.send(ctx, request{method: http.MethodPost, url: address, params: params, format: "form", auth: auth, repeat: harmless})
	if failure != nil {
		return Credential{}, failure
	}
	if p.refused(a) {
		return Credential{}, p.plainly(a)
	}
	c, ok := p.credential(a, p.manifest.Tokens.Paths, FromExchange)
	if !ok {
		return Credential{}, p.lost(harmless, p.now(), a.status, "an answer without a token that can be used")
	}
	return c, nil
}

func (p *Provider) narrowInstallation(ctx context.Context, c Credential, w Wanted) (Lease, bool, error) {
	less, err := p.Install(ctx, Wanted{Subject: c.Subject, Scopes: w.Scopes, Resources: w.Resources})
	if err != nil {
		return Lease{}, false, err
	}
	extra := slices.ContainsFunc(less.Scopes, func(has string) bool {
		// GitHub adds metadata:read to everything.
		return has != "metadata:read" && !slices.ContainsFunc(w.Scopes, func(wanted string) bool { return permits(wanted, has) })
	})
	elsewhere := len(w.Resources) > 0 && (len(less.Resources) == 0 || slices.ContainsFunc(less.Resources, func(r string) bool { return !slices.Contains(w.Resources, r) }))
	return p.Lend(less), len(less.Scopes) > 0 && (len(w.Scopes) == 0 || !extra) && !elsewhere, nil
}
