package idp_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// The trust entry for a realm whose tokens have our issuer as audience and the groups
// in a claim, and people who are known from another IdP as well.
const keycloakObjects = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: keycloak}
spec:
  preset: keycloak
  issuer: {{keycloak}}/realms/acme
  network: {allow_private_addresses: true}
  assertions:
    profiles: [{{profile}}]
    algorithms: [RS256]
    max_lifetime: 5m
    clients: [claude]
    resources: [notes]
    scopes: [notes:read, notes:write]
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, identities: [{idp: okta, sub: 00u1alice}, {idp: keycloak, sub: 5a1d6c0e-0000-4000-8000-0000000a11ce}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: bob}
spec: {email: bob@acme.com, status: {{bob}}, identities: [{idp: okta, sub: 00u2bob}, {idp: keycloak, sub: 5a1d6c0e-0000-4000-8000-000000000b0b}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: eve}
spec: {email: eve@contractor.example, status: active, identities: [{idp: okta, sub: 00u3eve}, {idp: keycloak, sub: 5a1d6c0e-0000-4000-8000-000000000eee}]}
---
`

// realm is a Keycloak that signs for our server, and who signs in there.
type realm struct {
	*harness.Keycloak
	*harness.World

	secret, password string
}

func startRealm(t *testing.T) *realm {
	t.Helper()
	r := &realm{World: harness.Start(t, harness.Options{Engine: harness.SQLite}), secret: rand.Text(), password: rand.Text()}
	r.Keycloak = harness.StartKeycloak(t, "testdata/acme-realm.json", "",
		"CHANCERY_ISSUER="+r.Issuer, "KEYCLOAK_CLIENT_SECRET="+r.secret, "KEYCLOAK_PASSWORD="+r.password)
	r.apply("jwt-bearer", "active")
	return r
}

// apply makes the objects so, for a profile and a status of bob.
func (r *realm) apply(profile, bob string) {
	objects := strings.NewReplacer("{{keycloak}}", r.URL, "{{profile}}", profile, "{{bob}}", bob).Replace(keycloakObjects)
	r.Apply(r.Server(), objects)
}

// signIn gets an access token of Keycloak for a client of the realm: the assertion.
func (r *realm) signIn(t *testing.T, user, client string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	form := url.Values{"grant_type": {"password"}, "client_id": {client}, "client_secret": {r.secret}, "username": {user}, "password": {r.password}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/realms/acme/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("%s at Keycloak: %d %s %v", user, response.StatusCode, answer.Error, err)
	}
	return answer.AccessToken
}

const atAcme = "claude-at-acme"

// TestKeycloak: one Keycloak, in which each part has a realm of its own.
func TestKeycloak(t *testing.T) {
	r := startRealm(t)
	t.Run("signs for us", r.signsForUs)
	t.Run("OpenID", func(t *testing.T) { signInAtKeycloak(t, r.Keycloak) })
	t.Run("SAML", func(t *testing.T) { samlAtKeycloak(t, r.Keycloak) })
	t.Run("people", func(t *testing.T) { peopleAtKeycloak(t, r.Keycloak) })
}

func (r *realm) signsForUs(t *testing.T) {
	keys := r.Server().Get("/.well-known/jwks.json").Body

	t.Run("alice", func(t *testing.T) {
		assertion := r.signIn(t, "alice", atAcme)
		if alg := harness.Decode(t, assertion).Header["alg"]; alg != "RS256" {
			t.Errorf("Keycloak signs with %v", alg)
		}
		a := r.Redeem(assertion).Granted(t)
		token := harness.Verify(t, a.AccessToken, keys)
		if token.Claims["aud"] != harness.Notes || token.Claims["client_id"] != harness.ClientID || a.Scope != "notes:read notes:write" {
			t.Errorf("granted %q, claims %v", a.Scope, token.Claims)
		}
		// One person, whoever vouches for her: sub is ours, and neither IdP's.
		other := harness.Verify(t, r.Redeem(r.IdP.IDJAG(idptest.Alice)).Granted(t).AccessToken, keys)
		if token.Claims["sub"] != other.Claims["sub"] || token.Claims["sub"] == harness.Decode(t, assertion).Claims["sub"] {
			t.Errorf("sub is %v, and through the other IdP %v", token.Claims["sub"], other.Claims["sub"])
		}
		r.Redeem(assertion).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
	})
	t.Run("bob has what his group has", func(t *testing.T) {
		if a := r.Redeem(r.signIn(t, "bob", atAcme)).Granted(t); a.Scope != "notes:read" {
			t.Errorf("granted %q", a.Scope)
		}
	})
	t.Run("eve is not allowed", func(t *testing.T) {
		r.Redeem(r.signIn(t, "eve", atAcme)).Refused(t, http.StatusBadRequest, "invalid_grant", "policy_denied")
	})
	t.Run("another audience", func(t *testing.T) {
		r.Redeem(r.signIn(t, "alice", "another-at-acme")).Refused(t, http.StatusBadRequest, "invalid_grant", "aud_not_us")
	})
	t.Run("altered", func(t *testing.T) {
		parts := strings.Split(r.signIn(t, "bob", atAcme), ".")
		parts[1] = strings.Split(r.signIn(t, "alice", atAcme), ".")[1]
		r.Redeem(strings.Join(parts, ".")).Refused(t, http.StatusBadRequest, "invalid_grant", "assertion_untrusted")
	})
	t.Run("a refusal uses nothing up", func(t *testing.T) {
		assertion := r.signIn(t, "alice", atAcme)
		r.Redeem(assertion+"x").Refused(t, http.StatusBadRequest, "invalid_grant", "assertion_malformed")
		r.Redeem(assertion).Granted(t)
	})
	t.Run("bob disabled", func(t *testing.T) {
		r.apply("jwt-bearer", "disabled")
		r.Redeem(r.signIn(t, "bob", atAcme)).Refused(t, http.StatusBadRequest, "invalid_grant", "subject_disabled")
	})
	t.Run("the entry lists another profile", func(t *testing.T) {
		r.apply("id-jag", "active")
		r.Redeem(r.signIn(t, "alice", atAcme)).Refused(t, http.StatusBadRequest, "invalid_grant", "typ_missing")
	})
}
