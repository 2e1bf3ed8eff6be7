package idp_test

import (
	"net/url"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/saml"
)

const entraGroups = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"

func startSimpleSAML(t *testing.T, environment ...string) *samlForeign {
	t.Helper()
	ours, theirs := newPair(t), newPair(t)
	key, certificate := theirs.pem(t)
	s := harness.StartSimpleSAML(t, "testdata/simplesamlphp", key, certificate,
		append(environment, "CHANCERY_SELF="+samlSelf, "CHANCERY_CERTIFICATE="+ours.encoded())...)
	f := trust(t, s.URL+"/saml2/idp/metadata.php", samlSelf, ours)
	f.login = func(user string) url.Values { return url.Values{"username": {user}, "password": {s.Password}} }
	return f
}

// People sign in at SimpleSAMLphp: signed as it likes, and encrypted as we demand.
func TestSignInAtSimpleSAML(t *testing.T) {
	for name, environment := range map[string][]string{
		"signed":     {"SIMPLESAMLPHP_SIGN_RESPONSE=yes"},
		"encrypted":  {"SIMPLESAMLPHP_CIPHER=gcm"},
		"rsa-sha512": {"SIMPLESAMLPHP_ALGORITHM=http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"},
	} {
		t.Run(name, func(t *testing.T) {
			startSimpleSAML(t, environment...).suite(t, []string{"notes-editors"})
		})
	}
}

// What it can be set to, and must not be.
func TestSimpleSAMLSetWrong(t *testing.T) {
	for name, test := range map[string]struct {
		environment string
		code        federation.Code
	}{
		"sha1": {"SIMPLESAMLPHP_ALGORITHM=http://www.w3.org/2000/09/xmldsig#rsa-sha1", federation.CodeSAMLAlgorithm},
		"cbc":  {"SIMPLESAMLPHP_CIPHER=cbc", federation.CodeSAMLDecryption},
	} {
		t.Run(name, func(t *testing.T) {
			f := startSimpleSAML(t, test.environment)
			_, err := f.verifier.Verify(f.provider, f.answer(t, newPerson(t), "alice", saml.Ask{}))
			isRefused(t, err, test.code)
		})
	}
}

// Entra's attributes: the object id names the account, groups by their ids, and a
// link instead of more than 150 of them.
func TestSimpleSAMLAsEntra(t *testing.T) {
	f := startSimpleSAML(t)
	f.provider.IdP.Claims.Groups = entraGroups
	f.provider.Attributes.Subject = "http://schemas.microsoft.com/identity/claims/objectidentifier"
	alice := f.signIn(t, "alice", saml.Ask{})
	if g := alice.Groups(); g.State != assertion.GroupsComplete || len(g.Values) != 2 || alice.Identifiers().Subject != "aaaaaaaa-0000-4000-8000-00000000000a" {
		t.Errorf("%+v %+v", g, alice.Identifiers())
	}
	if g := f.signIn(t, "dave", saml.Ask{}).Groups(); g.State != assertion.GroupsOverage || len(g.Values) != 0 {
		t.Errorf("%+v", g)
	}
}
