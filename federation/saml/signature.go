package saml

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Why a signature does not count.
var (
	errSignatureForm      = errors.New("a signature of another form than one enveloped signature over its parent")
	errSignatureAlgorithm = errors.New("a signature, digest, canonicalization or transform that is not on the list")
	errSignatureInvalid   = errors.New("no pinned certificate verifies the signature")
	errCertificateExpired = errors.New("the certificate that verifies the signature is outside its validity")
)

// What signatures may be made with (T29): nothing of SHA-1, no HMAC, no DSA, and of
// transforms those that SAML core §5.4.4 has, in the one order that means something.
var (
	signatureMethods = map[string]x509.PublicKeyAlgorithm{
		dsig.RSASHA256SignatureMethod:   x509.RSA,
		dsig.RSASHA384SignatureMethod:   x509.RSA,
		dsig.RSASHA512SignatureMethod:   x509.RSA,
		dsig.ECDSASHA256SignatureMethod: x509.ECDSA,
		dsig.ECDSASHA384SignatureMethod: x509.ECDSA,
		dsig.ECDSASHA512SignatureMethod: x509.ECDSA,
	}
	digestMethods = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256",
		"http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512",
	}
)

const enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

// signatureOf returns the signature of an element: the child that comes second,
// after Issuer, as every schema of a message or an assertion says (SAML core §2.3.3,
// §3.2.1); in metadata, which has no Issuer, the first (SAML metadata §2.3.2).
func signatureOf(el *etree.Element) *etree.Element {
	children, at := el.ChildElements(), 1
	if el.NamespaceURI() == nsMetadata {
		at = 0
	}
	if len(children) > at && is(children[at], nsSignature, "Signature") {
		return children[at]
	}
	return nil
}

// verified is what a signature holds for: the element read anew from the bytes
// that were digested, without the signature.
type verified struct {
	element   *etree.Element
	algorithm string
	signer    *x509.Certificate
}

// verify checks the enveloped signature of an element (SAML core §5.4) and returns
// the element that it holds for. Only that one may be read afterwards.
func verify(el *etree.Element, pinned []*x509.Certificate, now time.Time) (verified, error) {
	el = detach(el)
	signature := signatureOf(el)
	if signature == nil {
		return verified{}, errSignatureForm
	}
	id, _ := attribute(el, "ID")
	method, err := checkForm(signature, id)
	if err != nil {
		return verified{}, err
	}
	if signatureMethods[method] == x509.ECDSA && !rawToDER(signature) {
		return verified{}, errSignatureInvalid
	}
	// KeyInfo is whatever the sender likes. It is outside of what is signed, and
	// goes before anybody could look at it (T29).
	for _, child := range signature.ChildElements() {
		if child.Tag == "KeyInfo" {
			signature.RemoveChild(child)
		}
	}
	return try(el, method, pinned, now)
}

// try goes through the pinned certificates that fit. One outside its validity
// verifies nothing; that it would have is said, since the remedy is another.
func try(el *etree.Element, method string, pinned []*x509.Certificate, now time.Time) (verified, error) {
	outcome := errSignatureInvalid
	for _, certificate := range pinned {
		if certificate.PublicKeyAlgorithm != signatureMethods[method] {
			continue
		}
		valid := !now.Before(certificate.NotBefore) && !now.After(certificate.NotAfter)
		at := now
		if !valid {
			at = certificate.NotAfter
		}
		validation := dsig.ValidationContext{
			CertificateStore: &dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}},
			IdAttribute:      "ID",
			Clock:            dsig.NewFakeClockAt(at),
		}
		element, err := validation.Validate(el)
		switch {
		case err != nil || element == nil:
		case !valid:
			outcome = errCertificateExpired
		default:
			return verified{element, method, certificate}, nil
		}
	}
	return verified{}, outcome
}

// checkForm holds a Signature against the one form that is accepted, and returns
// its method. XML Signature can say much more; none of it is needed.
func checkForm(signature *etree.Element, id string) (method string, err error) {
	parts, err := content(signature, part{nsSignature, "SignedInfo", 1, 1}, part{nsSignature, "SignatureValue", 1, 1}, part{nsSignature, "KeyInfo", 0, 1})
	if err != nil {
		return "", errSignatureForm
	}
	info, err := content(one(parts["SignedInfo"]), part{nsSignature, "CanonicalizationMethod", 1, 1},
		part{nsSignature, "SignatureMethod", 1, 1}, part{nsSignature, "Reference", 1, 1})
	if err != nil {
		return "", errSignatureForm
	}
	method, ok := algorithm(one(info["SignatureMethod"]))
	if !ok {
		return "", errSignatureForm
	}
	canonical, ok := algorithm(one(info["CanonicalizationMethod"]))
	switch {
	case !ok:
		return "", errSignatureForm
	case signatureMethods[method] == 0, canonical != nsExcC14N:
		return method, errSignatureAlgorithm
	}
	return method, checkReference(one(info["Reference"]), id)
}

// checkReference: exactly this element, by an ID that the whole document has once
// (SAML core §5.4.2); the empty reference, which means "the document", is refused.
func checkReference(reference *etree.Element, id string) error {
	uri, _ := attribute(reference, "URI")
	if id == "" || uri != "#"+id {
		return errSignatureForm
	}
	parts, err := content(reference, part{nsSignature, "Transforms", 1, 1}, part{nsSignature, "DigestMethod", 1, 1}, part{nsSignature, "DigestValue", 1, 1})
	if err != nil {
		return errSignatureForm
	}
	digest, ok := algorithm(one(parts["DigestMethod"]))
	if !ok {
		return errSignatureForm
	}
	if !slices.Contains(digestMethods, digest) {
		return errSignatureAlgorithm
	}
	transforms, err := content(one(parts["Transforms"]), part{nsSignature, "Transform", 1, 8})
	if err != nil {
		return errSignatureForm
	}
	list := transforms["Transform"]
	for i, expected := range []string{enveloped, nsExcC14N} {
		if len(list) != 2 {
			return errSignatureAlgorithm
		}
		if name, _ := attribute(list[i], "Algorithm"); name != expected {
			return errSignatureAlgorithm
		}
	}
	if len(list[0].Child) != 0 {
		return errSignatureForm
	}
	// The list of prefixes that a canonical form keeps (exc-c14n §4) is all that a transform may say.
	if _, err := content(list[1], part{nsExcC14N, "InclusiveNamespaces", 0, 1}); err != nil {
		return errSignatureForm
	}
	return nil
}

// algorithm returns the Algorithm of an element that says nothing else.
func algorithm(el *etree.Element) (string, bool) {
	if el == nil || len(el.ChildElements()) != 0 {
		return "", false
	}
	name, ok := attribute(el, "Algorithm")
	return name, ok && name != ""
}

// detach copies an element with every prefix that is in scope there, so that it
// means the same by itself.
func detach(el *etree.Element) *etree.Element {
	copied := el.Copy()
	seen := map[string]bool{}
	for at := el; at != nil; at = at.Parent() {
		for _, a := range at.Attr {
			prefix, declares := declared(a)
			if !declares || seen[prefix] {
				continue
			}
			seen[prefix] = true
			if at != el {
				copied.Attr = append(copied.Attr, etree.Attr{Space: a.Space, Key: a.Key, Value: a.Value})
			}
		}
	}
	return copied
}

// rawToDER rewrites an ECDSA signature value, which XML Signature has as two
// numbers side by side (XML Signature 1.1 §6.4.3), as crypto/x509 has it. The
// value is outside of what is signed.
func rawToDER(signature *etree.Element) bool {
	value := signature.ChildElements()[1]
	encoded, err := rawText(value)
	if err != nil {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return false
	}
	der, err := rawECDSA(raw)
	if err != nil {
		return false
	}
	value.SetText(base64.StdEncoding.EncodeToString(der))
	return true
}

// isStrong tells whether a certificate's key may verify anything: RSA of 2048 to
// 8192 bits, or a curve of NIST's (T18).
func isStrong(certificate *x509.Certificate) bool {
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048 && key.N.BitLen() <= 8192 && key.E >= 65537 && key.E%2 == 1
	case *ecdsa.PublicKey:
		return key.Curve != nil && key.Curve.Params().BitSize >= 256
	default:
		return false
	}
}
