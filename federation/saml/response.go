package saml

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
)

// census counts, in the whole document and under any namespace, what there may be
// one of (T21, T22). What is counted here is not yet trusted.
func (w *walk) census(root *etree.Element) error {
	assertions, signatures := 0, 0
	var count func(el *etree.Element, depth int) error
	count = func(el *etree.Element, depth int) error {
		switch el.Tag {
		case "Assertion", "EncryptedAssertion":
			assertions++
		case "Response":
			if depth > 0 {
				return w.malformed("Response", errChildren)
			}
		case "Advice", "AssertionIDRef", "AssertionURIRef":
			return w.trail.Refuse(federation.CodeSAMLAssertionCount, "Advice", el.Tag, "one assertion and nothing about others", nil)
		case "Signature":
			// Each stands second in the one element that it is about; wherever else one is, it is there to be mistaken.
			if signatures++; depth == 0 || depth > 2 || el.Parent() == nil || signatureOf(el.Parent()) != el {
				return w.trail.Refuse(federation.CodeSAMLSignatureMalformed, "Signature", "in another place", "after Issuer, in what it signs", nil)
			}
		}
		for _, child := range el.ChildElements() {
			if err := count(child, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := count(root, 0); err != nil {
		return err
	}
	if assertions > 1 || signatures > 2 {
		return w.trail.Refuse(federation.CodeSAMLAssertionCount, "Assertion", strconv.Itoa(assertions), "exactly one, wherever it is", nil)
	}
	return nil
}

// message verifies the signature of a protocol message, where it has one, and
// returns what is to be read of it.
func (w *walk) message(root *etree.Element, name string) (message *etree.Element, signed bool, err error) {
	if !is(root, nsProtocol, name) {
		return nil, false, w.malformed(name, errChildren)
	}
	if signatureOf(root) == nil {
		return root, false, nil
	}
	v, err := verify(root, w.provider.Certificates, w.now)
	if err != nil {
		return nil, false, w.refuseSignature("signature of "+name, err)
	}
	if !is(v.element, nsProtocol, name) {
		return nil, false, w.malformed(name, errChildren)
	}
	w.algorithm, w.signer = v.algorithm, v.signer
	w.trail.Pass("signature of "+name, v.algorithm, "a certificate of "+w.provider.IdP.Name)
	return v.element, true, nil
}

// response is what a Response says around its assertion.
type response struct {
	id           string
	inResponseTo string // "" for one that nobody asked for
	holder       *etree.Element
}

// holder returns the one Assertion or EncryptedAssertion among a Response's
// children, nil when there is none.
func (w *walk) holder(message *etree.Element) (*etree.Element, error) {
	parts, err := responseParts(message)
	if err != nil {
		return nil, w.malformed("Response", err)
	}
	if holder := one(parts["Assertion"]); holder != nil {
		return holder, nil
	}
	return one(parts["EncryptedAssertion"]), nil
}

// responseParts: SAML core §3.3.3. Extensions are nobody's that we know of.
func responseParts(message *etree.Element) (map[string][]*etree.Element, error) {
	return content(message, part{nsAssertion, "Issuer", 1, 1}, part{nsSignature, "Signature", 0, 1}, part{nsProtocol, "Status", 1, 1},
		part{nsAssertion, "Assertion", 0, 1}, part{nsAssertion, "EncryptedAssertion", 0, 1})
}

func (w *walk) response(message *etree.Element, departure *Departure) (response, error) {
	parts, err := responseParts(message)
	if err != nil {
		return response{}, w.malformed("Response", err)
	}
	r := response{}
	if r.id, err = w.envelope(message, one(parts["Issuer"]), w.provider.Self.ACS); err != nil {
		return response{}, err
	}
	answers, present := attribute(message, "InResponseTo")
	if r.inResponseTo, err = w.answer(answers, present, departure); err != nil {
		return response{}, err
	}
	var asked []string
	if departure != nil {
		asked = departure.Contexts
	}
	if err := w.checkStatus(one(parts["Status"]), asked); err != nil {
		return response{}, err
	}
	if r.holder = one(parts["Assertion"]); r.holder == nil {
		r.holder = one(parts["EncryptedAssertion"])
	}
	if r.holder == nil {
		return response{}, w.trail.Refuse(federation.CodeSAMLAssertionCount, "Assertion", "0", "exactly one", nil)
	}
	return r, nil
}

// envelope checks what every protocol message says of itself (SAML core §3.2.1,
// §3.2.2) and returns its ID.
func (w *walk) envelope(message, issuer *etree.Element, here string) (id string, err error) {
	id, _ = attribute(message, "ID")
	if stated, _ := attribute(message, "Version"); id == "" || stated != version {
		return "", w.malformed("Version and ID", errValue)
	}
	if err := w.isIssuer(issuer); err != nil {
		return "", err
	}
	// SAML bindings §3.5.5.2 asks for it where the message is signed; here always (T27).
	destination, present := attribute(message, "Destination")
	switch {
	case !present:
		return "", w.missing("Destination", here)
	case destination != here:
		return "", w.trail.Refuse(federation.CodeSAMLDestination, "Destination", destination, here, nil)
	}
	stated, present := attribute(message, "IssueInstant")
	if !present {
		return "", w.missing("IssueInstant", "a time")
	}
	issued, err := instant(stated)
	if err != nil {
		return "", w.malformed("IssueInstant", err)
	}
	if err := w.checkAge("IssueInstant of the message", issued); err != nil {
		return "", err
	}
	w.trail.Pass("Destination", destination, here)
	return id, nil
}

// isIssuer: exactly the entity ID that was configured, of the one format that an
// issuer has (SAML core §8.3.6).
func (w *walk) isIssuer(el *etree.Element) error {
	if el == nil {
		return w.missing("Issuer", w.provider.EntityID)
	}
	name, err := text(el)
	if err != nil {
		return w.malformed("Issuer", err)
	}
	format, present := attribute(el, "Format")
	if name != w.provider.EntityID || present && format != nameIDEntity {
		return w.trail.Refuse(federation.CodeSAMLIssuer, "Issuer", name, w.provider.EntityID, nil)
	}
	return nil
}

// checkAge: what was issued long ago was kept, and what is to come is wrong.
func (w *walk) checkAge(name string, issued time.Time) error {
	switch {
	case issued.After(w.now.Add(w.provider.skew())):
		return w.trail.Refuse(federation.CodeClockSkew, name, stamp(issued), "not after "+stamp(w.now), nil)
	case issued.Before(w.now.Add(-w.provider.maxAge() - w.provider.skew())):
		return w.trail.Refuse(federation.CodeAssertionExpired, name, stamp(issued), "within "+w.provider.maxAge().String()+" of "+stamp(w.now), nil)
	}
	return nil
}

// answer matches InResponseTo with the departure (SAML profiles §4.1.4.3, T27,
// T28). A response that answers something is never taken as unsolicited: it was
// made for another session.
func (w *walk) answer(id string, present bool, departure *Departure) (string, error) {
	const name = "InResponseTo"
	switch {
	case departure == nil && present:
		return "", w.trail.Refuse(federation.CodeSAMLInResponseTo, name, id, "nothing: nobody left from here", nil)
	case departure == nil && !w.provider.IdPInitiated:
		return "", w.trail.Refuse(federation.CodeSAMLUnsolicited, name, "", "an answer; idp_initiated is off", nil)
	case departure == nil:
		w.trail.Pass(name, "unsolicited", "idp_initiated, and a page to confirm")
		return "", nil
	case departure.ID == "" || departure.Provider != w.provider.IdP.UID:
		return "", w.trail.Refuse(federation.CodeSAMLInResponseTo, name, id, "a request to this IdP", nil)
	case id != departure.ID: // absent too: somebody else's response in this session
		return "", w.trail.Refuse(federation.CodeSAMLInResponseTo, name, id, departure.ID, nil)
	case w.now.Before(departure.At.Add(-w.provider.skew())), !w.now.Before(departure.Expires()): // another replica may have made it
		return "", w.trail.Refuse(federation.CodeSignInExpired, "departure", stamp(departure.At), "at most "+DepartureLifetime.String()+" before "+stamp(w.now), nil)
	}
	w.trail.Pass(name, id, departure.ID)
	return id, nil
}

// checkStatus: SAML core §3.2.2.2. What the IdP says instead of yes is for the
// administrator; it decides nothing. asked are the contexts of the request.
func (w *walk) checkStatus(el *etree.Element, asked []string) error {
	var codes []string
	outer := el
	for range 3 {
		parts, err := content(outer, part{nsProtocol, "StatusCode", 0, 1}, part{nsProtocol, "StatusMessage", 0, 1}, part{nsProtocol, "StatusDetail", 0, 1})
		if err != nil {
			return w.malformed("Status", err)
		}
		code := one(parts["StatusCode"])
		if code == nil {
			break
		}
		value, _ := attribute(code, "Value")
		codes = append(codes, value)
		outer = code
	}
	if len(asked) > 0 && slices.Contains(codes, statusNoContext) { // §3.3.2.2.1: it cannot do what was asked for
		return w.trail.Refuse(federation.CodeSAMLAuthnContext, "Status", strings.Join(codes, " "), joined(asked), nil)
	}
	if len(codes) == 0 || codes[0] != statusSuccess {
		return w.trail.Refuse(federation.CodeSAMLStatus, "Status", strings.Join(codes, " "), statusSuccess, nil)
	}
	w.trail.Pass("Status", codes[0], statusSuccess)
	return nil
}

// assertion returns the element that is to be read: what the assertion's own
// signature returned, else the child of a signed response. Every signature that
// is there must hold, and one must be.
func (w *walk) assertion(original, held *etree.Element, responseSigned bool) (*etree.Element, error) {
	element := original // for its own signature, which was made where the prefixes were
	if held.Tag == "EncryptedAssertion" {
		plaintext, algorithms, err := open(held, w.provider.Self.Decryption)
		if err != nil {
			return nil, w.trail.Refuse(federation.CodeSAMLDecryption, "EncryptedAssertion", algorithms, "RSA-OAEP and AES-GCM, with our key", err)
		}
		w.trail.Pass("EncryptedAssertion", algorithms, "RSA-OAEP and AES-GCM")
		if element, err = w.parseXML(plaintext); err != nil {
			return nil, err
		}
		if element.Tag != "Assertion" { // it is not read as anything else either
			return nil, w.malformed("EncryptedAssertion", errChildren)
		}
		if err := w.census(element); err != nil {
			return nil, err
		}
		held = element
	}
	if !is(element, nsAssertion, "Assertion") {
		return nil, w.malformed("Assertion", errChildren)
	}
	if signatureOf(element) == nil {
		if !responseSigned {
			return nil, w.trail.Refuse(federation.CodeSAMLUnsigned, "signature", "none", "a signed assertion or response", nil)
		}
		return held, nil
	}
	v, err := verify(element, w.provider.Certificates, w.now)
	if err != nil {
		return nil, w.refuseSignature("signature of Assertion", err)
	}
	w.algorithm, w.signer = v.algorithm, v.signer
	if !is(v.element, nsAssertion, "Assertion") {
		return nil, w.malformed("Assertion", errChildren)
	}
	w.trail.Pass("signature of Assertion", v.algorithm, "a certificate of "+w.provider.IdP.Name)
	return v.element, nil
}
