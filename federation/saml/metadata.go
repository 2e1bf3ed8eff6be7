package saml

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"github.com/chancery-dev/chancery/federation"
)

// Metadata is what an IdP says of itself, read and shown before it is trusted. It
// has no effect by itself: somebody looks at it, and its values are configured.
type Metadata struct {
	EntityID      string
	Certificates  []*x509.Certificate // for signing, every one: a rollover has two
	SignOn        []Endpoint
	Logout        []Endpoint
	NameIDFormats []string
	WantsSigned   bool      // WantAuthnRequestsSigned
	ValidUntil    time.Time // zero when not said
	Signed        bool      // a signature was asked for, and held
	Ignored       []string  // what was left out, and why: keys that are too weak, bindings that are not served
}

// Expected narrows what metadata is accepted.
type Expected struct {
	EntityID string              // the one that is wanted; "" for the only one there is
	Signers  []*x509.Certificate // metadata must be signed with one of these; nil asks for no signature
	Loopback bool                // network.allow_private_addresses: plain http on loopback is an endpoint
}

// ParseMetadata reads metadata from a URL, a file or a paste. Every error is a
// *federation.Refusal.
func ParseMetadata(raw []byte, expected Expected, now time.Time) (Metadata, error) {
	var trail federation.Trail
	refuse := func(code federation.Code, name, received, wanted string, err error) (Metadata, error) {
		return Metadata{}, trail.Refuse(code, name, received, wanted, err)
	}
	root, err := parse(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))) // which Microsoft writes
	if err != nil {
		return refuse(federation.CodeSAMLMetadata, "shape", err.Error(), "one plain XML document of at most 512 KiB, without comments", err)
	}
	m := Metadata{}
	if expected.Signers != nil {
		v, err := verify(root, expected.Signers, now)
		if err != nil {
			return refuse(federation.CodeSAMLMetadata, "signature", err.Error(), "a signature by a pinned certificate", err)
		}
		root, m.Signed = v.element, true
	}
	el, err := entity(root, expected.EntityID)
	if err != nil {
		return refuse(federation.CodeSAMLMetadata, "EntityDescriptor", err.Error(), "one IdP", err)
	}
	if bad, found := badEndpoint(el, expected.Loopback); found {
		return refuse(federation.CodeSAMLMetadataEndpoint, "Location", bad, "an https URL", nil)
	}
	descriptor, err := decodeEntity(el)
	if err != nil {
		return refuse(federation.CodeSAMLMetadata, "EntityDescriptor", err.Error(), "the schema's form", err)
	}
	m.EntityID = descriptor.EntityID
	if m.EntityID == "" || len(m.EntityID) > 1024 || !isPlain(m.EntityID) || len(descriptor.IDPSSODescriptors) != 1 {
		return refuse(federation.CodeSAMLMetadata, "entityID", m.EntityID, "an entity ID and one IDPSSODescriptor", nil)
	}
	if m.ValidUntil = descriptor.ValidUntil; !m.ValidUntil.IsZero() && !now.Before(m.ValidUntil) {
		return refuse(federation.CodeSAMLMetadata, "validUntil", stamp(m.ValidUntil), "after "+stamp(now), nil)
	}
	idp := descriptor.IDPSSODescriptors[0]
	m.readKeys(idp.KeyDescriptors)
	if len(m.Certificates) == 0 {
		return refuse(federation.CodeSAMLMetadata, "KeyDescriptor", strings.Join(m.Ignored, "; "), "a certificate for signing, RSA of 2048 bits or more or ECDSA", nil)
	}
	m.SignOn, m.Logout = m.served(idp.SingleSignOnServices), m.served(idp.SingleLogoutServices)
	if len(m.SignOn) == 0 {
		return refuse(federation.CodeSAMLMetadata, "SingleSignOnService", strings.Join(m.Ignored, "; "), "one of the POST or redirect binding", nil)
	}
	for _, format := range idp.NameIDFormats {
		m.NameIDFormats = append(m.NameIDFormats, strings.TrimSpace(string(format)))
	}
	m.WantsSigned = idp.WantAuthnRequestsSigned != nil && *idp.WantAuthnRequestsSigned
	return m, nil
}

// entity finds the one IdP that is meant; a federation's aggregate needs its name.
func entity(root *etree.Element, wanted string) (*etree.Element, error) {
	list := []*etree.Element{root}
	if is(root, nsMetadata, "EntitiesDescriptor") {
		list = root.ChildElements()
	}
	var found *etree.Element
	for _, el := range list {
		name, _ := attribute(el, "entityID")
		isIdP := slices.ContainsFunc(el.ChildElements(), func(child *etree.Element) bool { return is(child, nsMetadata, "IDPSSODescriptor") })
		if !is(el, nsMetadata, "EntityDescriptor") || !isIdP || wanted != "" && name != wanted {
			continue
		}
		if found != nil {
			return nil, errTwice
		}
		found = el
	}
	if found == nil {
		return nil, errChildren
	}
	return found, nil
}

// decodeEntity gives the element crewjam's type. What it decodes has passed the
// gate, whatever encoding/xml would make of anything else.
func decodeEntity(el *etree.Element) (saml.EntityDescriptor, error) {
	raw, err := serialize(detach(el))
	if err != nil {
		return saml.EntityDescriptor{}, errParse
	}
	var descriptor saml.EntityDescriptor
	if err := xml.Unmarshal(raw, &descriptor); err != nil {
		return saml.EntityDescriptor{}, errParse
	}
	return descriptor, nil
}

// readKeys keeps every certificate for signing: use="signing", or no use, which is
// both (SAML metadata §2.4.1.1).
func (m *Metadata) readKeys(descriptors []saml.KeyDescriptor) {
	for _, descriptor := range descriptors {
		if descriptor.Use != "" && descriptor.Use != "signing" {
			continue
		}
		for _, encoded := range descriptor.KeyInfo.X509Data.X509Certificates {
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded.Data), ""))
			if err != nil {
				m.Ignored = append(m.Ignored, "a certificate that is not base64")
				continue
			}
			certificate, err := x509.ParseCertificate(der)
			switch {
			case err != nil:
				m.Ignored = append(m.Ignored, "a certificate that cannot be read")
			case !isStrong(certificate):
				m.Ignored = append(m.Ignored, "certificate "+Fingerprint(certificate)+": its key is too weak or of another kind")
			case !slices.ContainsFunc(m.Certificates, certificate.Equal):
				m.Certificates = append(m.Certificates, certificate)
			}
		}
	}
}

// badEndpoint returns the first endpoint of the IdP to which no browser may be sent:
// one that is wrong, of whatever service, makes the document wrong (T31).
func badEndpoint(el *etree.Element, loopback bool) (bad string, found bool) {
	for _, role := range el.ChildElements() {
		if !is(role, nsMetadata, "IDPSSODescriptor") {
			continue
		}
		for _, service := range role.ChildElements() {
			for _, name := range []string{"Location", "ResponseLocation"} {
				if location, present := attribute(service, name); present && !isEndpoint(location, loopback) {
					return location, true
				}
			}
		}
	}
	return "", false
}

// served keeps the endpoints whose binding is served.
func (m *Metadata) served(from []saml.Endpoint) []Endpoint {
	var list []Endpoint
	for _, endpoint := range from {
		switch {
		case endpoint.Binding != BindingPOST && endpoint.Binding != BindingRedirect:
			m.Ignored = append(m.Ignored, "binding "+federation.Clip(endpoint.Binding))
		case endpoint.Location != "": // an absent Location is none
			list = append(list, Endpoint{Binding: endpoint.Binding, Location: endpoint.Location, ResponseLocation: endpoint.ResponseLocation})
		}
	}
	return list
}

// Fingerprint is a certificate's SHA-256, in hexadecimal.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}
