package provider

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	longest          = 10 * 365 * 24 * time.Hour
	defaultAssertion = 5 * time.Minute
	longestAssertion = time.Hour
	maxConfig        = 253
)

var (
	nameShape   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	headerShape = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	pathShape   = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,7}$`)
)

func isName(s string) bool { return len(s) <= 63 && nameShape.MatchString(s) }

func contains[T comparable](list []T, one T) bool { return slices.Contains(list, one) }

// ours are the parameters that only the flow itself may set.
func ours() []string {
	return []string{
		"grant_type", "response_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "redirect_uri", "state",
		"code", "code_verifier", "code_challenge", "code_challenge_method", "refresh_token", "assertion", "subject_token", "subject_token_type",
		"actor_token", "actor_token_type", "token", "claims", "request", "request_uri", "username", "password",
	}
}

// Validate says why a manifest cannot be used. It must have its defaults.
func (m Manifest) Validate() error {
	for _, check := range []func() error{m.checkWords, m.checkAddresses, m.checkConfig, m.checkParams, m.checkFlow, m.checkPaths, m.checkRevoke, m.checkProbes} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m Manifest) checkWords() error {
	if !isName(m.Name) {
		return invalid("name: lower-case letters, digits and hyphens")
	}
	if m.Reviewed != "" {
		if _, err := time.Parse(time.DateOnly, m.Reviewed); err != nil {
			return invalid("reviewed: a day like 2026-11-20")
		}
	}
	for _, w := range []struct {
		key, value string
		allowed    []string
	}{
		{"kind", string(m.Kind), []string{string(OAuth2), string(ClientCredentials), string(JWTBearer), string(TokenExchange), string(Static)}},
		{"token_request_auth_method", string(m.TokenRequestAuthMethod), []string{string(AuthBasic), string(AuthPost), string(AuthKey), string(AuthNone)}},
		{"body_format", m.BodyFormat, []string{"form", "json"}},
		{"scope_separator", m.ScopeSeparator, []string{" ", ",", "+"}},
		{"refresh.rotation", string(m.Refresh.Rotation), []string{string(RotationNone), string(SingleUse), string(RotationWindow)}},
		{"expiry.source", string(m.Expiry.Source), []string{string(ExpiresIn), string(IssuedAtTTL), string(JWTExp), string(ExpiresAt), string(NoExpiry)}},
	} {
		if !contains(w.allowed, w.value) {
			return invalid("%s: %q is none of %s", w.key, w.value, strings.Join(w.allowed, ", "))
		}
	}
	return nil
}

func (m Manifest) checkAddresses() error {
	type address struct {
		key, url string
		also     []string
	}
	addresses := []address{{"authorization_url", m.AuthorizationURL, nil}, {"token_url", m.TokenURL, nil}, {"refresh_url", m.RefreshURL, nil}, {"issuer", m.Issuer, nil}}
	if m.Revoke != nil {
		addresses = append(addresses, address{"revoke.url", m.Revoke.URL, []string{"token", "client_id"}})
	}
	if m.Downscope != nil {
		addresses = append(addresses, address{"downscope.url", m.Downscope.URL, nil})
	}
	for key, probe := range map[string]*ProbeRules{"probe.url": m.Probe, "sites.url": m.Sites} {
		if probe != nil {
			addresses = append(addresses, address{key, probe.URL, nil})
		}
	}
	if m.Installation != nil {
		addresses = append(addresses, address{"installation.url", m.Installation.URL, []string{"installation_id"}}, address{"installation.revoke_url", m.Installation.RevokeURL, nil})
	}
	for _, a := range addresses {
		if a.url == "" {
			continue
		}
		if err := checkURL(a.url, m.ConnectionConfig, a.also...); err != nil {
			return invalid("%s: %w", a.key, err)
		}
	}
	return nil
}

func (m Manifest) checkConfig() error {
	for name, rule := range m.ConnectionConfig {
		if !placeholder.MatchString("{" + name + "}") {
			return invalid("connection_config: %q is no name", name)
		}
		pattern, err := whole(rule.Pattern)
		if err != nil || rule.Pattern == "" {
			return invalid("connection_config.%s: a pattern is required, in RE2", name)
		}
		if rule.Default != "" && !pattern.MatchString(rule.Default) {
			return invalid("connection_config.%s: the default does not match the pattern", name)
		}
	}
	return nil
}

// whole anchors a pattern: what it matches is all of a value, never a part.
func whole(pattern string) (*regexp.Regexp, error) { return regexp.Compile(`\A(?:` + pattern + `)\z`) }

func (m Manifest) checkParams() error {
	sets := map[string]map[string]string{"authorization_params": m.AuthorizationParams, "token_params": m.TokenParams, "refresh_params": m.RefreshParams}
	if m.Revoke != nil {
		sets["revoke.params"] = m.Revoke.Params
	}
	for key, params := range sets {
		for name := range params {
			if contains(ours(), strings.ToLower(name)) {
				return invalid("%s: %q is set by the flow, not by a manifest", key, name)
			}
		}
	}
	refused := []string{"authorization", "cookie", "host", "content-type", "content-length", "transfer-encoding", "connection", "proxy-authorization", "accept"}
	for name, value := range m.Headers {
		if !headerName(name) || contains(refused, strings.ToLower(name)) || !printable(value) {
			return invalid("headers: %q is not a manifest's to set", name)
		}
	}
	if !headerName(m.Present.Header) || !headerName(m.Present.Scheme) || !printable(m.Accept) {
		return invalid("present, accept: not the text of a header")
	}
	return nil
}

func headerName(s string) bool { return headerShape.MatchString(s) }

func printable(s string) bool {
	return len(s) <= 1024 && strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}

// checkFlow: a check that would be empty is refused here, and what a kind needs is there.
func (m Manifest) checkFlow() error {
	switch {
	case m.Kind == OAuth2 && (m.AuthorizationURL == "" || m.TokenURL == ""):
		return invalid("kind oauth2 needs authorization_url and token_url")
	case m.Kind != OAuth2 && m.Kind != Static && m.TokenURL == "":
		return invalid("kind %s needs token_url", m.Kind)
	case m.Kind == JWTBearer && m.Assertion == nil:
		return invalid("kind jwt_bearer needs assertion")
	case m.Refresh.Rotation == RotationWindow && m.Refresh.ReuseWindow <= 0:
		return invalid("refresh.rotation reuse_window needs refresh.reuse_window")
	case m.Refresh.Rotation != RotationWindow && m.Refresh.ReuseWindow != 0:
		return invalid("refresh.reuse_window needs refresh.rotation reuse_window")
	case m.Expiry.Source == IssuedAtTTL && m.Expiry.Default <= 0:
		return invalid("expiry.source issued_at+ttl needs expiry.default")
	case m.Expiry.Source == NoExpiry && m.Expiry.Default != 0:
		return invalid("expiry.source none has no expiry.default")
	}
	if d := m.Downscope; d != nil {
		if !contains([]string{"refresh", "token_exchange", "google_access_boundary"}, d.Method) {
			return invalid("downscope.method: refresh, token_exchange or google_access_boundary")
		}
		// A refresh for less would use the token up, and its successor has nowhere to go.
		if d.Method == "refresh" && m.Refresh.Rotation != RotationNone {
			return invalid("downscope.method refresh needs refresh.rotation none")
		}
	}
	if a := m.Assertion; a != nil {
		if !contains([]string{"RS256", "ES256"}, a.Algorithm) || !contains([]string{"claim", "parameter"}, a.ScopeIn) || time.Duration(a.Lifetime) > longestAssertion {
			return invalid("assertion: algorithm RS256 or ES256, scope_in claim or parameter, lifetime at most an hour")
		}
		for name := range a.Claims {
			if contains([]string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "scope"}, name) {
				return invalid("assertion.claims: %q is set by the flow", name)
			}
		}
	}
	return nil
}

func (m Manifest) checkPaths() error {
	paths := slices.Concat(m.Errors.Paths, slices.Collect(maps.Values(m.Tokens.Keep)))
	for _, p := range []*TokenPaths{&m.Tokens.Paths, m.Tokens.RefreshPaths} {
		if p != nil {
			paths = append(paths, p.AccessToken, p.RefreshToken, p.TokenType, p.Scope, p.ExpiresIn, p.ExpiresAt, p.IssuedAt, p.RefreshExpiresIn)
		}
	}
	if c := m.Errors.In200; c != nil {
		paths = append(paths, c.Path)
	}
	if m.Errors.Claims != "" {
		paths = append(paths, m.Errors.Claims)
	}
	for _, p := range paths {
		if !pathShape.MatchString(p) {
			return invalid("%q is no path: names joined by dots", p)
		}
	}
	return m.checkTokensAlone()
}

// checkTokensAlone: where an answer holds a token, nothing else is read. As a scope, an account or something that is kept it
// would rest unsealed, be shown to administrators, or be lent beside the access token.
func (m Manifest) checkTokensAlone() error {
	tokens, read := []string{"access_token", "refresh_token", "id_token"}, slices.Collect(maps.Values(m.Tokens.Keep))
	for _, p := range []*TokenPaths{&m.Tokens.Paths, m.Tokens.RefreshPaths} {
		if p == nil {
			continue
		}
		if p.AccessToken == p.RefreshToken || p.AccessToken == "refresh_token" {
			return invalid("tokens: the refresh token is not what is presented")
		}
		tokens = append(tokens, p.AccessToken, p.RefreshToken)
		read = append(read, p.Scope, p.TokenType)
	}
	if m.Probe != nil && m.Probe.InToken {
		read = append(append(read, m.Probe.ID), m.Probe.Label...)
	}
	for _, path := range read {
		if contains(tokens, path) {
			return invalid("%q holds a token, and nothing else is read there", path)
		}
	}
	return nil
}

func (m Manifest) checkRevoke() error {
	r := m.Revoke
	if r == nil {
		return nil
	}
	for _, w := range []struct {
		value   string
		allowed []string
	}{
		{r.Method, []string{"POST", "DELETE"}},
		{r.Token, []string{"refresh", "access"}},
		{r.Format, []string{"form", "json", "path", ""}},
		{string(r.Auth), []string{string(AuthBasic), string(AuthPost), string(AuthKey), string(AuthNone), string(AuthBearer)}},
	} {
		if !contains(w.allowed, w.value) {
			return invalid("revoke: %q is none of %s", w.value, strings.Join(w.allowed, ", "))
		}
	}
	if r.URL == "" || (r.Format == "path") != strings.Contains(r.URL, "{token}") {
		return invalid("revoke: a url, and {token} in it with format path alone")
	}
	return nil
}

func (m Manifest) checkProbes() error {
	for key, p := range map[string]*ProbeRules{"probe": m.Probe, "sites": m.Sites} {
		if p == nil {
			continue
		}
		if p.ID == "" || p.InToken == (p.URL != "") {
			return invalid("%s: an id, and either in_token or a url", key)
		}
		for _, path := range append([]string{p.ID}, p.Label...) {
			if !pathShape.MatchString(path) {
				return invalid("%s: %q is no path: names joined by dots", key, path)
			}
		}
	}
	return nil
}
