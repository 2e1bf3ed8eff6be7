package idptest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

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
