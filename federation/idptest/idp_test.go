package idptest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const (
	chancery = "https://auth.acme.example"
	notes    = "https://mcp.acme.example/notes"
	callback = "http://127.0.0.1/callback"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func start(t *testing.T, change ...func(*idptest.Options)) *idptest.Running {
	t.Helper()
	o := idptest.Options{
		Now: func() time.Time { return noon },
		Clients: []idptest.Client{
			{ID: "0oa1claude", Secret: "s+cr/t %", RedirectURIs: []string{callback}, IDs: map[string]string{chancery: "claude"}},
			{ID: "0oa2public", RedirectURIs: []string{callback}},
		},
		Audiences: []idptest.Audience{{Issuer: chancery, Resources: []string{notes}, Scopes: []string{"notes:read", "notes:write"}}},
	}
	for _, f := range change {
		f(&o)
	}
	return idptest.Start(t, o)
}

// signIn takes the code flow as a relying party does.
func signIn(t *testing.T, idp *idptest.Running, more ...oauth2.AuthCodeOption) *oauth2.Token {
	t.Helper()
	config := relyingParty(idp)
	verifier := oauth2.GenerateVerifier()
	answer := authorize(t, config.AuthCodeURL("st4te", append(more, oauth2.S256ChallengeOption(verifier))...))
	if answer.Get("state") != "st4te" || answer.Get("iss") != idp.Issuer() || answer.Get("error") != "" {
		t.Fatalf("authorization response %v", answer)
	}
	token, err := config.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func relyingParty(idp *idptest.Running) *oauth2.Config {
	return &oauth2.Config{
		ClientID: "0oa1claude", ClientSecret: "s+cr/t %", RedirectURL: callback, Scopes: []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: idp.Issuer() + idptest.PathAuthorize, TokenURL: idp.TokenEndpoint()},
	}
}

func authorize(t *testing.T, target string) url.Values {
	t.Helper()
	response := get(t, target)
	location, err := response.Location()
	if err != nil {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("%d without a redirect: %s", response.StatusCode, body)
	}
	return location.Query()
}

func get(t *testing.T, target string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func post(t *testing.T, idp *idptest.Running, form url.Values, header http.Header) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, idp.TokenEndpoint(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be cached")
	}
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// claims verifies a token with the keys that the IdP publishes.
func claims(t *testing.T, idp *idptest.Running, compact, typ string) map[string]any {
	t.Helper()
	response := get(t, idp.KeysURI())
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	keys, warnings, err := jwks.Parse(body)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	message, err := jws.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	if message.Header().Type != typ {
		t.Errorf("typ %q, want %q", message.Header().Type, typ)
	}
	payload, _, err := message.Verify(keys, []string{"ES256"})
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]any{}
	if err := json.Unmarshal(payload, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestSignIn(t *testing.T) {
	idp := start(t)
	token := signIn(t, idp, oauth2.SetAuthURLParam("login_hint", "alice@acme.com"), oauth2.SetAuthURLParam("nonce", "n-1"))
	idToken, _ := token.Extra("id_token").(string)
	got := claims(t, idp, idToken, "jwt")
	for name, want := range map[string]any{
		"iss": idp.Issuer(), "sub": "00u1alice", "aud": "0oa1claude", "nonce": "n-1", "email": "alice@acme.com",
		"auth_time": float64(noon.Unix()), "exp": float64(noon.Add(time.Hour).Unix()),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	config := relyingParty(idp)
	refreshed, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	idToken, _ = refreshed.Extra("id_token").(string)
	if again := claims(t, idp, idToken, "jwt"); again["sub"] != "00u1alice" || again["nonce"] != nil {
		t.Errorf("refreshed %v", again)
	}
}

func TestWhoIsSignedIn(t *testing.T) {
	idp := start(t)
	config := relyingParty(idp)
	challenge := oauth2.S256ChallengeOption(oauth2.GenerateVerifier())
	ask := func(name, value string) string {
		return config.AuthCodeURL("s", challenge, oauth2.SetAuthURLParam(name, value))
	}
	if answer := authorize(t, ask("prompt", "none")); answer.Get("error") != "login_required" {
		t.Errorf("nobody is signed in: %v", answer)
	}
	idp.SignIn(idptest.Bob)
	if answer := authorize(t, ask("prompt", "none")); answer.Get("code") == "" {
		t.Errorf("bob is signed in: %v", answer)
	}
	if answer := authorize(t, ask("login_hint", "nobody")); answer.Get("error") != "login_required" {
		t.Errorf("nobody has that name: %v", answer)
	}
	response := get(t, config.AuthCodeURL("s", challenge))
	page, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK || !strings.Contains(string(page), "login_hint=eve") {
		t.Errorf("page %s", page)
	}
	for name, target := range map[string]string{
		"unknown redirect": strings.Replace(ask("login_hint", "alice"), url.QueryEscape(callback), url.QueryEscape(callback+"/x"), 1),
		"unknown client":   strings.Replace(ask("login_hint", "alice"), "0oa1claude", "nobody", 1),
	} {
		if response := get(t, target); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
	for name, target := range map[string]string{
		"plain challenge":  strings.Replace(ask("login_hint", "alice"), "S256", "plain", 1),
		"implicit":         strings.Replace(ask("login_hint", "alice"), "response_type=code", "response_type=token", 1),
		"public, no proof": idp.Issuer() + "/authorize?response_type=code&client_id=0oa2public&login_hint=alice&redirect_uri=" + url.QueryEscape(callback),
	} {
		if answer := authorize(t, target); answer.Get("error") == "" || answer.Get("code") != "" {
			t.Errorf("%s: %v", name, answer)
		}
	}
}

func TestStepUp(t *testing.T) {
	idp := start(t)
	if err := idp.Update(idptest.Alice, func(u *idptest.User) { u.AuthTime, u.ACR, u.AMR = noon.Add(-time.Hour), "pwd", []string{"pwd"} }); err != nil {
		t.Fatal(err)
	}
	hint := oauth2.SetAuthURLParam("login_hint", "alice")
	for _, test := range []struct {
		name    string
		options []oauth2.AuthCodeOption
		acr     string
		at      time.Time
	}{
		{"plain", nil, "pwd", noon.Add(-time.Hour)},
		{"acr_values", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("acr_values", "x phr")}, "phr", noon},
		{"acr_values out of reach", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("acr_values", "x")}, "pwd", noon.Add(-time.Hour)},
		{"max_age", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("max_age", "300")}, "pwd", noon},
		{"max_age kept", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("max_age", "7200")}, "pwd", noon.Add(-time.Hour)},
		{"prompt=login", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", "login")}, "pwd", noon},
	} {
		t.Run(test.name, func(t *testing.T) {
			idToken, _ := signIn(t, idp, append(test.options, hint)...).Extra("id_token").(string)
			got := claims(t, idp, idToken, "jwt")
			if got["acr"] != test.acr || got["auth_time"] != float64(test.at.Unix()) {
				t.Errorf("acr %v, auth_time %v", got["acr"], got["auth_time"])
			}
			// leg 1 hands on how the person signed in
			status, answer := post(t, idp, exchangeForm(set("subject_token", idToken)), nil)
			if status != http.StatusOK {
				t.Fatal(answer)
			}
			assertion, _ := answer["access_token"].(string)
			if got := claims(t, idp, assertion, "oauth-id-jag+jwt"); got["acr"] != test.acr || got["auth_time"] != float64(test.at.Unix()) {
				t.Errorf("ID-JAG: acr %v, auth_time %v", got["acr"], got["auth_time"])
			}
		})
	}
}

func TestCodeIsGoodOnce(t *testing.T) {
	idp := start(t)
	config := relyingParty(idp)
	verifier := oauth2.GenerateVerifier()
	ask := func() string {
		return authorize(t, config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", "alice"))).Get("code")
	}
	code := ask()
	if _, err := config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"twice": func() error {
			_, err := config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
			return err
		},
		"other verifier": func() error {
			_, err := config.Exchange(t.Context(), ask(), oauth2.VerifierOption(oauth2.GenerateVerifier()))
			return err
		},
		"no verifier": func() error { _, err := config.Exchange(t.Context(), ask()); return err },
		"other redirect": func() error {
			other := *config
			other.RedirectURL = callback + "/x"
			_, err := other.Exchange(t.Context(), ask(), oauth2.VerifierOption(verifier))
			return err
		},
	} {
		if refused, ok := errors.AsType[*oauth2.RetrieveError](try()); !ok || refused.ErrorCode != "invalid_grant" {
			t.Errorf("%s: %v", name, refused)
		}
	}
}

func TestUserinfo(t *testing.T) {
	idp := start(t)
	token := signIn(t, idp, oauth2.SetAuthURLParam("login_hint", "alice"))
	response, err := relyingParty(idp).Client(t.Context(), token).Get(idp.Issuer() + idptest.PathUserinfo)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var info struct {
		Sub string `json:"sub"`
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil || info.Sub != "00u1alice" {
		t.Errorf("got %+v, %v", info, err)
	}
	if response := get(t, idp.Issuer()+idptest.PathUserinfo); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", response.StatusCode)
	}
}
