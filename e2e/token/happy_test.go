package token

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestAssertionBecomesToken(t *testing.T) {
	each(t, "", func(t *testing.T, w *harness.World) {
		signedIn := time.Now().Add(-time.Minute).Unix()
		before := time.Now().Unix()
		a := w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithClaim("auth_time", signedIn), idptest.WithClaim("acr", "phr"), idptest.WithClaim("amr", []string{"hwk"}))).Granted(t)
		if a.TokenType != "Bearer" || a.Scope != "notes:read notes:write" || a.Resource != harness.Notes || a.ExpiresIn != 600 {
			t.Errorf("%s", a.Body)
		}
		if strings.Contains(a.Body, "refresh_token") {
			t.Error("a refresh token for an assertion")
		}
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
			t.Errorf("headers %v", a.Header)
		}
		token := harness.Verify(t, a.AccessToken, w.Server().Get("/.well-known/jwks.json").Body)
		if token.Header["typ"] != "at+jwt" {
			t.Errorf("header %v", token.Header)
		}
		for name, want := range map[string]any{
			"iss": w.Issuer, "aud": harness.Notes, "client_id": harness.ClientID, "scope": "notes:read notes:write", "acr": "phr",
			"auth_time": float64(signedIn), "tenant": "default",
		} {
			if fmt.Sprint(token.Claims[name]) != fmt.Sprint(want) {
				t.Errorf("%s is %v, want %v", name, token.Claims[name], want)
			}
		}
		user, err := w.Server().Admin.Get(t.Context(), "User", "alice")
		if err != nil {
			t.Fatal(err)
		}
		if sub, _ := token.Claims["sub"].(string); sub != user.Metadata.UID || !strings.HasPrefix(sub, "usr_") {
			t.Errorf("sub is %q, want our id %s", sub, user.Metadata.UID)
		}
		issued, _ := token.Claims["iat"].(float64)
		expires, _ := token.Claims["exp"].(float64)
		if int64(issued) < before-1 || int64(expires-issued) != 600 {
			t.Errorf("iat %v, exp %v", token.Claims["iat"], token.Claims["exp"])
		}
		if jti, _ := token.Claims["jti"].(string); jti == "" {
			t.Error("no jti")
		}
		for _, foreign := range []string{"cnf", "act", "email", "groups", "status"} {
			if _, there := token.Claims[foreign]; there {
				t.Errorf("%s is in the token", foreign)
			}
		}
	})
}

// The subject is ours and stays: a second IdP-side name of the person makes no second person.
func TestSubjectIsOurs(t *testing.T) {
	each(t, "", func(t *testing.T, w *harness.World) {
		first := harness.Decode(t, w.Redeem(w.IdP.IDJAG(idptest.Bob)).Granted(t).AccessToken)
		w.Apply(w.Server(), `
apiVersion: chancery/v1
kind: User
metadata: {name: bob}
spec: {email: bob@acme.com, status: active, identities: [{idp: okta, sub: 00u2bob}, {idp: okta, sub: renamed}]}
`)
		again := w.Redeem(w.IdP.IDJAG(idptest.Bob, idptest.WithClaim("sub", "renamed"))).Granted(t)
		if second := harness.Decode(t, again.AccessToken); first.Claims["sub"] != second.Claims["sub"] {
			t.Errorf("%v and %v", first.Claims["sub"], second.Claims["sub"])
		}
		w.Redeem(w.IdP.IDJAG(idptest.Bob, idptest.WithClaim("sub", "00u9nobody"))).Refused(t, http.StatusBadRequest, "invalid_grant", "subject_unmatched")
		user, err := w.Server().Admin.Get(t.Context(), "User", "alice")
		if err != nil {
			t.Fatal(err)
		}
		w.Redeem(w.IdP.IDJAG(idptest.Bob, idptest.WithClaim("aud_sub", user.Metadata.UID))).Refused(t, http.StatusBadRequest, "invalid_grant", "subject_conflict")
	})
}

const richResource = `
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.example/notes
  scopes: {"notes:read": {}, "notes:write": {implies: ["notes:read"]}}
  token: {lifetime: 2m, claims: [groups, email]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
  plan: pro
  environment: production
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  modules:
    notes.rego: |
      package chancery.authz
      decision := {"allow": true, "scopes": input.requested.scopes, "lifetime": 60, "claims": {"team": "notes"}}
`

func TestTokenCarriesWhatIsAskedFor(t *testing.T) {
	each(t, harness.DefaultIdP+harness.DefaultPeople+richResource, func(t *testing.T, w *harness.World) {
		a := w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
		claims := harness.Verify(t, a.AccessToken, w.Server().Get("/.well-known/jwks.json").Body).Claims
		got := fmt.Sprintf("%v %v %v %v %v %v", a.ExpiresIn, claims["groups"], claims["email"], claims["plan"], claims["environment"], claims[w.Issuer+"/claims"])
		if want := "60 [notes-editors] alice@acme.com pro production map[team:notes]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
