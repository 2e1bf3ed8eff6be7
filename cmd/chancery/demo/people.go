package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// peopleSteps are the browser's way: for the many agents, and IdPs, that know no ID-JAG.
func peopleSteps() []step {
	return []step{
		{"browser_sign_in", "An MCP host that nobody registered connects: Alice signs in (OpenID Connect), sees who asks for what, and allows it", browserSignIn},
		{"browser_saml", "The same through the company's SAML: another browser, the same Alice", browserSAML},
		{"browser_step_up", "A risky tool asks for more: Alice proves herself at her IdP, and the tool works", browserStepUp},
		{"refresh", "The token is renewed without her: policy is asked again, and what she proved is no fresher than it was", refreshed},
		{"logout", "Her IdP says that she signed out: the next renewal is refused", logout},
	}
}

func browserSignIn(ctx context.Context, s *show) (notes []string, err error) {
	if s.host, err = s.newHost(idptest.Alice, dev.IdPName); err != nil {
		return nil, err
	}
	if err := s.host.connect(ctx); err != nil {
		return nil, err
	}
	s.host.person = fmt.Sprint(dev.ClaimsOf(s.host.token.AccessToken)["sub"])
	consent, err := s.host.consentPage()
	if err != nil {
		return nil, err
	}
	text, err := s.host.call(ctx, "list_notes", map[string]any{})
	if err != nil {
		return nil, err
	}
	claims := dev.ClaimsOf(s.host.token.AccessToken)
	if claims["client_id"] != s.document || claims["scope"] != dev.ScopeRead || claims["aud"] != s.world.Resource {
		return nil, fmt.Errorf("the token is for client %v, scope %v, resource %v", claims["client_id"], claims["scope"], claims["aud"])
	}
	return []string{
		"the page of consent: " + consent,
		fmt.Sprintf("token: client_id %v (its metadata document), scope %v, sub %v", claims["client_id"], claims["scope"], claims["sub"]),
		"list_notes answered " + text,
	}, nil
}

// quoted is a page's text without what is on all of them.
func quoted(text string) string {
	text, _, _ = strings.Cut(text, " If you need help")
	_, text, _ = strings.Cut(text, dev.CompanyName+" ")
	return text
}

// ready tells whether the host came as far as a session.
func (h *host) ready() error {
	if h == nil || h.session == nil || h.token == nil || h.person == "" {
		return errors.New("nobody signed in before this")
	}
	return nil
}

// consentPage is what the person read before she allowed it, if it said what it must: who asks, for what, as whom.
func (h *host) consentPage() (string, error) {
	for _, text := range h.browser.shown {
		if strings.Contains(text, hostName) && strings.Contains(text, "Read your notes") && strings.Contains(text, "alice@acme.com") {
			return quoted(text), nil
		}
	}
	return "", fmt.Errorf("no page asked her for consent, naming the host, the scope and herself: %q", h.browser.shown)
}

func browserSAML(ctx context.Context, s *show) ([]string, error) {
	if err := s.host.ready(); err != nil {
		return nil, err
	}
	h, err := s.newHost(idptest.Alice, dev.SAMLName)
	if err != nil {
		return nil, err
	}
	if err := h.connect(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = h.session.Close() }()
	if _, err := h.consentPage(); err != nil {
		return nil, err
	}
	text, err := h.call(ctx, "whoami", map[string]any{})
	if err != nil {
		return nil, err
	}
	if sub := dev.ClaimsOf(h.token.AccessToken)["sub"]; sub != s.host.person {
		return nil, fmt.Errorf("by SAML she is %v, by OpenID Connect %v", sub, s.host.person)
	}
	return []string{"two IdP entries, one user", "whoami answered " + text}, nil
}

func browserStepUp(ctx context.Context, s *show) ([]string, error) {
	if err := s.host.ready(); err != nil {
		return nil, err
	}
	if acr := dev.ClaimsOf(s.host.token.AccessToken)["acr"]; acr == dev.StrongSignIn {
		return nil, errors.New("she had signed in strongly before she was asked to")
	}
	unmet, err := s.unmet(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.host.call(ctx, "add_note", map[string]any{"title": "browser", "text": "written after a step-up"}); err != nil {
		return nil, err
	}
	asked := slices.IndexFunc(s.host.browser.shown, func(text string) bool { return strings.Contains(text, "Show again that it is you") })
	claims := dev.ClaimsOf(s.host.token.AccessToken)
	scopes := strings.Fields(fmt.Sprint(claims["scope"]))
	if asked < 0 || claims["acr"] != dev.StrongSignIn || claims["auth_time"] == nil || !slices.Contains(scopes, dev.ScopeWrite) || claims["sub"] != s.host.person {
		return nil, fmt.Errorf("she was asked: %t; the token has acr %v, auth_time %v, scope %v, sub %v", asked >= 0, claims["acr"], claims["auth_time"], claims["scope"], claims["sub"])
	}
	return []string{
		"an IdP that is asked and shows nothing is not believed: " + unmet,
		"the page of the step-up: " + quoted(s.host.browser.shown[asked]),
		fmt.Sprintf("token: acr %v and auth_time as the IdP signed them, scope %v", claims["acr"], claims["scope"]),
		"add_note answered",
	}, nil
}

// unmet asks for the risky scope while her IdP signs her in as it did before, whatever it is asked for.
func (s *show) unmet(ctx context.Context) (string, error) {
	user, err := s.world.IdP.User(idptest.Alice)
	if err != nil {
		return "", err
	}
	set := func(reaches []string) error {
		return s.world.IdP.Update(idptest.Alice, func(u *idptest.User) { u.StepUp = reaches })
	}
	if err := set(nil); err != nil {
		return "", err
	}
	config := *s.host.config
	config.Scopes = []string{dev.ScopeRead, dev.ScopeWrite}
	answer, err := s.host.browser.answer(ctx, config.AuthCodeURL(oauth2.GenerateVerifier(),
		oauth2.S256ChallengeOption(oauth2.GenerateVerifier()), oauth2.SetAuthURLParam("resource", s.world.Resource)), hostPort)
	if err := errors.Join(err, set(user.StepUp)); err != nil {
		return "", err
	}
	if answer.Get("error") != "unmet_authentication_requirements" {
		return "", fmt.Errorf("an IdP that shows nothing: the answer has a code: %t, error %q", answer.Has("code"), answer.Get("error"))
	}
	return answer.Get("error_description"), nil
}

func refreshed(ctx context.Context, s *show) ([]string, error) {
	if err := s.host.ready(); err != nil {
		return nil, err
	}
	before, spent := dev.ClaimsOf(s.host.token.AccessToken), s.host.token.RefreshToken
	renewed, err := s.host.refresh(ctx)
	if err != nil {
		return nil, err
	}
	s.host.token = renewed
	after := dev.ClaimsOf(renewed.AccessToken)
	for _, claim := range []string{"sub", "client_id", "scope", "acr", "auth_time"} {
		if fmt.Sprint(after[claim]) != fmt.Sprint(before[claim]) {
			return nil, fmt.Errorf("%s was %v and is %v", claim, before[claim], after[claim])
		}
	}
	if renewed.RefreshToken == "" || renewed.RefreshToken == spent || after["jti"] == before["jti"] {
		return nil, errors.New("the tokens are those of before")
	}
	session, err := s.agent.connectWith(ctx, renewed.AccessToken)
	if err != nil {
		return nil, fmt.Errorf("the renewed token: %w", err)
	}
	return []string{"a new access token, and a new refresh token in place of the old; acr and auth_time are those of the step-up"}, session.Close()
}

// logout is OpenID Connect Back-Channel Logout 1.0 §2.5, from the side of the IdP.
func logout(ctx context.Context, s *show) ([]string, error) {
	if err := s.host.ready(); err != nil {
		return nil, err
	}
	token, err := s.world.IdP.LogoutToken(idptest.Alice, dev.SignInID)
	if err != nil {
		return nil, err
	}
	target := s.world.Issuer + "/federation/oidc/" + dev.IdPName + "/backchannel_logout"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.agent.http.Do(request)
	if err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the logout was answered %s: %w", response.Status, err)
	}
	_, err = s.host.refresh(ctx)
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case err == nil:
		return nil, errors.New("the refresh token still works")
	case !ok:
		return nil, err
	case refusal.Response.StatusCode != http.StatusBadRequest || refusal.ErrorCode != "invalid_grant" || !strings.HasPrefix(refusal.ErrorDescription, "refresh_token_ended: "):
		return nil, fmt.Errorf("refused with %w, not 400 invalid_grant (refresh_token_ended)", refusal)
	}
	return []string{refusal.ErrorDescription}, nil
}
