package saml_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

const (
	issuer   = "https://auth.acme.example"
	endpoint = issuer + "/token"
)

func bearerRequest(encoded string) saml.BearerRequest {
	return saml.BearerRequest{Assertion: encoded, Issuer: issuer, TokenEndpoint: endpoint, ClientID: "claude-1", ClientNames: []string{"claude"}}
}

func registry(t testing.TB, w *world) *saml.Registry {
	r, err := saml.NewRegistry([]*saml.Provider{w.provider})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// RFC 7522 §3, with the audiences of RFC 7523bis.
func TestVerifyBearer(t *testing.T) {
	w := newWorld()
	for name, audience := range map[string]string{"issuer": issuer, "token endpoint": endpoint, "entity id": self} {
		t.Run(name, func(t *testing.T) {
			b, err := w.verifier.VerifyBearer(registry(t, w), bearerRequest(w.idp.Bearer(w.sp, endpoint, audience).EncodedForToken()))
			if err != nil {
				t.Fatal(err)
			}
			if b.Identifiers().Subject != "00u1alice" || b.Redemption().Key != "saml:"+b.ID() || b.ACR() != "pwd" {
				t.Errorf("%+v %+v", b.Identifiers(), b.Redemption())
			}
			if until := b.Redemption().Until; until != b.ExpiresAt().Add(30*time.Second) {
				t.Errorf("redeemable until %s, expires %s", until, b.ExpiresAt())
			}
		})
	}
	t.Run("padded", func(t *testing.T) {
		raw := append(w.idp.Bearer(w.sp, endpoint, issuer).Document(), ' ')
		for len(raw)%3 == 0 {
			raw = append(raw, ' ')
		}
		if _, err := w.verifier.VerifyBearer(registry(t, w), bearerRequest(base64.URLEncoding.EncodeToString(raw))); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("without a statement", func(t *testing.T) {
		d := w.idp.Bearer(w.sp, endpoint, issuer)
		d.Remove("AuthnStatement")
		b, err := w.verifier.VerifyBearer(registry(t, w), bearerRequest(d.EncodedForToken()))
		if err != nil {
			t.Fatal(err)
		}
		if _, known := b.AuthTime(); known || b.ACR() != "" {
			t.Error("a sign-in that nobody spoke of")
		}
	})
}

func TestVerifyBearerRefuses(t *testing.T) {
	set := func(element, attribute, value string) func(*world, *samltest.Draft) {
		return func(_ *world, d *samltest.Draft) { d.Find(element).CreateAttr(attribute, value) }
	}
	for name, test := range map[string]struct {
		change func(*world, *samltest.Draft)
		code   federation.Code
	}{
		"audience of another":   {func(_ *world, d *samltest.Draft) { d.Find("Audience").SetText("https://other.example") }, federation.CodeSAMLAudience},
		"audience with a slash": {func(_ *world, d *samltest.Draft) { d.Find("Audience").SetText(issuer + "/") }, federation.CodeSAMLAudience},
		"audience is the IdP":   {func(w *world, d *samltest.Draft) { d.Find("Audience").SetText(w.idp.EntityID) }, federation.CodeSAMLAudience},
		"for our sign-in":       {set("SubjectConfirmationData", "Recipient", acs), federation.CodeSAMLRecipient},
		"for our issuer":        {set("SubjectConfirmationData", "Recipient", issuer), federation.CodeSAMLRecipient},
		"an answer":             {set("SubjectConfirmationData", "InResponseTo", request), federation.CodeSAMLInResponseTo},
		"holder of key":         {set("SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"), federation.CodeSAMLConfirmation},
		"no confirmation":       {func(_ *world, d *samltest.Draft) { d.Remove("SubjectConfirmation") }, federation.CodeSAMLElementMissing},
		"no conditions":         {func(_ *world, d *samltest.Draft) { d.Remove("Conditions") }, federation.CodeSAMLElementMissing},
		"expired":               {set("Conditions", "NotOnOrAfter", "2026-11-21T11:59:30Z"), federation.CodeAssertionExpired},
		"issued in future":      {func(_ *world, d *samltest.Draft) { d.Assertion.CreateAttr("IssueInstant", "2026-11-21T12:00:31Z") }, federation.CodeClockSkew},
		"issued after its end": {func(_ *world, d *samltest.Draft) {
			d.Assertion.CreateAttr("IssueInstant", "2026-11-21T12:00:20Z")
			d.Find("Conditions").CreateAttr("NotOnOrAfter", "2026-11-21T12:00:20Z")
		}, federation.CodeClockSkew},
		"lives too long":     {func(_ *world, d *samltest.Draft) { d.Assertion.CreateAttr("IssueInstant", "2026-11-21T11:58:59Z") }, federation.CodeAssertionTooLongLived},
		"unsigned":           {func(_ *world, d *samltest.Draft) { d.SignAssertion = false }, federation.CodeSAMLUnsigned},
		"forged":             {func(_ *world, d *samltest.Draft) { d.AssertionSignature.Key = samltest.RSAKey(1) }, federation.CodeSAMLSignatureInvalid},
		"rsa_sha1":           {func(_ *world, d *samltest.Draft) { d.AssertionSignature.Method = samltest.RSASHA1 }, federation.CodeSAMLAlgorithm},
		"a response":         {func(_ *world, d *samltest.Draft) { d.Alone = false }, federation.CodeSAMLMalformed},
		"two assertions":     {func(_ *world, d *samltest.Draft) { d.After = func(root *etree.Element) { root.AddChild(root.Copy()) } }, federation.CodeSAMLMalformed},
		"comment":            {func(_ *world, d *samltest.Draft) { d.Find("NameID").AddChild(etree.NewComment("")) }, federation.CodeSAMLMalformed},
		"transient":          {set("NameID", "Format", saml.NameIDTransient), federation.CodeSAMLNameID},
		"unknown issuer":     {func(_ *world, d *samltest.Draft) { d.Find("Issuer").SetText("https://other.example") }, federation.CodeIssUnknown},
		"no issuer":          {func(_ *world, d *samltest.Draft) { d.Remove("Issuer") }, federation.CodeSAMLSignatureMalformed},
		"disabled":           {func(w *world, _ *samltest.Draft) { w.provider.IdP.Disabled = true }, federation.CodeIssDisabled},
		"profile not listed": {func(w *world, _ *samltest.Draft) { w.provider.IdP.Assertions.Profiles = nil }, federation.CodeProfileNotAllowed},
		"client not listed":  {func(w *world, _ *samltest.Draft) { w.provider.IdP.Assertions.Clients = nil }, federation.CodeIssuerClientDenied},
		"no lifetime":        {func(w *world, _ *samltest.Draft) { w.provider.IdP.Assertions.MaxLifetime = 0 }, federation.CodeAssertionTooLongLived},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			d := w.idp.Bearer(w.sp, endpoint, issuer)
			test.change(w, d)
			b, err := w.verifier.VerifyBearer(registry(t, w), bearerRequest(d.EncodedForToken()))
			if b != nil {
				t.Fatal("verified")
			}
			refused(t, err, test.code)
		})
	}
}

func TestVerifyBearerForm(t *testing.T) {
	w := newWorld()
	good := w.idp.Bearer(w.sp, endpoint, issuer).EncodedForToken()
	for name, encoded := range map[string]string{
		"empty": "", "standard alphabet": "+/+/", "line break": good[:8] + "\n" + good[8:], "padding in the middle": good[:8] + "====" + good[8:], "nonsense": "!!!!",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.verifier.VerifyBearer(registry(t, w), bearerRequest(encoded))
			refused(t, err, federation.CodeSAMLMalformed)
		})
	}
	_, err := w.verifier.VerifyBearer(registry(t, w), bearerRequest(strings.Repeat("A", 1<<20)))
	refused(t, err, federation.CodeSAMLTooLarge)
	for name, change := range map[string]func(*saml.BearerRequest){
		"issuer": func(r *saml.BearerRequest) { r.Issuer = "" }, "token endpoint": func(r *saml.BearerRequest) { r.TokenEndpoint = "" }, "client": func(r *saml.BearerRequest) { r.ClientID = "" },
	} {
		r := bearerRequest(good)
		change(&r)
		if _, err := w.verifier.VerifyBearer(registry(t, w), r); !errors.Is(err, saml.ErrIncomplete) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// Outsiders learn nothing of whom a tenant trusts (T75).
func TestUntrustedLooksTheSameOutside(t *testing.T) {
	for _, code := range []federation.Code{
		federation.CodeIssUnknown, federation.CodeIssDisabled, federation.CodeProfileNotAllowed, federation.CodeSAMLIssuer, federation.CodeSAMLUnsigned,
		federation.CodeSAMLSignatureMalformed, federation.CodeSAMLSignatureInvalid, federation.CodeSAMLAlgorithm, federation.CodeSAMLCertificateExpired, federation.CodeSAMLDecryption,
	} {
		if code.Public() != federation.CodeAssertionUntrusted {
			t.Errorf("%s shows as %s", code, code.Public())
		}
	}
}
