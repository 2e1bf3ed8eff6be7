package samltest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what must be refused has to be made
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"math/big"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Names of algorithms.
const (
	RSASHA1     = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	RSASHA256   = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	RSASHA512   = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
	ECDSASHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	HMACSHA256  = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	SHA1        = "http://www.w3.org/2000/09/xmldsig#sha1"
	SHA256      = "http://www.w3.org/2001/04/xmlenc#sha256"
	SHA512      = "http://www.w3.org/2001/04/xmlenc#sha512"
	ExcC14N     = "http://www.w3.org/2001/10/xml-exc-c14n#"
	Enveloped   = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	namespace   = "http://www.w3.org/2000/09/xmldsig#"
)

// Signature says how to sign. What it says goes into the document as it is, true or
// not; the digest is always made along exclusive canonicalization.
type Signature struct {
	Key           crypto.Signer
	Secret        []byte            // for HMAC
	KeyInfo       *x509.Certificate // nil for none
	Method        string
	Digest        string
	Canonical     string
	Transforms    []string
	URI           string // "" for the element's own ID
	PrefixList    string
	Change        func(signature *etree.Element) // of what is already signed
	BeforeSigning func(signedInfo *etree.Element)
}

// Signature is how this IdP signs.
func (p *IdP) Signature() Signature {
	s := Signature{
		Key: p.Key, KeyInfo: p.Certificate, Method: RSASHA256, Digest: SHA256,
		Canonical: ExcC14N, Transforms: []string{Enveloped, ExcC14N}, PrefixList: "xs",
	}
	if _, ok := p.Key.(*ecdsa.PrivateKey); ok {
		s.Method = ECDSASHA256
	}
	return s
}

// Sign puts a signature into an element, after its Issuer.
func (s Signature) Sign(el *etree.Element) {
	uri := s.URI
	if uri == "" {
		uri = "#" + el.SelectAttrValue("ID", "")
	}
	signature := etree.NewElement("ds:Signature")
	signature.CreateAttr("xmlns:ds", namespace)
	info := signature.CreateElement("ds:SignedInfo")
	info.CreateElement("ds:CanonicalizationMethod").CreateAttr("Algorithm", s.Canonical)
	info.CreateElement("ds:SignatureMethod").CreateAttr("Algorithm", s.Method)
	reference := info.CreateElement("ds:Reference")
	reference.CreateAttr("URI", uri)
	transforms := reference.CreateElement("ds:Transforms")
	for _, name := range s.Transforms {
		transform := transforms.CreateElement("ds:Transform")
		transform.CreateAttr("Algorithm", name)
		if name == ExcC14N && s.PrefixList != "" {
			list := transform.CreateElement("ec:InclusiveNamespaces")
			list.CreateAttr("xmlns:ec", ExcC14N)
			list.CreateAttr("PrefixList", s.PrefixList)
		}
	}
	reference.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", s.Digest)
	digest := canonical(el.Copy(), s.PrefixList)
	reference.CreateElement("ds:DigestValue").SetText(base64.StdEncoding.EncodeToString(sum(s.Digest, digest)))
	if s.BeforeSigning != nil {
		s.BeforeSigning(info)
	}
	alone := info.Copy()
	alone.CreateAttr("xmlns:ds", namespace)
	value := s.value(canonical(alone, ""))
	signature.CreateElement("ds:SignatureValue").SetText(base64.StdEncoding.EncodeToString(value))
	if s.KeyInfo != nil {
		signature.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
			SetText(base64.StdEncoding.EncodeToString(s.KeyInfo.Raw))
	}
	if s.Change != nil {
		s.Change(signature)
	}
	at := 0
	if children := el.ChildElements(); len(children) > 0 && children[0].Tag == "Issuer" {
		at = children[0].Index() + 1
	}
	el.InsertChildAt(at, signature)
}

func (s Signature) value(message []byte) []byte {
	switch s.Method {
	case HMACSHA256:
		mac := hmac.New(crypto.SHA256.New, s.Secret)
		mac.Write(message)
		return mac.Sum(nil)
	case RSASHA1:
		return must(s.Key.Sign(rand.Reader, sum(SHA1, message), crypto.SHA1))
	case RSASHA512:
		return must(s.Key.Sign(rand.Reader, sum(SHA512, message), crypto.SHA512))
	}
	signature := must(s.Key.Sign(rand.Reader, sum(SHA256, message), crypto.SHA256))
	public, ok := s.Key.Public().(*ecdsa.PublicKey)
	if !ok {
		return signature
	}
	var pair struct{ R, S *big.Int } // XML Signature 1.1 §6.4.3
	must(asn1.Unmarshal(signature, &pair))
	size := (public.Curve.Params().BitSize + 7) / 8
	return append(pair.R.FillBytes(make([]byte, size)), pair.S.FillBytes(make([]byte, size))...)
}

func canonical(el *etree.Element, prefixes string) []byte {
	return must(dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes).Canonicalize(el))
}

func sum(digest string, message []byte) []byte {
	if digest == SHA1 {
		s := sha1.Sum(message) //nolint:gosec // as above
		return s[:]
	}
	hash := crypto.SHA256
	if digest == SHA512 {
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write(message)
	return h.Sum(nil)
}

func id() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return "_" + hex.EncodeToString(b[:])
}
