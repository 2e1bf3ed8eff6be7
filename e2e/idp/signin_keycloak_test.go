package idp_test

import (
	"crypto/rand"
	"net/url"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// People sign in at a real Keycloak, which is told of our client by a realm file.
func signInAtKeycloak(t *testing.T, keycloak *harness.Keycloak) {
	t.Helper()
	p := startPeers(t)
	f := &foreign{
		preset: "keycloak", algorithm: "RS256", scopes: []string{"openid", "profile", "email"}, alice: "5a1d6c0e-0001-4000-8000-0000000a11ce",
		logouts: p.logouts, key: p.key, secret: rand.Text(), reached: "silver", knownScopesOnly: true,
	}
	password := rand.Text()
	keycloak.Import(t, "testdata/signin-realm.json", "CHANCERY_CALLBACK="+returns, "CHANCERY_BACKCHANNEL="+p.backchannel,
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
	t.Run("algorithms", func(t *testing.T) { f.atHashOfEveryAlgorithm(t) })
}

// at_hash is computed there as by us, for each algorithm.
func (f *foreign) atHashOfEveryAlgorithm(t *testing.T) {
	rp := newRelyingParty(t)
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "PS512", "EdDSA"} {
		e := f.entry()
		e.ClientID, e.Algorithms = "chancery-"+algorithm, []string{algorithm}
		signedIn, err := f.signIn(t, rp, e, newPerson(t), oidc.Ask{})
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		if !slices.ContainsFunc(signedIn.Checks(), func(c federation.Check) bool { return c.Name == "at_hash" && c.OK }) || signedIn.Algorithm() != algorithm {
			t.Errorf("%s: no at_hash was compared", algorithm)
		}
	}
}
