package saml

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"

	"github.com/crewjam/saml"
)

// Document is our own metadata for this IdP: our entity ID, our endpoints, our keys
// and what may be used to encrypt for us.
func (p *Provider) Document() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	self := p.Self
	self.SignsRequests = p.SignRequests
	return self.Document()
}

// Document is the same before anything of the IdP is known: what its administrator needs first.
func (s ServiceProvider) Document() ([]byte, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	yes := true
	role := saml.RoleDescriptor{ProtocolSupportEnumeration: nsProtocol}
	for _, key := range s.Signing {
		role.KeyDescriptors = append(role.KeyDescriptors, keyDescriptor("signing", key.Certificate))
	}
	methods := append([]string{nsEncrypt11 + "rsa-oaep", nsEncrypted + "rsa-oaep-mgf1p"}, slices.Sorted(maps.Keys(blockCiphers))...)
	for _, key := range s.Decryption {
		descriptor := keyDescriptor("encryption", key.Certificate)
		for _, method := range methods {
			descriptor.EncryptionMethods = append(descriptor.EncryptionMethods, saml.EncryptionMethod{Algorithm: method})
		}
		role.KeyDescriptors = append(role.KeyDescriptors, descriptor)
	}
	self := saml.SPSSODescriptor{
		SSODescriptor:       saml.SSODescriptor{RoleDescriptor: role, NameIDFormats: []saml.NameIDFormat{NameIDPersistent, NameIDEmail, NameIDUnspecified}},
		AuthnRequestsSigned: &s.SignsRequests, WantAssertionsSigned: &yes,
		AssertionConsumerServices: []saml.IndexedEndpoint{{Binding: BindingPOST, Location: s.ACS, Index: 0, IsDefault: &yes}},
	}
	if s.SLO != "" {
		for _, binding := range []string{BindingRedirect, BindingPOST} {
			self.SingleLogoutServices = append(self.SingleLogoutServices, saml.Endpoint{Binding: binding, Location: s.SLO})
		}
	}
	// Not crewjam's EntityDescriptor, which would say that it was valid until the year 1.
	document, err := xml.MarshalIndent(struct {
		XMLName         xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
		EntityID        string   `xml:"entityID,attr"`
		SPSSODescriptor saml.SPSSODescriptor
	}{EntityID: s.EntityID, SPSSODescriptor: self}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write metadata: %w", err)
	}
	return document, nil
}

func keyDescriptor(use string, certificate *x509.Certificate) saml.KeyDescriptor {
	return saml.KeyDescriptor{Use: use, KeyInfo: saml.KeyInfo{X509Data: saml.X509Data{
		X509Certificates: []saml.X509Certificate{{Data: base64.StdEncoding.EncodeToString(certificate.Raw)}},
	}}}
}
