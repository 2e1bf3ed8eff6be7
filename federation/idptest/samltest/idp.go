package samltest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// IdP signs for a service provider. Use New.
type IdP struct {
	EntityID    string
	SSO, SLO    string
	Key         crypto.Signer
	Certificate *x509.Certificate
	Now         func() time.Time
}

// SP is the service provider as the IdP knows it.
type SP struct {
	EntityID    string
	ACS, SLO    string
	Certificate *x509.Certificate // for encryption
}

// New makes an IdP with an RSA key of its own.
func New(now func() time.Time) *IdP {
	return &IdP{
		EntityID: "https://idp.example/metadata", SSO: "https://idp.example/sso", SLO: "https://idp.example/slo",
		Key: RSAKey(0), Certificate: Certificate(RSAKey(0), now(), now().AddDate(1, 0, 0)), Now: now,
	}
}

var keys struct {
	sync.Mutex
	rsa map[int]*rsa.PrivateKey
}

// RSAKey returns the process's key of a number: making one is slow.
func RSAKey(number int) *rsa.PrivateKey {
	keys.Lock()
	defer keys.Unlock()
	if keys.rsa == nil {
		keys.rsa = map[int]*rsa.PrivateKey{}
	}
	if keys.rsa[number] == nil {
		keys.rsa[number] = must(rsa.GenerateKey(rand.Reader, 2048))
	}
	return keys.rsa[number]
}

// ECKey makes a key on P-256.
func ECKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// Certificate makes a self-signed one, as metadata has them.
func Certificate(key crypto.Signer, from, to time.Time) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: "idp.example"},
		NotBefore: from.Add(-time.Hour), NotAfter: to,
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

// Metadata is the IdP's, with all of these certificates for signing.
func (p *IdP) Metadata(certificates ...*x509.Certificate) []byte {
	var keyDescriptors strings.Builder
	for _, c := range append([]*x509.Certificate{p.Certificate}, certificates...) {
		keyDescriptors.WriteString(`<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` +
			base64.StdEncoding.EncodeToString(c.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`)
	}
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" ID="_meta" entityID="%s">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" WantAuthnRequestsSigned="true">%s
<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="%s"/>
<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="%s"/>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="%s"/>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="%s"/>
</md:IDPSSODescriptor></md:EntityDescriptor>`, p.EntityID, keyDescriptors.String(), p.SLO, p.SSO, p.SSO, p.SSO)
}

// must is for what cannot fail in a test.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
