package idp_test

import (
	"crypto/rand"
	"net/url"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// People sign in by SAML at a real Keycloak: signed twice, encrypted as we demand, and
// encrypted as we refuse.
func samlAtKeycloak(t *testing.T, keycloak *harness.Keycloak) {
	t.Helper()
	ours, password := newPair(t), rand.Text()
	keycloak.Import(t, "testdata/saml-realm.json",
		"CHANCERY_SELF="+samlSelf, "CHANCERY_CERTIFICATE="+ours.encoded(), "KEYCLOAK_PASSWORD="+password)
	at := func(t *testing.T, self string) *samlForeign {
		f := trust(t, keycloak.URL+"/realms/saml/protocol/saml/descriptor", self, ours)
		f.login = func(user string) url.Values { return url.Values{"username": {user}, "password": {password}} }
		return f
	}
	t.Run("signed", func(t *testing.T) { at(t, samlSelf).suite(t, []string{"notes-editors"}) })
	t.Run("encrypted", func(t *testing.T) { at(t, samlSelf+"-gcm").suite(t, []string{"notes-editors"}) })
	t.Run("cbc", func(t *testing.T) {
		f := at(t, samlSelf+"-cbc")
		_, err := f.verifier.Verify(f.provider, f.answer(t, newPerson(t), "alice", saml.Ask{}))
		isRefused(t, err, federation.CodeSAMLDecryption)
	})
}
