package saml_test

import (
	"compress/flate"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	crewjam "github.com/crewjam/saml"

	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

func TestDepartByRedirect(t *testing.T) {
	w := newWorld()
	out, departure, err := w.verifier.Depart(w.provider, saml.Ask{RelayState: "r1", ForceAuthn: true, Contexts: []string{"urn:a", "urn:b"}})
	if err != nil || out.Form != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(out.URL)
	if err != nil || !strings.HasPrefix(out.URL, w.idp.SSO+"?SAMLRequest=") {
		t.Fatal(out.URL)
	}
	signed, signature, _ := strings.Cut(u.RawQuery, "&Signature=")
	raw, _ := url.QueryUnescape(signature)
	value, _ := base64.StdEncoding.DecodeString(raw)
	if err := w.sp.Certificate.CheckSignature(x509.SHA256WithRSA, []byte(signed), value); err != nil {
		t.Error(err)
	}
	compressed, _ := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	document, err := io.ReadAll(flate.NewReader(strings.NewReader(string(compressed))))
	if err != nil {
		t.Fatal(err)
	}
	var request crewjam.AuthnRequest
	if err := xml.Unmarshal(document, &request); err != nil {
		t.Fatal(err)
	}
	if request.ID != departure.ID || len(request.ID) < 40 || request.Destination != w.idp.SSO || request.AssertionConsumerServiceURL != acs ||
		request.Issuer.Value != self || request.ForceAuthn == nil || !*request.ForceAuthn {
		t.Errorf("%s", document)
	}
	if text := string(document); !strings.Contains(text, `Comparison="exact"><saml:AuthnContextClassRef>urn:a</saml:AuthnContextClassRef><saml:AuthnContextClassRef>urn:b</saml:AuthnContextClassRef>`) {
		t.Error(text)
	}
	if !departure.Forced || departure.Provider != "idp_1" || !departure.At.Equal(noon) || len(departure.Contexts) != 2 {
		t.Errorf("%+v", departure)
	}
	if _, other, err := w.verifier.Depart(w.provider, saml.Ask{}); err != nil || other.ID == departure.ID {
		t.Error("two departures under one id")
	}
}

// What we sign verifies on our own path, RSA and ECDSA.
func TestDepartByPost(t *testing.T) {
	for name, key := range map[string]saml.SigningKey{
		"rsa":   {Signer: samltest.RSAKey(3)},
		"ecdsa": {Signer: samltest.ECKey()},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			key.Certificate = samltest.Certificate(key.Signer, noon, noon.AddDate(1, 0, 0))
			w.provider.Self.Signing = []saml.SigningKey{key}
			out, _, err := w.verifier.Depart(w.provider, saml.Ask{Binding: saml.BindingPOST, RelayState: "r1"})
			if err != nil || out.URL != w.idp.SSO || out.Form["RelayState"] != "r1" {
				t.Fatalf("%v %v", out, err)
			}
			raw, _ := base64.StdEncoding.DecodeString(out.Form["SAMLRequest"])
			if err := saml.VerifyOwn(raw, key.Certificate, noon); err != nil {
				t.Errorf("%v in %s", err, raw)
			}
			if err := saml.VerifyOwn([]byte(strings.Replace(string(raw), acs, slo, 1)), key.Certificate, noon); err == nil {
				t.Error("verifies though it was changed")
			}
		})
	}
}

func TestDepartRefuses(t *testing.T) {
	w := newWorld()
	for name, ask := range map[string]saml.Ask{
		"long relay state":         {RelayState: strings.Repeat("r", 81)},
		"relay state with newline": {RelayState: "a\nb"},
	} {
		if _, _, err := w.verifier.Depart(w.provider, ask); !errors.Is(err, saml.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.provider.SignOn = w.provider.SignOn[:1]
	if _, _, err := w.verifier.Depart(w.provider, saml.Ask{Binding: saml.BindingPOST}); !errors.Is(err, saml.ErrEndpoint) {
		t.Error(err)
	}
}

// ECDSA as XML Signature has it: two numbers side by side.
func TestECDSA(t *testing.T) {
	w := newWorld()
	key := samltest.ECKey()
	w.idp.Key, w.idp.Certificate = key, samltest.Certificate(key, noon, noon.AddDate(1, 0, 0))
	d := w.idp.Draft(w.sp, request)
	if _, err := w.verify(d); err == nil {
		t.Fatal("verified by nobody's certificate")
	}
	w.provider.Certificates = append(w.provider.Certificates, w.idp.Certificate)
	s, err := w.verify(d)
	if err != nil || s.Algorithm() != samltest.ECDSASHA256 {
		t.Fatal(err)
	}
}

// Every pinned certificate counts, so that a rollover needs no moment.
func TestRollover(t *testing.T) {
	w := newWorld()
	old := w.idp.Draft(w.sp, request)
	w.idp.Key, w.idp.Certificate = samltest.RSAKey(1), samltest.Certificate(samltest.RSAKey(1), noon, noon.AddDate(1, 0, 0))
	w.provider.Certificates = append(w.provider.Certificates, w.idp.Certificate)
	for _, d := range []*samltest.Draft{old, w.idp.Draft(w.sp, request)} {
		if _, err := w.verify(d); err != nil {
			t.Error(err)
		}
	}
}

// Our metadata says what is so, in a form that others read.
func TestDocument(t *testing.T) {
	w := newWorld()
	document, err := w.provider.Document()
	if err != nil {
		t.Fatal(err)
	}
	var e crewjam.EntityDescriptor
	if err := xml.Unmarshal(document, &e); err != nil {
		t.Fatal(err)
	}
	role := e.SPSSODescriptors[0]
	if e.EntityID != self || role.AssertionConsumerServices[0].Location != acs || role.AssertionConsumerServices[0].Binding != saml.BindingPOST ||
		len(role.KeyDescriptors) != 2 || len(role.SingleLogoutServices) != 2 || !*role.WantAssertionsSigned || !*role.AuthnRequestsSigned {
		t.Errorf("%s", document)
	}
	text := string(document)
	for _, absent := range []string{"0001-01-01", "cbc", "rsa-1_5", "tripledes", "PRIVATE"} {
		if strings.Contains(text, absent) {
			t.Errorf("%s in %s", absent, text)
		}
	}
	// The same before anything of the IdP is known.
	alone := w.provider.Self
	alone.SignsRequests = true
	if before, err := alone.Document(); err != nil || string(before) != text {
		t.Errorf("%v %s", err, before)
	}
	for name, change := range map[string]func(*saml.ServiceProvider){
		"no entity id": func(s *saml.ServiceProvider) { s.EntityID = "" },
		"no acs":       func(s *saml.ServiceProvider) { s.ACS = "" },
		"no key":       func(s *saml.ServiceProvider) { s.Signing = nil },
	} {
		broken := alone
		if change(&broken); func() error { _, err := broken.Document(); return err }() == nil {
			t.Errorf("%s: a document", name)
		}
	}
	if sum := sha256.Sum256(w.sp.Certificate.Raw); saml.Fingerprint(w.sp.Certificate) != hex.EncodeToString(sum[:]) {
		t.Error("fingerprint")
	}
}
