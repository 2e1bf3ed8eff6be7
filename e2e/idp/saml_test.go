package idp_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/saml"
)

// samlSelf is the folder of our endpoints at a SAML IdP of a test; nobody goes there.
const samlSelf = "https://auth.acme.example/federation/saml/foreign"

// pair is a key with its certificate.
type pair struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
}

func newPair(t *testing.T) pair {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "saml"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, certificate}
}

func (p pair) encoded() string { return base64.StdEncoding.EncodeToString(p.certificate.Raw) }

func (p pair) pem(t *testing.T) (key, certificate []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Raw})
}

// samlForeign is a SAML IdP that nobody here wrote.
type samlForeign struct {
	verifier *saml.Verifier
	provider *saml.Provider
	// login has the fields of its form.
	login func(user string) url.Values
}

// trust makes an IdP's own metadata into an entry.
func trust(t *testing.T, metadata, self string, ours pair) *samlForeign {
	t.Helper()
	verifier := &saml.Verifier{Now: time.Now}
	m, err := verifier.FetchMetadata(t.Context(), fetch.New(fetch.Policy{Mode: "allow"}), metadata, fetch.Network{AllowPrivateAddresses: true}, saml.Expected{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	return &samlForeign{verifier: verifier, provider: &saml.Provider{
		IdP: &federation.IdentityProvider{
			UID: "idp_foreign", Name: "foreign", Issuer: m.EntityID,
			Assertions: federation.AssertionRules{ClockSkew: 30 * time.Second, SAMLEntityIDs: []string{m.EntityID}},
			Claims:     federation.ClaimRules{Groups: "groups", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim}},
		},
		EntityID: m.EntityID, Certificates: m.Certificates, SignOn: m.SignOn, Logout: m.Logout, SignRequests: true, Loopback: true,
		Self: saml.ServiceProvider{
			EntityID: self + "/metadata", ACS: self + "/acs", SLO: self + "/slo",
			Signing:    []saml.SigningKey{{Certificate: ours.certificate, Signer: ours.key}},
			Decryption: []saml.DecryptionKey{{Certificate: ours.certificate, Decrypter: ours.key}},
		},
		Attributes: saml.AttributeNames{Email: "email"},
	}}
}

// answer takes a person through the IdP's pages to the form that would be posted to us.
func (f *samlForeign) answer(t *testing.T, p *person, user string, ask saml.Ask) saml.Presented {
	t.Helper()
	out, departure, err := f.verifier.Depart(f.provider, ask)
	if err != nil {
		t.Fatal(err)
	}
	method, form := http.MethodGet, url.Values(nil)
	if out.Form != nil {
		method, form = http.MethodPost, url.Values{}
		for name, value := range out.Form {
			form.Set(name, value)
		}
	}
	at := p.visit(method, out.URL, form, samlSelf)
	for range 3 { // a page to sign in, and pages that post themselves
		target, fields := p.form(at)
		if target == f.provider.Self.ACS {
			if fields.Get("RelayState") != ask.RelayState {
				t.Errorf("RelayState came back as %q", fields.Get("RelayState"))
			}
			return saml.Presented{Response: fields.Get("SAMLResponse"), Departure: &departure}
		}
		at = p.submit(at, samlSelf, f.login(user))
	}
	t.Fatalf("no way back from %s: %.600s", at.at, at.body)
	return saml.Presented{}
}

func (f *samlForeign) signIn(t *testing.T, user string, ask saml.Ask) *saml.SignIn {
	t.Helper()
	s, err := f.verifier.Verify(f.provider, f.answer(t, newPerson(t), user, ask))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// suite runs over every SAML IdP.
func (f *samlForeign) suite(t *testing.T, wantsGroups []string) {
	t.Helper()
	for _, binding := range []string{saml.BindingRedirect, saml.BindingPOST} {
		t.Run("alice by "+binding[strings.LastIndex(binding, ":")+1:], func(t *testing.T) {
			s := f.signIn(t, "alice", saml.Ask{Binding: binding, RelayState: "r1"})
			groups := s.Groups()
			slices.Sort(groups.Values)
			if s.Identifiers().SubID.IsZero() || s.Identifiers().Email != "alice@acme.com" || groups.State != assertion.GroupsComplete || !slices.Equal(groups.Values, wantsGroups) {
				t.Errorf("%+v %+v", s.Identifiers(), groups)
			}
			at, known := s.AuthTime()
			if !known || time.Since(at) > time.Minute || s.SessionIndex() == "" || s.AuthnContext() == "" || s.Unsolicited() {
				t.Errorf("%s %v %q %q", at, known, s.SessionIndex(), s.AuthnContext())
			}
		})
	}
	t.Run("one name each time", func(t *testing.T) {
		one, two := f.signIn(t, "alice", saml.Ask{}), f.signIn(t, "alice", saml.Ask{})
		if one.Identifiers().SubID.Canonical() != two.Identifiers().SubID.Canonical() || one.Redemptions()[0].Key == two.Redemptions()[0].Key {
			t.Errorf("%s %s", one.Identifiers().SubID.Canonical(), two.Identifiers().SubID.Canonical())
		}
	})
	t.Run("forced", func(t *testing.T) {
		p := newPerson(t)
		f.answer(t, p, "alice", saml.Ask{})
		if _, err := f.verifier.Verify(f.provider, f.answer(t, p, "alice", saml.Ask{ForceAuthn: true})); err != nil {
			t.Error(err)
		}
	})
	in := f.answer(t, newPerson(t), "alice", saml.Ask{})
	t.Run("a context that it does not reach", func(t *testing.T) {
		stepped := in
		departure := *in.Departure
		departure.Contexts = []string{"https://refeds.org/profile/mfa"}
		stepped.Departure = &departure
		_, err := f.verifier.Verify(f.provider, stepped)
		isRefused(t, err, federation.CodeSAMLAuthnContext)
	})
	t.Run("another session", func(t *testing.T) {
		_, err := f.verifier.Verify(f.provider, saml.Presented{Response: in.Response, Departure: &saml.Departure{ID: "_x", Provider: "idp_foreign"}})
		isRefused(t, err, federation.CodeSAMLInResponseTo)
	})
	t.Run("another service provider", func(t *testing.T) {
		other := *f.provider
		other.Self.EntityID += "2"
		_, err := f.verifier.Verify(&other, in)
		isRefused(t, err, federation.CodeSAMLAudience)
	})
	t.Run("another certificate", func(t *testing.T) {
		other := *f.provider
		other.Certificates = []*x509.Certificate{newPair(t).certificate}
		_, err := f.verifier.Verify(&other, in)
		isRefused(t, err, federation.CodeSAMLSignatureInvalid)
	})
	t.Run("logout", func(t *testing.T) { f.logOut(t) })
}

// logOut ends a session at the IdP by our request, and verifies its answer.
func (f *samlForeign) logOut(t *testing.T) {
	t.Helper()
	p := newPerson(t)
	s, err := f.verifier.Verify(f.provider, f.answer(t, p, "alice", saml.Ask{}))
	if err != nil {
		t.Fatal(err)
	}
	out, departure, err := f.verifier.RequestLogout(f.provider, s.NameID(), s.SessionIndex(), "r2")
	if err != nil {
		t.Fatal(err)
	}
	at := p.visit(http.MethodGet, out.URL, nil, samlSelf)
	in := saml.Incoming{}
	if at.outside != nil {
		in.Query = at.outside.RawQuery
	} else {
		_, fields := p.form(at)
		in.Form, in.RelayState = fields.Get("SAMLResponse"), fields.Get("RelayState")
	}
	if partial, err := f.verifier.VerifyLogoutResponse(f.provider, in, departure); err != nil || partial {
		t.Errorf("%v %v", partial, err)
	}
	departure.ID = "_other"
	_, err = f.verifier.VerifyLogoutResponse(f.provider, in, departure)
	isRefused(t, err, federation.CodeSAMLInResponseTo)
}

func isRefused(t *testing.T, err error, code federation.Code) {
	t.Helper()
	if refusal, ok := errors.AsType[*federation.Refusal](err); !ok || refusal.Code != code {
		t.Errorf("answered %v, expected %s", err, code)
	}
}
