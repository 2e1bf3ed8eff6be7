package samlmetadata

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/federation/saml"
)

// Write writes metadata anew, with what was read of it and nothing else. It reads back as the same.
func Write(m saml.Metadata) ([]byte, error) {
	d := descriptor{EntityID: m.EntityID, Role: role{Protocol: "urn:oasis:names:tc:SAML:2.0:protocol", WantsSigned: m.WantsSigned, Formats: m.NameIDFormats}}
	if !m.ValidUntil.IsZero() {
		d.ValidUntil = m.ValidUntil.UTC().Format(time.RFC3339)
	}
	for _, certificate := range m.Certificates {
		d.Role.Keys = append(d.Role.Keys, key{Use: "signing", Info: info{Certificate: base64.StdEncoding.EncodeToString(certificate.Raw)}})
	}
	d.Role.SignOn, d.Role.Logout = endpoints(m.SignOn), endpoints(m.Logout)
	raw, err := xml.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write metadata: %w", err)
	}
	return raw, nil
}

// Digest names what a document says: two documents that differ only in when they were made, or how long they are good,
// have one digest.
func Digest(m saml.Metadata) (string, error) {
	m.ValidUntil = time.Time{}
	raw, err := Write(m)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

func endpoints(from []saml.Endpoint) []endpoint {
	list := make([]endpoint, len(from))
	for i, e := range from {
		list[i] = endpoint(e)
	}
	return list
}

// The schema's order (SAML metadata §2.4.3): keys, logout, formats, sign-on.
type descriptor struct {
	XMLName    xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	EntityID   string   `xml:"entityID,attr"`
	ValidUntil string   `xml:"validUntil,attr,omitempty"`
	Role       role     `xml:"IDPSSODescriptor"`
}

type role struct {
	Protocol    string     `xml:"protocolSupportEnumeration,attr"`
	WantsSigned bool       `xml:"WantAuthnRequestsSigned,attr"`
	Keys        []key      `xml:"KeyDescriptor"`
	Logout      []endpoint `xml:"SingleLogoutService"`
	Formats     []string   `xml:"NameIDFormat"`
	SignOn      []endpoint `xml:"SingleSignOnService"`
}

type key struct {
	Use  string `xml:"use,attr"`
	Info info   `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo"`
}

type info struct {
	Certificate string `xml:"X509Data>X509Certificate"`
}

type endpoint struct {
	Binding          string `xml:"Binding,attr"`
	Location         string `xml:"Location,attr"`
	ResponseLocation string `xml:"ResponseLocation,attr,omitempty"`
}
