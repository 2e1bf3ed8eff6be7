package saml_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

func TestParseMetadata(t *testing.T) {
	w := newWorld()
	second := samltest.Certificate(samltest.RSAKey(1), noon, noon.AddDate(2, 0, 0))
	raw := w.idp.Metadata(second, w.idp.Certificate)
	for name, raw := range map[string][]byte{
		"as it is":               raw,
		"with a byte order mark": append([]byte("\xef\xbb\xbf"), raw...),
		"in an aggregate of one": fmt.Appendf(nil, `<m:EntitiesDescriptor xmlns:m="urn:oasis:names:tc:SAML:2.0:metadata">%s</m:EntitiesDescriptor>`, raw[bytes.Index(raw, []byte("<md:")):]),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := saml.ParseMetadata(raw, saml.Expected{}, noon)
			if err != nil {
				t.Fatal(err)
			}
			if m.EntityID != w.idp.EntityID || len(m.Certificates) != 2 || len(m.SignOn) != 2 || len(m.Logout) != 1 || !m.WantsSigned || m.Signed {
				t.Errorf("%+v", m)
			}
			if len(m.Ignored) != 1 || !strings.Contains(m.Ignored[0], "SOAP") {
				t.Errorf("ignored %v", m.Ignored)
			}
		})
	}
}

// T31, CVE-2023-45683, and what describes nobody.
func TestParseMetadataRefuses(t *testing.T) {
	w := newWorld()
	weakKey, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // what must be refused has to be made
	if err != nil {
		t.Fatal(err)
	}
	weak := *w.idp
	weak.Certificate = samltest.Certificate(weakKey, noon, noon.AddDate(1, 0, 0))
	good := string(w.idp.Metadata())
	place := func(location string) string { return strings.Replace(good, w.idp.SSO, location, 1) }
	other := federation.CodeSAMLMetadata
	bad := federation.CodeSAMLMetadataEndpoint
	for name, test := range map[string]struct {
		raw  string
		code federation.Code
	}{
		"javascript":             {place("javascript:alert(1)"), bad},
		"javascript, upper":      {place("JavaScript:alert(1)"), bad},
		"javascript with host":   {place("javascript://idp.example/%0aalert(1)"), bad},
		"data":                   {place("data:text/html,x"), bad},
		"plain http":             {place("http://idp.example/sso"), bad},
		"loopback":               {place("http://127.0.0.1/sso"), bad},
		"relative":               {place("/sso"), bad},
		"no scheme":              {place("//idp.example/sso"), bad},
		"user":                   {place("https://a@idp.example/sso"), bad},
		"fragment":               {place("https://idp.example/sso#a"), bad},
		"empty":                  {place(""), bad},
		"space":                  {place(" https://idp.example/sso"), bad},
		"logout by javascript":   {strings.Replace(good, w.idp.SLO, "javascript:alert(1)", 1), bad},
		"doctype":                {"<!DOCTYPE x>" + good[strings.Index(good, "<md:"):], other},
		"comment":                {strings.Replace(good, "<md:IDPSSO", "<!-- x --><md:IDPSSO", 1), other},
		"nonsense":               {"hello", other},
		"html":                   {"<html><body/></html>", other},
		"no entity id":           {strings.Replace(good, ` entityID="https://idp.example/metadata"`, "", 1), other},
		"a service provider":     {strings.ReplaceAll(good, "IDPSSODescriptor", "SPSSODescriptor"), other},
		"weak key":               {string(weak.Metadata()), other},
		"no certificate":         {strings.ReplaceAll(good, `use="signing"`, `use="encryption"`), other},
		"certificate of letters": {strings.Replace(good, "<ds:X509Certificate>M", "<ds:X509Certificate>!", 1), other},
		"no sign-on":             {strings.ReplaceAll(good, "HTTP-", "NONE-"), other},
		"over":                   {strings.Replace(good, `ID="_meta"`, `ID="_meta" validUntil="2026-11-21T12:00:00Z"`, 1), other},
		"two IdPs":               {`<m:EntitiesDescriptor xmlns:m="urn:oasis:names:tc:SAML:2.0:metadata">` + strings.Repeat(strings.Replace(good[strings.Index(good, "<md:"):], ` ID="_meta"`, "", 1), 2) + `</m:EntitiesDescriptor>`, other},
		"huge":                   {good + strings.Repeat(" ", 600<<10), other},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := saml.ParseMetadata([]byte(test.raw), saml.Expected{}, noon)
			refused(t, err, test.code)
		})
	}
	_, err = saml.ParseMetadata([]byte(good), saml.Expected{EntityID: "https://other.example"}, noon)
	refused(t, err, other)
}

func TestSignedMetadata(t *testing.T) {
	w := newWorld()
	document := etree.NewDocument()
	if err := document.ReadFromBytes(w.idp.Metadata()); err != nil {
		t.Fatal(err)
	}
	pinned := saml.Expected{Signers: []*x509.Certificate{w.idp.Certificate}}
	_, err := saml.ParseMetadata(samltest.Serialize(document.Root()), pinned, noon)
	refused(t, err, federation.CodeSAMLMetadata)

	w.idp.Signature().Sign(document.Root())
	signed := samltest.Serialize(document.Root())
	m, err := saml.ParseMetadata(signed, pinned, noon)
	if err != nil || !m.Signed {
		t.Fatalf("%+v %v", m, err)
	}
	_, err = saml.ParseMetadata(bytes.Replace(signed, []byte(w.idp.SSO), []byte("https://evil.example/sso"), 1), pinned, noon)
	refused(t, err, federation.CodeSAMLMetadata)
	_, err = saml.ParseMetadata(signed, saml.Expected{Signers: []*x509.Certificate{w.sp.Certificate}}, noon)
	refused(t, err, federation.CodeSAMLMetadata)
}

type page struct {
	body []byte
	err  error
}

func (p page) Get(context.Context, string, fetch.Network, fetch.Limit) (fetch.Response, error) {
	return fetch.Response{Status: 200, Body: p.body}, p.err
}

// T31: what lets somebody else speak waits for a person.
func TestRefresh(t *testing.T) {
	w := newWorld()
	current, err := saml.ParseMetadata(w.idp.Metadata(), saml.Expected{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	second := samltest.Certificate(samltest.RSAKey(1), noon, noon.AddDate(2, 0, 0))
	refresh := func(body []byte) (saml.Refresh, error) {
		return w.verifier.Refresh(t.Context(), page{body: body}, "https://idp.example/metadata", fetch.Network{}, current, nil)
	}
	for name, test := range map[string]struct {
		body     []byte
		changes  int
		approval bool
	}{
		"nothing":        {w.idp.Metadata(), 0, false},
		"a key more":     {w.idp.Metadata(second), 1, true},
		"sign-on moves":  {bytes.ReplaceAll(w.idp.Metadata(), []byte(w.idp.SSO), []byte("https://idp.example/sso2")), 1, true},
		"logout moves":   {bytes.ReplaceAll(w.idp.Metadata(), []byte(w.idp.SLO), []byte("https://idp.example/slo2")), 1, true},
		"wants unsigned": {bytes.Replace(w.idp.Metadata(), []byte(`WantAuthnRequestsSigned="true"`), nil, 1), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := refresh(test.body)
			if err != nil || len(r.Changes) != test.changes || r.NeedsApproval() != test.approval {
				t.Errorf("%+v %v", r.Changes, err)
			}
		})
	}
	current.Certificates = append(current.Certificates, second)
	if r, err := refresh(w.idp.Metadata()); err != nil || len(r.Changes) != 1 || r.NeedsApproval() {
		t.Errorf("a key less: %+v %v", r.Changes, err)
	}
	_, err = refresh(bytes.Replace(w.idp.Metadata(), []byte(w.idp.EntityID), []byte("https://other.example"), 1))
	refused(t, err, federation.CodeSAMLMetadata)
	failed := errors.New("refused")
	if _, err := w.verifier.Refresh(t.Context(), page{err: failed}, "https://idp.example/", fetch.Network{}, current, nil); !errors.Is(err, failed) {
		t.Error(err)
	}
}

func TestExpiries(t *testing.T) {
	const day = 24 * time.Hour
	for left, mark := range map[time.Duration]int{
		61 * day: -1, 60 * day: 60, 31 * day: 60, 30 * day: 30, 15 * day: 30, 14 * day: 14, 4 * day: 14, 3 * day: 3, time.Hour: 3, 0: 0, -day: 0,
	} {
		c := samltest.Certificate(samltest.RSAKey(0), noon.AddDate(-1, 0, 0), noon.Add(left))
		list := saml.Expiries([]*x509.Certificate{c}, noon)
		switch {
		case mark < 0 && len(list) != 0:
			t.Errorf("%s left: %+v", left, list)
		case mark >= 0 && (len(list) != 1 || list[0].Days != mark || list[0].Fingerprint != saml.Fingerprint(c)):
			t.Errorf("%s left: %+v, expected %d", left, list, mark)
		}
	}
}
