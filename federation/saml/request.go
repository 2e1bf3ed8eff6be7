package saml

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
)

// Ask is what a sign-in asks of the IdP.
type Ask struct {
	Binding string // BindingRedirect or BindingPOST; "" takes what the IdP has, redirect first
	// RelayState comes back as it went. It is an opaque value of the caller's, of at
	// most 80 bytes (SAML bindings §3.4.3), and never a place to go (T39).
	RelayState string
	ForceAuthn bool
	// Contexts are AuthnContextClassRefs, one of which is needed; nil for any.
	Contexts []string
	// NameIDFormat asks for a format; "" leaves it to the IdP.
	NameIDFormat string
}

// Outgoing is a message to an IdP as a browser carries it.
type Outgoing struct {
	Binding string
	// URL is where the browser goes: complete for BindingRedirect, the form's action
	// for BindingPOST.
	URL string
	// Form has the fields of a POST; nil for BindingRedirect.
	Form map[string]string
}

// Depart builds the request and what must be remembered of it.
func (v *Verifier) Depart(p *Provider, ask Ask) (Outgoing, Departure, error) {
	if v.Now == nil || p.Validate() != nil || len(ask.RelayState) > 80 || !isPlain(ask.RelayState) {
		return Outgoing{}, Departure{}, ErrIncomplete
	}
	endpoint, err := choose(p.SignOn, ask.Binding)
	if err != nil {
		return Outgoing{}, Departure{}, err
	}
	now := v.Now().UTC()
	request := saml.AuthnRequest{
		ID: newID(), Version: version, IssueInstant: now, Destination: endpoint.Location,
		Issuer:                      &saml.Issuer{Value: p.Self.EntityID},
		AssertionConsumerServiceURL: p.Self.ACS, ProtocolBinding: BindingPOST,
	}
	allow := true
	request.NameIDPolicy = &saml.NameIDPolicy{AllowCreate: &allow}
	if ask.NameIDFormat != "" {
		request.NameIDPolicy.Format = &ask.NameIDFormat
	}
	if ask.ForceAuthn {
		request.ForceAuthn = &ask.ForceAuthn
	}
	el := request.Element()
	if len(ask.Contexts) > 0 {
		el.AddChild(contexts(ask.Contexts))
	}
	out, err := p.outgoing(el, "SAMLRequest", endpoint.Binding, endpoint.Location, ask.RelayState, p.SignRequests)
	if err != nil {
		return Outgoing{}, Departure{}, err
	}
	return out, Departure{ID: request.ID, Provider: p.IdP.UID, At: now, Forced: ask.ForceAuthn, Contexts: slices.Clone(ask.Contexts)}, nil
}

// contexts: SAML core §3.3.2.2.1: one of these, exactly.
func contexts(classes []string) *etree.Element {
	el := etree.NewElement("samlp:RequestedAuthnContext")
	el.CreateAttr("Comparison", "exact")
	for _, class := range classes {
		el.CreateElement("saml:AuthnContextClassRef").SetText(class)
	}
	return el
}

// choose finds an endpoint of a binding that is served.
func choose(endpoints []Endpoint, binding string) (Endpoint, error) {
	for _, wanted := range []string{BindingRedirect, BindingPOST} {
		if binding != "" && binding != wanted {
			continue
		}
		for _, endpoint := range endpoints {
			if endpoint.Binding == wanted {
				return endpoint, nil
			}
		}
	}
	return Endpoint{}, fmt.Errorf("%w: the IdP has none of the binding", ErrEndpoint)
}

// outgoing signs a message, if it is to be, and wraps it for its binding.
func (p *Provider) outgoing(el *etree.Element, kind, binding, location, relayState string, sign bool) (Outgoing, error) {
	var key *SigningKey
	if sign {
		if len(p.Self.Signing) == 0 {
			return Outgoing{}, ErrKey
		}
		key = &p.Self.Signing[0]
	}
	if binding == BindingRedirect {
		document, err := serialize(el)
		if err != nil {
			return Outgoing{}, err
		}
		location, err := redirectURL(location, kind, document, relayState, key)
		return Outgoing{Binding: binding, URL: location}, err
	}
	if key != nil {
		if err := key.envelop(el); err != nil {
			return Outgoing{}, err
		}
	}
	document, err := serialize(el)
	if err != nil {
		return Outgoing{}, err
	}
	form := map[string]string{kind: base64.StdEncoding.EncodeToString(document)}
	if relayState != "" {
		form["RelayState"] = relayState
	}
	return Outgoing{Binding: binding, URL: location, Form: form}, nil
}

// envelop puts a signature into an element, after its Issuer (SAML core §5.4).
func (k *SigningKey) envelop(el *etree.Element) error {
	method, err := k.method()
	if err != nil {
		return err
	}
	signing, err := dsig.NewSigningContext(k.Signer, [][]byte{k.Certificate.Raw})
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := signing.SetSignatureMethod(method); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	signature, err := signing.ConstructSignature(el.Copy(), true)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if method == dsig.ECDSASHA256SignatureMethod {
		if err := derToRaw(signature, k); err != nil {
			return err
		}
	}
	at := 0
	if issuer := el.ChildElements(); len(issuer) > 0 {
		at = issuer[0].Index() + 1
	}
	el.InsertChildAt(at, signature)
	return nil
}

func serialize(el *etree.Element) ([]byte, error) {
	document := etree.NewDocument()
	document.SetRoot(el)
	return document.WriteToBytes()
}

// newID: 160 bits of chance, which begin with a letter as an NCName must.
func newID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return "_" + hex.EncodeToString(b[:])
}

// String shows no message: what is signed may be used by whoever reads it.
func (o Outgoing) String() string { return "SAML message by " + o.Binding }

// GoString is String, for %#v.
func (o Outgoing) GoString() string { return o.String() }
