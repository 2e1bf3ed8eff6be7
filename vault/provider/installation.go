package provider

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	appAssertion = 9 * time.Minute // GitHub takes ten at most
	appSkew      = time.Minute
)

var installationID = regexp.MustCompile(`^[0-9]{1,20}$`)

// Install gets a token of an app's installation, signed for with the app's key. Scopes are permission:level; absent, and
// without resources, it can do what the installation can. It may be repeated.
func (p *Provider) Install(ctx context.Context, w Wanted) (Credential, error) {
	rules := p.manifest.Installation
	if rules == nil || p.key == nil || !installationID.MatchString(w.Subject) {
		return Credential{}, ErrUnsupported
	}
	permissions, ok := permissionsOf(w.Scopes)
	if !ok {
		return Credential{}, p.fail(ScopeRefused, "a permission is written name:read, name:write or name:admin")
	}
	claims := p.claims(otherwise(p.settings.AppID, p.settings.ClientID), "", "", appAssertion)
	delete(claims, "sub")
	delete(claims, "aud")
	claims["iat"] = p.now().Add(-appSkew).Unix() // their clock may be behind
	assertion, err := p.key.sign("", claims)
	if err != nil {
		return Credential{}, p.fail(Misconfigured, "the private key does not sign")
	}
	address, failure := p.address(rules.URL, map[string]string{"installation_id": w.Subject})
	if failure != nil {
		return Credential{}, failure
	}
	body, err := json.Marshal(struct {
		Permissions  map[string]string `json:"permissions,omitempty"`
		Repositories []string          `json:"repositories,omitempty"`
	}{permissions, w.Resources})
	if err != nil {
		return Credential{}, p.fail(Misconfigured, "the request cannot be written")
	}
	a, failure := p.send(ctx, request{method: http.MethodPost, url: address, body: body, auth: AuthBearer, bearer: NewSecret(assertion), repeat: harmless})
	if failure != nil {
		return Credential{}, failure
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		return Credential{}, p.refusedApp(a)
	}
	return p.installed(a, w)
}

// refusedApp: the key or the app id (401), the installation (404), or permissions that it does not have (422).
func (p *Provider) refusedApp(a answer) *Error {
	e := &Error{Provider: p.manifest.Name, Status: a.status, RetryAfter: retryAfter(a.header, p.now())}
	switch a.status {
	case http.StatusNotFound, http.StatusGone:
		e.Outcome, e.Reason = Terminal, "the app is not installed there"
	case http.StatusUnprocessableEntity:
		e.Outcome, e.Reason = ScopeRefused, "the installation does not have this"
	case http.StatusForbidden:
		e.Outcome, e.Reason = Terminal, "the installation is suspended, or may not"
	default:
		e.Outcome, e.Reason = Misconfigured, "the app is refused"
	}
	return e
}

func (p *Provider) installed(a answer, w Wanted) (Credential, error) {
	token := words(at(a.body, "token"))
	if !isToken(token) {
		return Credential{}, p.lost(harmless, p.now(), a.status, "an answer without a token that can be used")
	}
	now := p.now().UTC()
	end, err := time.Parse(time.RFC3339, words(at(a.body, "expires_at")))
	if err != nil {
		end = now // refreshed the next time
	}
	c := Credential{Origin: FromInstallation, Access: NewSecret(token), IssuedAt: now, ExpiresAt: end.UTC(), Subject: w.Subject}
	granted, _ := at(a.body, "permissions").(map[string]any)
	for name, level := range granted {
		c.Scopes = append(c.Scopes, name+":"+words(level))
	}
	slices.Sort(c.Scopes)
	repositories, _ := at(a.body, "repositories").([]any)
	for _, r := range repositories {
		c.Resources = append(c.Resources, words(at(r, "name")))
	}
	return c, nil
}

func permissionsOf(scopes []string) (map[string]string, bool) {
	permissions := map[string]string{}
	for _, scope := range scopes {
		name, level, ok := strings.Cut(scope, ":")
		if !ok || name == "" || !slices.Contains([]string{"read", "write", "admin"}, level) {
			return nil, false
		}
		permissions[name] = level
	}
	return permissions, true
}
