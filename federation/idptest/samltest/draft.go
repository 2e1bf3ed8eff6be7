package samltest

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// Draft is a response before it is signed. Change what is to be wrong, then ask for
// Document.
type Draft struct {
	IdP *IdP
	SP  SP
	// Response has no assertion in it yet: Document puts Assertion there.
	Response  *etree.Element
	Assertion *etree.Element
	// Which are signed, and how.
	SignAssertion, SignResponse bool
	AssertionSignature          Signature
	ResponseSignature           Signature
	// Encrypt, if there is one, encrypts the signed assertion.
	Encrypt *Encryption
	// Alone leaves the response out: an assertion as a client presents it.
	Alone bool
	// After changes the tree when everything is signed; Raw its bytes.
	After func(root *etree.Element)
	Raw   func([]byte) []byte
}

// Draft begins a valid response about alice, in answer to a request ("" for none).
func (p *IdP) Draft(sp SP, inResponseTo string) *Draft {
	d := &Draft{
		IdP: p, SP: sp, SignAssertion: true,
		Response: parse(fill(responseTemplate, p, sp, inResponseTo)), Assertion: parse(fill(assertionTemplate, p, sp, inResponseTo)),
		AssertionSignature: p.Signature(), ResponseSignature: p.Signature(),
	}
	if inResponseTo == "" {
		d.Response.RemoveAttr("InResponseTo")
		d.Find("SubjectConfirmationData").RemoveAttr("InResponseTo")
	}
	return d
}

// Bearer begins a valid assertion for a token endpoint (RFC 7522).
func (p *IdP) Bearer(sp SP, endpoint, audience string) *Draft {
	d := p.Draft(sp, "")
	d.Alone = true
	d.Find("SubjectConfirmationData").CreateAttr("Recipient", endpoint)
	d.Find("Audience").SetText(audience)
	return d
}

// Find returns the first element of the assertion with a name.
func (d *Draft) Find(name string) *etree.Element {
	el := d.Assertion.FindElement(".//" + name)
	if el == nil {
		panic("no " + name)
	}
	return el
}

// Remove takes every element with a name out of the assertion.
func (d *Draft) Remove(name string) {
	for _, el := range d.Assertion.FindElements(".//" + name) {
		el.Parent().RemoveChild(el)
	}
}

// Attribute adds a SAML attribute.
func (d *Draft) Attribute(name string, values ...string) {
	statement := d.Find("AttributeStatement")
	el := statement.CreateElement("saml:Attribute")
	el.CreateAttr("Name", name)
	for _, value := range values {
		v := el.CreateElement("saml:AttributeValue")
		v.CreateAttr("xsi:type", "xs:string")
		v.SetText(value)
	}
}

// Tree signs and puts everything together.
func (d *Draft) Tree() *etree.Element {
	assertion := d.Assertion.Copy()
	if d.SignAssertion {
		d.AssertionSignature.Sign(assertion)
	}
	root := assertion
	if !d.Alone {
		root = d.Response.Copy()
		if d.Encrypt != nil {
			root.AddChild(d.Encrypt.encrypt(assertion, d.SP))
		} else {
			root.AddChild(assertion)
		}
		if d.SignResponse {
			d.ResponseSignature.Sign(root)
		}
	}
	if d.After != nil {
		d.After(root)
	}
	return root
}

// Document is the bytes that are sent.
func (d *Draft) Document() []byte {
	raw := Serialize(d.Tree())
	if d.Raw != nil {
		raw = d.Raw(raw)
	}
	return raw
}

// Encoded is a form's SAMLResponse.
func (d *Draft) Encoded() string { return base64.StdEncoding.EncodeToString(d.Document()) }

// EncodedForToken is the assertion parameter of a token request.
func (d *Draft) EncodedForToken() string { return base64.RawURLEncoding.EncodeToString(d.Document()) }

// Serialize writes a tree as it is.
func Serialize(el *etree.Element) []byte {
	document := etree.NewDocument()
	document.SetRoot(el.Copy())
	return must(document.WriteToBytes())
}

func parse(text string) *etree.Element {
	document := etree.NewDocument()
	if err := document.ReadFromString(text); err != nil {
		panic(err)
	}
	root := document.Root()
	document.RemoveChild(root)
	return root
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func fill(template string, p *IdP, sp SP, inResponseTo string) string {
	now := p.Now()
	return strings.NewReplacer(
		"{idp}", p.EntityID, "{sp}", sp.EntityID, "{acs}", sp.ACS, "{irt}", inResponseTo, "{id}", id(),
		"{now}", stamp(now), "{before}", stamp(now.Add(-30*time.Second)), "{after}", stamp(now.Add(4*time.Minute)),
		"{auth}", stamp(now.Add(-2*time.Second)), "{ends}", stamp(now.Add(8*time.Hour)),
	).Replace(template)
}

const responseTemplate = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{now}" Destination="{acs}" InResponseTo="{irt}"><saml:Issuer>{idp}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status></samlp:Response>`

const assertionTemplate = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="{id}" Version="2.0" IssueInstant="{now}"><saml:Issuer>{idp}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">00u1alice</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{after}" Recipient="{acs}" InResponseTo="{irt}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{before}" NotOnOrAfter="{after}"><saml:AudienceRestriction><saml:Audience>{sp}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{auth}" SessionIndex="_session1" SessionNotOnOrAfter="{ends}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue xsi:type="xs:string">alice@acme.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="groups"><saml:AttributeValue xsi:type="xs:string">notes-editors</saml:AttributeValue><saml:AttributeValue xsi:type="xs:string">staff</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>`
