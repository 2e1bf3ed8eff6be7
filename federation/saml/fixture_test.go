package saml_test

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func now() time.Time { return noon }

const (
	self    = "https://auth.acme.example/federation/saml/idp/metadata"
	acs     = "https://auth.acme.example/federation/saml/idp/acs"
	slo     = "https://auth.acme.example/federation/saml/idp/slo"
	request = "_request1"
)

// world is one IdP, and us as it knows us.
type world struct {
	idp       *samltest.IdP
	sp        samltest.SP
	provider  *saml.Provider
	verifier  *saml.Verifier
	departure *saml.Departure
}

func newWorld() *world {
	idp := samltest.New(now)
	key := samltest.RSAKey(3)
	certificate := samltest.Certificate(key, noon, noon.AddDate(1, 0, 0))
	expired := samltest.Certificate(samltest.RSAKey(2), noon.AddDate(-2, 0, 0), noon.AddDate(-1, 0, 0))
	return &world{
		idp: idp,
		sp:  samltest.SP{EntityID: self, ACS: acs, SLO: slo, Certificate: certificate},
		provider: &saml.Provider{
			IdP: &federation.IdentityProvider{
				UID: "idp_1", Name: "acme-saml", Issuer: idp.EntityID,
				Assertions: federation.AssertionRules{
					Profiles: []federation.Profile{federation.ProfileSAML2Bearer}, ClockSkew: 30 * time.Second, MaxLifetime: 5 * time.Minute,
					Clients: []string{"claude"}, SAMLEntityIDs: []string{idp.EntityID},
				},
				Subject: federation.SubjectRules{Match: []federation.MatchBy{federation.MatchSubjectID, federation.MatchSubject}, Provision: true},
				Claims:  federation.ClaimRules{Groups: "groups", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim}},
			},
			EntityID: idp.EntityID, Certificates: []*x509.Certificate{expired, idp.Certificate},
			SignOn: []saml.Endpoint{{Binding: saml.BindingRedirect, Location: idp.SSO}, {Binding: saml.BindingPOST, Location: idp.SSO}},
			Logout: []saml.Endpoint{{Binding: saml.BindingRedirect, Location: idp.SLO}},
			Self: saml.ServiceProvider{
				EntityID: self, ACS: acs, SLO: slo,
				Signing:    []saml.SigningKey{{Certificate: certificate, Signer: key}},
				Decryption: []saml.DecryptionKey{{Certificate: certificate, Decrypter: key}},
			},
			Attributes:   saml.AttributeNames{Email: "email", Tenant: "tenantid"},
			ACR:          map[string]string{"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport": "pwd"},
			SignRequests: true,
		},
		verifier:  &saml.Verifier{Now: now},
		departure: &saml.Departure{ID: request, Provider: "idp_1", At: noon.Add(-10 * time.Second)},
	}
}

func (w *world) verify(d *samltest.Draft) (*saml.SignIn, error) {
	return w.verifier.Verify(w.provider, saml.Presented{Response: d.Encoded(), Departure: w.departure})
}

// refused tells whether an error is a refusal with just this code.
func refused(t *testing.T, err error, code federation.Code) {
	t.Helper()
	refusal, ok := errors.AsType[*federation.Refusal](err)
	switch {
	case !ok:
		t.Fatalf("answered %v, not a refusal of %s", err, code)
	case refusal.Code != code:
		t.Fatalf("refused with %s (%v), expected %s", refusal.Code, refusal, code)
	case len(refusal.Checks) == 0 || refusal.Checks[len(refusal.Checks)-1].OK:
		t.Fatal("the trail does not end in the failure")
	}
}
