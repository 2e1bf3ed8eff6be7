package saml_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

// crewjam's IdP is other people's code that signs with SHA-1: what it makes is
// refused for that, and for nothing else (M4, T29).
func TestCrewjamSignsWithSHA1(t *testing.T) {
	w := newWorld()
	raw := crewjamResponse(t, w)
	document := etree.NewDocument()
	if err := document.ReadFromBytes(raw); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(samltest.RSASHA1)) {
		t.Fatalf("it does not sign with SHA-1 any more: %s", raw)
	}
	_, err := w.verifier.Verify(w.provider, presentation(w, base64.StdEncoding.EncodeToString(raw)))
	refused(t, err, federation.CodeSAMLAlgorithm)
}

// crewjamResponse has crewjam's IdP answer a request of ours.
func crewjamResponse(t *testing.T, w *world) []byte {
	t.Helper()
	at := crewjam.TimeNow
	crewjam.TimeNow = now
	defer func() { crewjam.TimeNow = at }()
	w.provider.Self.Decryption = nil // it would encrypt with CBC
	document, err := w.provider.Document()
	if err != nil {
		t.Fatal(err)
	}
	idp := crewjam.IdentityProvider{
		Key: w.idp.Key, Certificate: w.idp.Certificate, MetadataURL: *parsed(t, w.idp.EntityID), SSOURL: *parsed(t, w.idp.SSO),
		ServiceProviderProvider: ours(document),
	}
	out, departure, err := w.verifier.Depart(w.provider, saml.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	w.departure = &departure
	incoming, err := crewjam.NewIdpAuthnRequest(&idp, httptest.NewRequestWithContext(t.Context(), http.MethodGet, out.URL, http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	if err := incoming.Validate(); err != nil { // our request is good enough for them
		t.Fatal(err)
	}
	if err := (crewjam.DefaultAssertionMaker{}).MakeAssertion(incoming, &crewjam.Session{
		ID: "s", CreateTime: noon, ExpireTime: noon.Add(time.Hour), Index: "1", NameID: "00u1alice", NameIDFormat: saml.NameIDPersistent,
	}); err != nil {
		t.Fatal(err)
	}
	if err := incoming.MakeResponse(); err != nil {
		t.Fatal(err)
	}
	return samltest.Serialize(incoming.ResponseEl)
}

func parsed(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// ours is the one service provider that crewjam's IdP knows.
type ours []byte

func (o ours) GetServiceProvider(*http.Request, string) (*crewjam.EntityDescriptor, error) {
	var e crewjam.EntityDescriptor
	return &e, unmarshal(o, &e)
}

// M5: what crewjam's own service provider lets pass, on the same document, ours does
// not: here a confirmation that is not there.
func TestCrewjamIsNotAsked(t *testing.T) {
	w := newWorld()
	d := w.idp.Draft(w.sp, request)
	d.Remove("SubjectConfirmation")
	at, clock := crewjam.TimeNow, crewjam.Clock
	crewjam.TimeNow, crewjam.Clock = now, dsig.NewFakeClockAt(noon)
	defer func() { crewjam.TimeNow, crewjam.Clock = at, clock }()
	theirs := crewjam.ServiceProvider{
		EntityID: self, AcsURL: *parsed(t, acs),
		IDPMetadata: &crewjam.EntityDescriptor{EntityID: w.idp.EntityID, IDPSSODescriptors: []crewjam.IDPSSODescriptor{{
			SSODescriptor: crewjam.SSODescriptor{RoleDescriptor: crewjam.RoleDescriptor{KeyDescriptors: []crewjam.KeyDescriptor{{
				Use: "signing", KeyInfo: crewjam.KeyInfo{X509Data: crewjam.X509Data{X509Certificates: []crewjam.X509Certificate{{Data: base64.StdEncoding.EncodeToString(w.idp.Certificate.Raw)}}}},
			}}}},
		}}},
	}
	if _, err := theirs.ParseXMLResponse(d.Document(), []string{request}, *parsed(t, acs)); err != nil {
		t.Errorf("crewjam refuses it now: say so in docs/threats.md, M5: %v", private(err))
	}
	_, err := w.verify(d)
	refused(t, err, federation.CodeSAMLElementMissing)
}

func unmarshal(raw []byte, into any) error { return xml.Unmarshal(raw, into) }

func private(err error) error {
	if invalid, ok := errors.AsType[*crewjam.InvalidResponseError](err); ok {
		return invalid.PrivateErr
	}
	return err
}
