package idp_test

import (
	"crypto/rand"
	"net/url"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// People sign in at a real Keycloak, which is told of our client by a realm file.
func TestSignInAtKeycloak(t *testing.T) {
	p := startPeers(t)
	f := &foreign{
		preset: "keycloak", algorithm: "RS256", scopes: []string{"openid", "profile", "email"}, alice: "5a1d6c0e-0000-4000-8000-0000000a11ce",
		logouts: p.logouts, key: p.key, secret: rand.Text(), reached: "silver", knownScopesOnly: true,
	}
	password := rand.Text()
	keycloak := harness.StartKeycloak(t, "testdata/signin-realm.json", "", "CHANCERY_CALLBACK="+returns, "CHANCERY_BACKCHANNEL="+p.backchannel,
		"CHANCERY_CLIENT_KEYS="+p.keys, "KEYCLOAK_CLIENT_SECRET="+f.secret, "KEYCLOAK_PASSWORD="+password)
	f.issuer = keycloak.URL + "/realms/signin"
	f.answer = func(p *person, at page) page {
		return p.submit(at, returns, url.Values{"username": {"alice"}, "password": {password}})
	}
	f.confirm = func(p *person, at page) {
		if at.outside == nil {
			t.Errorf("a page where the ID token said who it is: %.300s", at.body)
		}
	}
	f.suite(t)
}
