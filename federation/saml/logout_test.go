package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what must be refused has to be made
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

const logoutRequest = `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_logout1" Version="2.0" IssueInstant="2026-11-21T12:00:00Z" Destination="` + slo + `"><saml:Issuer>https://idp.example/metadata</saml:Issuer><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">00u1alice</saml:NameID><samlp:SessionIndex>_session1</samlp:SessionIndex></samlp:LogoutRequest>`

// byRedirect signs as the IdP does (SAML bindings §3.4.4.1).
func byRedirect(kind, document, method string, key int) string {
	var b bytes.Buffer
	writer, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(writer, document)
	_ = writer.Close()
	query := kind + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(b.Bytes())) + "&RelayState=r1"
	if method == "" {
		return query
	}
	query += "&SigAlg=" + url.QueryEscape(method)
	sum := sha256.Sum256([]byte(query))
	digest, hash := sum[:], crypto.SHA256
	if method == samltest.RSASHA1 {
		sum := sha1.Sum([]byte(query)) //nolint:gosec // as above
		digest, hash = sum[:], crypto.SHA1
	}
	signature, _ := samltest.RSAKey(key).Sign(rand.Reader, digest, hash)
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
}

func byForm(w *world, document string, sign bool) saml.Incoming {
	tree := etree.NewDocument()
	if err := tree.ReadFromString(document); err != nil {
		panic(err)
	}
	if sign {
		w.idp.Signature().Sign(tree.Root())
	}
	return saml.Incoming{Form: base64.StdEncoding.EncodeToString(samltest.Serialize(tree.Root())), RelayState: "r1"}
}

// signedInside has an enveloped signature, as by POST.
func signedInside(w *world, document string) string {
	raw, err := base64.StdEncoding.DecodeString(byForm(w, document, true).Form)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func TestLogoutRequest(t *testing.T) {
	w := newWorld()
	for name, in := range map[string]saml.Incoming{
		"redirect": {Query: byRedirect("SAMLRequest", logoutRequest, samltest.RSASHA256, 0)},
		"post":     byForm(w, logoutRequest, true),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := w.verifier.VerifyLogoutRequest(w.provider, in)
			if err != nil {
				t.Fatal(err)
			}
			if l.NameID().Value != "00u1alice" || len(l.SessionIndexes()) != 1 || l.Redemption().Key != "saml-logout:_logout1" || l.SubjectID().Member("nameid") != "00u1alice" {
				t.Errorf("%+v %v %+v", l.NameID(), l.SessionIndexes(), l.Redemption())
			}
			out, err := w.verifier.AnswerLogout(l, true)
			if err != nil || !strings.HasPrefix(out.URL, w.idp.SLO+"?SAMLResponse=") || !strings.Contains(out.URL, "&RelayState=r1&SigAlg=") {
				t.Errorf("%s %v", out.URL, err)
			}
		})
	}
}

// T30: gosaml2's GHSA-pcgw, and what is near it.
func TestLogoutRequestRefuses(t *testing.T) {
	w := newWorld()
	signed := byRedirect("SAMLRequest", logoutRequest, samltest.RSASHA256, 0)
	changed := func(old, text string) saml.Incoming {
		return saml.Incoming{Query: byRedirect("SAMLRequest", strings.Replace(logoutRequest, old, text, 1), samltest.RSASHA256, 0)}
	}
	for name, test := range map[string]struct {
		in   saml.Incoming
		code federation.Code
	}{
		"unsigned redirect":          {saml.Incoming{Query: byRedirect("SAMLRequest", logoutRequest, "", 0)}, federation.CodeSAMLUnsigned},
		"unsigned post":              {byForm(w, logoutRequest, false), federation.CodeSAMLUnsigned},
		"signature without method":   {saml.Incoming{Query: strings.Replace(signed, "&SigAlg=", "&Other=", 1)}, federation.CodeSAMLUnsigned},
		"method without signature":   {saml.Incoming{Query: strings.Replace(signed, "&Signature=", "&Other=", 1)}, federation.CodeSAMLUnsigned},
		"empty signature":            {saml.Incoming{Query: signed[:strings.Index(signed, "&Signature=")] + "&Signature="}, federation.CodeSAMLMalformed},
		"forged":                     {saml.Incoming{Query: byRedirect("SAMLRequest", logoutRequest, samltest.RSASHA256, 1)}, federation.CodeSAMLSignatureInvalid},
		"expired certificate":        {saml.Incoming{Query: byRedirect("SAMLRequest", logoutRequest, samltest.RSASHA256, 2)}, federation.CodeSAMLCertificateExpired},
		"sha1":                       {saml.Incoming{Query: byRedirect("SAMLRequest", logoutRequest, samltest.RSASHA1, 0)}, federation.CodeSAMLAlgorithm},
		"relay state swapped":        {saml.Incoming{Query: strings.Replace(signed, "RelayState=r1", "RelayState=r2", 1)}, federation.CodeSAMLSignatureInvalid},
		"relay state taken away":     {saml.Incoming{Query: strings.Replace(signed, "&RelayState=r1", "", 1)}, federation.CodeSAMLSignatureInvalid},
		"request twice":              {saml.Incoming{Query: signed + "&SAMLRequest=x"}, federation.CodeSAMLMalformed},
		"request twice, in disguise": {saml.Incoming{Query: signed + "&SAML%52equest=x"}, federation.CodeSAMLMalformed},
		"relay state twice":          {saml.Incoming{Query: strings.Replace(signed, "RelayState=r1", "RelayState=r1&RelayState=r1", 1)}, federation.CodeSAMLMalformed},
		"signed inside as well":      {saml.Incoming{Query: byRedirect("SAMLRequest", signedInside(w, logoutRequest), samltest.RSASHA256, 0)}, federation.CodeSAMLMalformed},
		"request and response":       {saml.Incoming{Query: signed + "&SAMLResponse=x"}, federation.CodeSAMLMalformed},
		"a response as request":      {saml.Incoming{Query: byRedirect("SAMLResponse", logoutRequest, samltest.RSASHA256, 0)}, federation.CodeSAMLMalformed},
		"another encoding":           {saml.Incoming{Query: signed + "&SAMLEncoding=urn:x"}, federation.CodeSAMLMalformed},
		"not deflated":               {saml.Incoming{Query: "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(logoutRequest)))}, federation.CodeSAMLMalformed},
		"another message":            {changed("samlp:LogoutRequest", "samlp:AuthnRequest"), federation.CodeSAMLMalformed},
		"another issuer":             {changed("https://idp.example/metadata", "https://other.example"), federation.CodeSAMLIssuer},
		"another destination":        {changed(slo, acs), federation.CodeSAMLDestination},
		"no destination":             {changed(` Destination="`+slo+`"`, ""), federation.CodeSAMLElementMissing},
		"old":                        {changed("2026-11-21T12:00:00Z", "2026-11-21T11:50:00Z"), federation.CodeAssertionExpired},
		"over":                       {changed(`Version="2.0"`, `Version="2.0" NotOnOrAfter="2026-11-21T11:59:00Z"`), federation.CodeAssertionExpired},
		"no name":                    {changed("<saml:NameID", "<saml:BaseID"), federation.CodeSAMLMalformed},
		"comment in the name":        {changed("00u1alice", "00u1<!-- -->alice"), federation.CodeSAMLMalformed},
		"transient without session":  {saml.Incoming{Query: byRedirect("SAMLRequest", strings.NewReplacer("persistent", "transient", "<samlp:SessionIndex>_session1</samlp:SessionIndex>", "").Replace(logoutRequest), samltest.RSASHA256, 0)}, federation.CodeSAMLElementMissing},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := w.verifier.VerifyLogoutRequest(w.provider, test.in)
			if l != nil {
				t.Fatal("verified")
			}
			refused(t, err, test.code)
		})
	}
}

// CVE-2023-28119: what inflates without end is cut off.
func TestInflateIsBounded(t *testing.T) {
	w := newWorld()
	query := byRedirect("SAMLRequest", strings.Repeat(" ", 40<<20), "", 0)
	if len(query) > 64<<10 {
		t.Fatalf("a bomb of %d bytes", len(query))
	}
	_, err := w.verifier.VerifyLogoutRequest(w.provider, saml.Incoming{Query: query})
	refused(t, err, federation.CodeSAMLTooLarge)
	_, err = w.verifier.VerifyLogoutRequest(w.provider, saml.Incoming{Query: "SAMLRequest=" + strings.Repeat("A", 70<<10)})
	refused(t, err, federation.CodeSAMLTooLarge)
}

func TestOurLogout(t *testing.T) {
	w := newWorld()
	out, departure, err := w.verifier.RequestLogout(w.provider, saml.NameID{Value: "00u1alice", Format: saml.NameIDPersistent}, "_session1", "r1")
	if err != nil || !strings.Contains(out.URL, "&SigAlg=") || departure.ID == "" {
		t.Fatalf("%v %v", out, err)
	}
	answer := `<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="2026-11-21T12:00:00Z" Destination="` + slo + `" InResponseTo="` + departure.ID + `"><saml:Issuer>https://idp.example/metadata</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status></samlp:LogoutResponse>`
	verify := func(answer string, key int) (bool, error) {
		return w.verifier.VerifyLogoutResponse(w.provider, saml.Incoming{Query: byRedirect("SAMLResponse", answer, samltest.RSASHA256, key)}, departure)
	}
	if partial, err := verify(answer, 0); err != nil || partial {
		t.Errorf("%v %v", partial, err)
	}
	if partial, err := verify(strings.Replace(answer, "Success\"/>", "Success\"><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"/></samlp:StatusCode>", 1), 0); err != nil || !partial {
		t.Errorf("%v %v", partial, err)
	}
	_, err = verify(answer, 1)
	refused(t, err, federation.CodeSAMLSignatureInvalid)
	_, err = verify(strings.Replace(answer, departure.ID, "_other", 1), 0)
	refused(t, err, federation.CodeSAMLInResponseTo)
	_, err = verify(strings.Replace(answer, "status:Success", "status:Responder", 1), 0)
	refused(t, err, federation.CodeSAMLStatus)
}
