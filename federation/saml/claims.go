package saml

import (
	"slices"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
)

// claims are an assertion's own words, read in form and not yet believed. Elements
// that must be there are here; nil is never dereferenced later (M5).
type claims struct {
	id           string
	issuer       *etree.Element
	issued       time.Time
	subject      *etree.Element
	nameID       *etree.Element // nil when there is none
	confirmation []*etree.Element
	conditions   *etree.Element
	statement    *etree.Element // nil when there is none
	attributes   []*etree.Element

	notBefore    time.Time // zero when not said
	notOnOrAfter time.Time
	oneTime      bool
	audiences    []string
	confirmed    time.Time // NotOnOrAfter of the confirmation
	recipient    string
}

// read takes an assertion apart along its schema (SAML core §2.3.3).
func (w *walk) read(el *etree.Element) (*claims, error) {
	c := &claims{}
	c.id, _ = attribute(el, "ID")
	if stated, _ := attribute(el, "Version"); c.id == "" || stated != version {
		return nil, w.malformed("Version and ID of the assertion", errValue)
	}
	issued, present := attribute(el, "IssueInstant")
	if !present {
		return nil, w.missing("IssueInstant of the assertion", "a time")
	}
	var err error
	if c.issued, err = instant(issued); err != nil {
		return nil, w.malformed("IssueInstant of the assertion", err)
	}
	// Statements may come in any order among themselves (SAML core §2.3.3).
	parts, err := content(sorted(el), part{nsAssertion, "Issuer", 0, 1}, part{nsSignature, "Signature", 0, 1}, part{nsAssertion, "Subject", 0, 1},
		part{nsAssertion, "Conditions", 0, 1}, part{nsAssertion, "AttributeStatement", 0, many}, part{nsAssertion, "AuthnStatement", 0, 1})
	if err != nil {
		return nil, w.malformed("Assertion", err)
	}
	for _, name := range []string{"Issuer", "Subject", "Conditions"} {
		if one(parts[name]) == nil {
			return nil, w.missing(name, "one")
		}
	}
	c.issuer, c.subject, c.conditions = one(parts["Issuer"]), one(parts["Subject"]), one(parts["Conditions"])
	c.statement = one(parts["AuthnStatement"])
	for _, statement := range parts["AttributeStatement"] {
		list, err := content(statement, part{nsAssertion, "Attribute", 0, many})
		if err != nil {
			return nil, w.malformed("AttributeStatement", err)
		}
		c.attributes = append(c.attributes, list["Attribute"]...)
	}
	subject, err := content(c.subject, part{nsAssertion, "NameID", 0, 1}, part{nsAssertion, "SubjectConfirmation", 0, 8})
	if err != nil { // BaseID and EncryptedID are not served
		return nil, w.malformed("Subject", err)
	}
	c.nameID, c.confirmation = one(subject["NameID"]), subject["SubjectConfirmation"]
	return c, nil
}

// sorted returns a shallow copy of an assertion whose statements follow each other
// in one order; what comes before them keeps its place.
func sorted(el *etree.Element) *etree.Element {
	rank := func(token etree.Token) int {
		child, ok := token.(*etree.Element)
		switch {
		case ok && child.Tag == "AttributeStatement":
			return 1
		case ok && child.Tag == "AuthnStatement":
			return 2
		}
		return 0
	}
	first := slices.IndexFunc(el.Child, func(t etree.Token) bool { return rank(t) > 0 })
	if first < 0 {
		return el
	}
	tail := slices.Clone(el.Child[first:])
	for _, token := range tail { // nothing else may come after the first statement
		if _, isElement := token.(*etree.Element); isElement && rank(token) == 0 {
			return el // whose order content refuses, unless it is the schema's
		}
	}
	slices.SortStableFunc(tail, func(a, b etree.Token) int { return rank(a) - rank(b) })
	view := *el
	view.Child = append(slices.Clone(el.Child[:first]), tail...)
	return &view
}

func (w *walk) checkIssuer(c *claims) error {
	if err := w.isIssuer(c.issuer); err != nil {
		return err
	}
	w.trail.Pass("Issuer", w.provider.EntityID, w.provider.EntityID)
	return nil
}

func (w *walk) checkIssued(c *claims) error {
	return w.checkAge("IssueInstant of the assertion", c.issued)
}

// checkConditions: SAML core §2.5. Both bounds are required (T26); a condition that
// is not understood makes the assertion invalid (§2.5.1.1).
func (w *walk) checkConditions(c *claims) error {
	var err error
	if c.notBefore, err = w.bound(c.conditions, "NotBefore"); err != nil {
		return err
	}
	if c.notOnOrAfter, err = w.bound(c.conditions, "NotOnOrAfter"); err != nil {
		return err
	}
	for _, child := range c.conditions.ChildElements() {
		switch {
		case is(child, nsAssertion, "AudienceRestriction"):
		case is(child, nsAssertion, "OneTimeUse") && len(child.ChildElements()) == 0: // which every assertion is here
			c.oneTime = true
		case is(child, nsAssertion, "ProxyRestriction"): // about assertions of ours on top of it: there are none
		default:
			return w.malformed("Conditions", errChildren)
		}
	}
	return w.within("Conditions", c.notBefore, c.notOnOrAfter)
}

func (w *walk) bound(el *etree.Element, name string) (time.Time, error) {
	value, present := attribute(el, name)
	if !present {
		return time.Time{}, w.missing(name, "a time in "+el.Tag)
	}
	t, err := instant(value)
	if err != nil {
		return time.Time{}, w.malformed(name, err)
	}
	return t, nil
}

// within forgives the entry's skew, at most 60 s, on each side. NotOnOrAfter is what
// it says: the moment itself is too late.
func (w *walk) within(name string, from, to time.Time) error {
	skew, now := w.provider.skew(), stamp(w.now)
	switch {
	case !w.now.Before(to.Add(skew)):
		return w.trail.Refuse(federation.CodeAssertionExpired, name+" NotOnOrAfter", stamp(to), "after "+now, nil)
	case w.now.Before(from.Add(-skew)):
		return w.trail.Refuse(federation.CodeAssertionNotYetValid, name+" NotBefore", stamp(from), "not after "+now, nil)
	case !from.Before(to):
		return w.trail.Refuse(federation.CodeClockSkew, name+" NotBefore", stamp(from), "before "+stamp(to), nil)
	}
	w.trail.Pass(name, stamp(from)+" to "+stamp(to), now)
	return nil
}

// checkAudiences: every restriction must have one of ours (SAML core §2.5.1.4:
// within one "or", between them "and"), and there must be one (T26).
func (w *walk) checkAudiences(c *claims, ours ...string) error {
	restrictions := 0
	for _, el := range c.conditions.ChildElements() {
		if el.Tag != "AudienceRestriction" {
			continue
		}
		restrictions++
		parts, err := content(el, part{nsAssertion, "Audience", 1, 64})
		if err != nil {
			return w.malformed("AudienceRestriction", err)
		}
		found := ""
		for _, audience := range parts["Audience"] {
			name, err := text(audience)
			if err != nil {
				return w.malformed("Audience", err)
			}
			c.audiences = append(c.audiences, name)
			if slices.Contains(ours, name) {
				found = name
			}
		}
		if found == "" {
			return w.trail.Refuse(federation.CodeSAMLAudience, "Audience", joined(c.audiences), joined(ours), nil)
		}
	}
	if restrictions == 0 {
		return w.missing("AudienceRestriction", joined(ours))
	}
	w.trail.Pass("Audience", joined(c.audiences), joined(ours))
	return nil
}

// checkConfirmation: SAML profiles §4.1.4.2: one bearer confirmation with a
// recipient, an end and no beginning. Every confirmation must be for a bearer: one
// that asks for a key is not weakened to one that asks for nothing (M5, T26).
func (w *walk) checkConfirmation(c *claims, inResponseTo string, recipients ...string) error {
	const name = "SubjectConfirmation"
	switch len(c.confirmation) {
	case 0:
		return w.missing(name, methodBearer)
	case 1:
	default:
		return w.trail.Refuse(federation.CodeSAMLConfirmation, name, "several", "one", nil)
	}
	el := c.confirmation[0]
	if method, _ := attribute(el, "Method"); method != methodBearer {
		return w.trail.Refuse(federation.CodeSAMLConfirmation, name, method, methodBearer, nil)
	}
	parts, err := content(el, part{nsAssertion, "NameID", 0, 1}, part{nsAssertion, "SubjectConfirmationData", 0, 1})
	if err != nil {
		return w.malformed(name, err)
	}
	bound := one(parts["SubjectConfirmationData"])
	if bound == nil {
		return w.missing("SubjectConfirmationData", "where and until when")
	}
	if len(parts["NameID"]) > 0 || len(bound.ChildElements()) > 0 { // another than the subject, or a key
		return w.trail.Refuse(federation.CodeSAMLConfirmation, name, "another subject or a key", "the bearer", nil)
	}
	if c.confirmed, err = w.bound(bound, "NotOnOrAfter"); err != nil {
		return err
	}
	if begins, present := attribute(bound, "NotBefore"); present { // profiles §4.1.4.2: MUST NOT
		return w.trail.Refuse(federation.CodeSAMLConfirmation, "SubjectConfirmationData NotBefore", begins, "none", nil)
	}
	recipient, present := attribute(bound, "Recipient")
	switch {
	case !present:
		return w.missing("Recipient", joined(recipients))
	case !slices.Contains(recipients, recipient):
		return w.trail.Refuse(federation.CodeSAMLRecipient, "Recipient", recipient, joined(recipients), nil)
	}
	c.recipient = recipient
	if !w.now.Before(c.confirmed.Add(w.provider.skew())) {
		return w.trail.Refuse(federation.CodeAssertionExpired, "SubjectConfirmationData NotOnOrAfter", stamp(c.confirmed), "after "+stamp(w.now), nil)
	}
	// It is signed with the assertion, which the response around it need not be (T27).
	answers, present := attribute(bound, "InResponseTo")
	switch {
	case inResponseTo == "" && present, answers != inResponseTo:
		return w.trail.Refuse(federation.CodeSAMLInResponseTo, "SubjectConfirmationData InResponseTo", answers, inResponseTo, nil)
	}
	w.trail.Pass(name, methodBearer+" at "+recipient, joined(recipients))
	return nil
}
