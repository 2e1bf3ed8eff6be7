package idptest_test

import (
	"context"
	"encoding/base64"
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

func exchangeForm(change ...func(url.Values)) url.Values {
	form := url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"requested_token_type": {idptest.TokenTypeIDJAG}, "subject_token_type": {idptest.TokenTypeIDToken},
		"audience": {chancery}, "resource": {notes}, "scope": {"notes:read"}, "code": {""}, // as the Go SDK sends it
		"client_id": {"0oa1claude"}, "client_secret": {"s+cr/t %"},
	}
	for _, f := range change {
		f(form)
	}
	return form
}

func set(name string, values ...string) func(url.Values) {
	return func(form url.Values) { form[name] = values }
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

func TestExchange(t *testing.T) {
	idp := start(t)
	status, answer := post(t, idp, exchangeForm(set("subject_token", idp.IDToken(idptest.Alice, "0oa1claude")), set("scope", "notes:read admin")), nil)
	if status != http.StatusOK || answer["issued_token_type"] != idptest.TokenTypeIDJAG || answer["token_type"] != "N_A" ||
		answer["expires_in"] != float64(300) || answer["scope"] != "notes:read" || answer["refresh_token"] != nil {
		t.Fatalf("%d %v", status, answer)
	}
	assertion, _ := answer["access_token"].(string)
	got := claims(t, idp, assertion, "oauth-id-jag+jwt")
	for name, want := range map[string]any{
		"iss": idp.Issuer(), "sub": "00u1alice", "aud": chancery, "client_id": "claude", "resource": notes, "scope": "notes:read",
		"exp": float64(noon.Add(5 * time.Minute).Unix()), "iat": float64(noon.Unix()), "auth_time": nil, "acr": nil, "cnf": nil,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if jti, _ := got["jti"].(string); jti == "" {
		t.Error("no jti")
	}
	basic := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("0oa1claude:"+url.QueryEscape("s+cr/t %")))}}
	form := exchangeForm(set("subject_token", idp.IDToken(idptest.Alice, "0oa1claude")), func(f url.Values) { f.Del("client_secret") })
	if status, answer = post(t, idp, form, basic); status != http.StatusOK {
		t.Errorf("basic: %v", answer)
	}
	refresh := signIn(t, idp, oauth2.SetAuthURLParam("login_hint", "bob")).RefreshToken
	status, answer = post(t, idp, exchangeForm(set("subject_token", refresh), set("subject_token_type", idptest.TokenTypeRefreshToken)), nil)
	if assertion, _ = answer["access_token"].(string); status != http.StatusOK || claims(t, idp, assertion, "oauth-id-jag+jwt")["sub"] != "00u2bob" {
		t.Errorf("refresh token: %v", answer)
	}
}

func TestExchangeRefuses(t *testing.T) {
	idp := start(t)
	other := start(t)
	valid := idp.IDToken(idptest.Alice, "0oa1claude")
	for _, test := range []struct {
		name   string
		change []func(url.Values)
		status int
		want   string
	}{
		{"wrong secret", []func(url.Values){set("client_secret", "x")}, 401, "invalid_client"},
		{"no secret", []func(url.Values){set("client_secret")}, 401, "invalid_client"},
		{"unknown client", []func(url.Values){set("client_id", "x")}, 401, "invalid_client"},
		{"parameter twice", []func(url.Values){set("audience", chancery, chancery)}, 400, "invalid_request"},
		{"no grant type", []func(url.Values){set("grant_type")}, 400, "invalid_request"},
		{"other grant type", []func(url.Values){set("grant_type", "password")}, 400, "unsupported_grant_type"},
		{"access token asked for", []func(url.Values){set("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")}, 400, "invalid_request"},
		{"actor token", []func(url.Values){set("actor_token", "x")}, 400, "invalid_request"},
		{"no subject token type", []func(url.Values){set("subject_token_type")}, 400, "invalid_request"},
		{"saml", []func(url.Values){set("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")}, 400, "invalid_request"},
		{"no subject token", []func(url.Values){set("subject_token")}, 400, "invalid_grant"},
		{"subject token of another client", []func(url.Values){set("subject_token", idp.IDToken(idptest.Alice, "0oa2public"))}, 400, "invalid_grant"},
		{"subject token of another IdP", []func(url.Values){set("subject_token", other.IDToken(idptest.Alice, "0oa1claude"))}, 400, "invalid_grant"},
		{"expired subject token", []func(url.Values){set("subject_token", idp.IDToken(idptest.Alice, "0oa1claude", idptest.WithClaim("exp", noon.Unix())))}, 400, "invalid_grant"},
		{"ID-JAG as subject token", []func(url.Values){set("subject_token", idp.IDJAG(idptest.Alice, idptest.WithAudience("0oa1claude")))}, 400, "invalid_grant"},
		{"unknown refresh token", []func(url.Values){set("subject_token_type", idptest.TokenTypeRefreshToken), set("subject_token", "x")}, 400, "invalid_grant"},
		{"unknown audience", []func(url.Values){set("audience", "https://other.example")}, 400, "invalid_target"},
		{"audience with a slash", []func(url.Values){set("audience", chancery+"/")}, 400, "invalid_target"},
		{"no audience", []func(url.Values){set("audience")}, 400, "invalid_target"},
		{"resource of another audience", []func(url.Values){set("resource", "https://other.example")}, 400, "invalid_target"},
		{"one resource of two", []func(url.Values){set("resource", notes, "https://other.example")}, 400, "invalid_target"},
		{"scope", []func(url.Values){set("scope", "admin")}, 400, "invalid_scope"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := exchangeForm(append([]func(url.Values){set("subject_token", valid)}, test.change...)...)
			status, answer := post(t, idp, form, nil)
			if status != test.status || answer["error"] != test.want || answer["access_token"] != nil {
				t.Errorf("got %d %v, want %d %s", status, answer, test.status, test.want)
			}
		})
	}
	t.Run("broken proof", func(t *testing.T) {
		_, answer := post(t, idp, exchangeForm(set("subject_token", valid)), http.Header{"Dpop": {"x"}})
		if answer["error"] != "invalid_dpop_proof" {
			t.Errorf("got %v", answer)
		}
	})
	t.Run("two ways of authentication", func(t *testing.T) {
		_, answer := post(t, idp, exchangeForm(set("subject_token", valid)), http.Header{"Authorization": {"Basic YTpi"}})
		if answer["error"] != "invalid_request" {
			t.Errorf("got %v", answer)
		}
	})
}

func TestExchangeBindsToTheProof(t *testing.T) {
	idp := start(t)
	key, err := idptest.NewKey("", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	prove := func(target string) http.Header {
		jwk := key.JWK()
		delete(jwk, "kid")
		header, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})
		if err != nil {
			t.Fatal(err)
		}
		proof, err := jws.SignHeader("ES256", header, key.Signer, map[string]any{"htm": "POST", "htu": target, "iat": noon.Unix(), "jti": "p-1"})
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"Dpop": {proof}}
	}
	form := exchangeForm(set("subject_token", idp.IDToken(idptest.Alice, "0oa1claude")))
	status, answer := post(t, idp, form, prove(idp.TokenEndpoint()))
	if status != http.StatusOK {
		t.Fatal(answer)
	}
	want, err := jwks.Thumbprint(key.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	assertion, _ := answer["access_token"].(string)
	cnf, _ := claims(t, idp, assertion, "oauth-id-jag+jwt")["cnf"].(map[string]any)
	if cnf["jkt"] != want || len(cnf) != 1 {
		t.Errorf("cnf %v, want jkt %s", cnf, want)
	}
	if _, answer = post(t, idp, form, prove(idp.Issuer()+"/elsewhere")); answer["error"] != "invalid_dpop_proof" {
		t.Errorf("got %v", answer)
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

func TestBreak(t *testing.T) {
	idp := start(t)
	exchange := func() map[string]any {
		_, answer := post(t, idp, exchangeForm(set("subject_token", idp.IDToken(idptest.Alice, "0oa1claude"))), nil)
		assertion, _ := answer["access_token"].(string)
		return claims(t, idp, assertion, "oauth-id-jag+jwt")
	}
	if err := idp.Break("aud_trailing_slash"); err != nil {
		t.Fatal(err)
	}
	if got := exchange(); got["aud"] != chancery+"/" {
		t.Errorf("aud %v", got["aud"])
	}
	idp.Mend()
	if got := exchange(); got["aud"] != chancery {
		t.Errorf("aud %v", got["aud"])
	}
	if err := idp.Break("nothing"); err == nil {
		t.Error("an unknown name was taken")
	}
}

func TestRotateAndFail(t *testing.T) {
	idp := start(t)
	count := func() int {
		set, _, err := jwks.Parse(idp.Keys())
		if err != nil {
			t.Fatal(err)
		}
		return len(set)
	}
	if kid, err := idp.Rotate(true); err != nil || kid != "key-2" || count() != 2 {
		t.Errorf("%s, %v, %d keys", kid, err, count())
	}
	if kid, err := idp.Rotate(false); err != nil || kid != "key-3" || count() != 1 || idp.SigningKey().ID != kid {
		t.Errorf("%s, %v, %d keys", kid, err, count())
	}
	for fault, status := range map[idptest.Fault]int{
		idptest.FaultDown: 503, idptest.FaultHTML: 200, idptest.FaultEmpty: 200, idptest.FaultHuge: 200, idptest.FaultRedirect: 302, idptest.FaultGarbage: 200, "": 200,
	} {
		idp.Fail(idptest.PathKeys, fault)
		if response := get(t, idp.KeysURI()); response.StatusCode != status {
			t.Errorf("%s: %d", fault, response.StatusCode)
		}
	}
	if n := idp.Requests(idptest.PathKeys); n != 7 {
		t.Errorf("%d requests counted", n)
	}
	idp.Fail(idptest.PathKeys, idptest.FaultSlow)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, idp.KeysURI(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Error("a slow endpoint answered")
	}
}

func TestMint(t *testing.T) {
	idp := start(t, func(o *idptest.Options) { o.OmitGroups = true })
	if err := idp.Update(idptest.Alice, func(u *idptest.User) {
		u.Tenant, u.Claims, u.AuthTime = "acme-eu", map[string]any{"department": "research"}, noon
	}); err != nil {
		t.Fatal(err)
	}
	got := claims(t, idp, idp.IDJAG(idptest.Alice, idptest.WithResource(notes, notes+"/2"), idptest.WithoutClaim("email")), "oauth-id-jag+jwt")
	resources, _ := got["resource"].([]any)
	if got["client_id"] != "claude" || got["groups"] != nil || got["tenant"] != "acme-eu" || got["department"] != "research" ||
		got["auth_time"] != float64(noon.Unix()) || len(resources) != 2 || got["email"] != nil || got["scope"] != "notes:read notes:write" {
		t.Errorf("got %v", got)
	}
	if groups, _ := claims(t, idp, idp.IDToken(idptest.Bob, "x"), "jwt")["groups"].([]any); len(groups) != 1 || groups[0] != idptest.GroupReaders {
		t.Errorf("groups %v", groups)
	}
	if _, err := idp.IdP.IDJAG("nobody"); !errors.Is(err, idptest.ErrUnknownUser) {
		t.Errorf("got %v", err)
	}
	compact, err := idp.Sign(map[string]any{"typ": "at+jwt"}, map[string]any{"sub": "x"})
	if err != nil || claims(t, idp, compact, "at+jwt")["sub"] != "x" {
		t.Errorf("got %v", err)
	}
	idp.AddAudience(idptest.Audience{Issuer: "https://second.example"})
	idp.AddClient(idptest.Client{ID: "late"})
	if token := idp.IDToken(idptest.Eve, "late"); token == "" {
		t.Error("no token")
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

func TestNewRefuses(t *testing.T) {
	for _, o := range []idptest.Options{{}, {Issuer: "https://idp.example/"}, {Issuer: "idp"}, {Issuer: "https://idp.example", Algorithm: "HS256"}} {
		if _, err := idptest.New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
