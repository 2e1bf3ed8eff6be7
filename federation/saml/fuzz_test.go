package saml_test

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

// Whatever is sent: no panic, a refusal with a code, and nobody but alice.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	for _, attack := range append(samltest.Attacks(), samltest.Variations()...) {
		if attack.Section == "T25" {
			continue
		}
		d := w.idp.Draft(w.sp, request)
		attack.Make(d)
		f.Add(d.Document())
	}
	r := registry(f, w)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := w.verifier.Verify(w.provider, presentation(w, base64.StdEncoding.EncodeToString(raw)))
		if s != nil && (s.NameID().Value != "00u1alice" || err != nil) {
			t.Fatalf("signed in as %+v, %v", s.NameID(), err)
		}
		if _, ok := errors.AsType[*federation.Refusal](err); s == nil && !ok {
			t.Fatal(err)
		}
		if b, _ := w.verifier.VerifyBearer(r, bearerRequest(base64.RawURLEncoding.EncodeToString(raw))); b != nil {
			t.Fatal("an assertion for a sign-in became a token")
		}
	})
}

func FuzzLogout(f *testing.F) {
	w := newWorld()
	f.Add(byRedirect("SAMLRequest", logoutRequest, samltest.RSASHA256, 1))
	f.Add("SAMLRequest=&SAMLRequest=")
	f.Fuzz(func(t *testing.T, query string) {
		l, err := w.verifier.VerifyLogoutRequest(w.provider, saml.Incoming{Query: query})
		if l != nil {
			t.Fatal("verified")
		}
		if _, ok := errors.AsType[*federation.Refusal](err); !ok && query != "" {
			t.Fatal(err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	w := newWorld()
	f.Add(w.idp.Metadata())
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := saml.ParseMetadata(raw, saml.Expected{}, noon)
		if err == nil && (m.EntityID == "" || len(m.Certificates) == 0 || len(m.SignOn) == 0) {
			t.Fatalf("%+v", m)
		}
	})
}
