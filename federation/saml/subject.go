package saml

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// said is what was read of the person, once every check before it held.
type said struct {
	nameID       NameID
	subject      string
	subjectID    federation.SubjectID
	tenant       string
	email        string
	class        string // AuthnContextClassRef
	acr          string
	methods      []string
	signedInAt   time.Time
	sessionIndex string
	sessionEnds  time.Time // zero when not said
}

// NameID is how the IdP names the person, with everything that qualifies the name.
// A logout request must repeat it.
type NameID struct {
	Value, Format, NameQualifier, SPNameQualifier, SPProvidedID string
}

const maxGroups = 2000

func joined(list []string) string { return strings.Join(list, " ") }

// checkStatement: SAML profiles §4.1.4.2: how the person signed in must be said.
func (w *walk) checkStatement(c *claims) error {
	if c.statement == nil {
		return w.missing("AuthnStatement", "one")
	}
	return w.readStatement(c)
}

func (w *walk) readStatement(c *claims) error {
	at, err := w.bound(c.statement, "AuthnInstant")
	if err != nil {
		return err
	}
	if at.After(w.now.Add(w.provider.skew())) {
		return w.trail.Refuse(federation.CodeClockSkew, "AuthnInstant", stamp(at), "not after "+stamp(w.now), nil)
	}
	w.said.signedInAt = at
	if index, present := attribute(c.statement, "SessionIndex"); present {
		if index == "" || len(index) > 1024 || !isPlain(index) {
			return w.malformed("SessionIndex", errValue)
		}
		w.said.sessionIndex = index
	}
	if _, present := attribute(c.statement, "SessionNotOnOrAfter"); present {
		ends, err := w.bound(c.statement, "SessionNotOnOrAfter")
		if err != nil {
			return err
		}
		if !w.now.Before(ends) { // a session that is over is not begun here
			return w.trail.Refuse(federation.CodeSAMLAuthnStale, "SessionNotOnOrAfter", stamp(ends), "after "+stamp(w.now), nil)
		}
		w.said.sessionEnds = ends
	}
	parts, err := content(c.statement, part{nsAssertion, "SubjectLocality", 0, 1}, part{nsAssertion, "AuthnContext", 1, 1})
	if err != nil {
		return w.malformed("AuthnStatement", err)
	}
	return w.readClass(one(parts["AuthnContext"]))
}

// readClass reads AuthnContextClassRef and nothing else of the context (SAML core
// §2.7.2.2). What it is worth is the configuration's to say.
func (w *walk) readClass(el *etree.Element) error {
	for _, child := range el.ChildElements() {
		switch {
		case is(child, nsAssertion, "AuthnContextClassRef") && w.said.class == "":
			class, err := text(child)
			if err != nil {
				return w.malformed("AuthnContextClassRef", err)
			}
			w.said.class = class
		case is(child, nsAssertion, "AuthnContextDecl"), is(child, nsAssertion, "AuthnContextDeclRef"), is(child, nsAssertion, "AuthenticatingAuthority"):
		default:
			return w.malformed("AuthnContext", errChildren)
		}
	}
	if w.said.class == "" {
		return w.missing("AuthnContextClassRef", "one")
	}
	w.said.acr = w.said.class
	if acr, mapped := w.provider.ACR[w.said.class]; mapped {
		w.said.acr = acr
	}
	w.trail.Pass("AuthnContextClassRef", w.said.class, "acr "+w.said.acr)
	return nil
}

// checkContext: what was asked for must have happened (T48): evidence is verified
// and never assumed.
func (w *walk) checkContext(departure *Departure) error {
	if departure == nil {
		return nil
	}
	if len(departure.Contexts) > 0 && !slices.Contains(departure.Contexts, w.said.class) {
		return w.trail.Refuse(federation.CodeSAMLAuthnContext, "AuthnContextClassRef", w.said.class, joined(departure.Contexts), nil)
	}
	if departure.Forced && w.said.signedInAt.Before(departure.At.Add(-w.provider.skew())) {
		return w.trail.Refuse(federation.CodeSAMLAuthnStale, "AuthnInstant", stamp(w.said.signedInAt), "after "+stamp(departure.At), nil)
	}
	return nil
}

// checkSubject reads whom it is about. A transient name is another one the next
// time, so that it keys no account (SAML core §8.3.8); what an attribute says may.
func (w *walk) checkSubject(c *claims) error {
	if err := w.readNameID(c.nameID); err != nil {
		return err
	}
	if name := w.provider.Attributes.Subject; name != "" {
		value, err := w.single(c, name)
		if err != nil {
			return err
		}
		if value == "" {
			return w.missing(name, "the attribute that names the account")
		}
		if len(value) > 255 {
			return w.malformed(name, errValue)
		}
		w.said.subject = value
	}
	id := w.said.nameID
	if id.Value != "" && id.Format != NameIDTransient {
		var err error
		if w.said.subjectID, err = w.subjectIDOf(id); err != nil {
			return err
		}
		// Only a persistent name is one that nobody else gets (SAML core §8.3.7), and
		// only in its own name space: another qualifier is another space.
		if w.said.subject == "" && id.Format == NameIDPersistent && w.isOwnSpace(id) && len(id.Value) <= 255 {
			w.said.subject = id.Value
		}
	}
	if w.said.subject == "" && w.said.subjectID.IsZero() {
		return w.trail.Refuse(federation.CodeSAMLNameID, "NameID", id.Format, "a name that stays: persistent, or an attribute for the subject", nil)
	}
	w.trail.Pass("NameID", id.Format, "a name that stays")
	return nil
}

// subjectIDOf has every member that the name has (ID-JAG saml-nameid): nothing is
// matched on the value alone.
func (w *walk) subjectIDOf(id NameID) (federation.SubjectID, error) {
	members := map[string]any{"format": federation.FormatSAMLNameID, "issuer": w.provider.EntityID, "nameid": id.Value}
	for name, value := range map[string]string{
		"nameid_format": id.Format, "name_qualifier": id.NameQualifier,
		"sp_name_qualifier": id.SPNameQualifier, "sp_provided_id": id.SPProvidedID,
	} {
		if value != "" {
			members[name] = value
		}
	}
	subjectID, err := federation.ParseSubjectID(members)
	if err != nil {
		return federation.SubjectID{}, w.trail.Refuse(federation.CodeSAMLNameID, "NameID", "", "a name of at most 1024 bytes", err)
	}
	return subjectID, nil
}

func (w *walk) isOwnSpace(id NameID) bool {
	return (id.NameQualifier == "" || id.NameQualifier == w.provider.EntityID) &&
		(id.SPNameQualifier == "" || id.SPNameQualifier == w.provider.Self.EntityID)
}

func (w *walk) readNameID(el *etree.Element) error {
	if el == nil {
		return nil
	}
	value, err := text(el)
	if err != nil {
		return w.trail.Refuse(federation.CodeSAMLNameID, "NameID", err.Error(), "plain text", err)
	}
	id := NameID{Value: value}
	for name, into := range map[string]*string{
		"Format": &id.Format, "NameQualifier": &id.NameQualifier, "SPNameQualifier": &id.SPNameQualifier, "SPProvidedID": &id.SPProvidedID,
	} {
		stated, present := attribute(el, name)
		if present && (stated == "" || len(stated) > 1024 || !isPlain(stated)) {
			return w.trail.Refuse(federation.CodeSAMLNameID, "NameID", name, "plain text", errValue)
		}
		*into = stated
	}
	w.said.nameID = id
	return nil
}

// values returns what attributes of a name say, in order. Values that are elements
// or nil have no text and are left out of what is read.
func (w *walk) values(c *claims, name string) (values []string, present bool, err error) {
	for _, el := range c.attributes {
		if stated, _ := attribute(el, "Name"); stated != name {
			continue
		}
		present = true
		parts, err := content(el, part{nsAssertion, "AttributeValue", 0, many})
		if err != nil {
			return nil, true, w.malformed(name, err)
		}
		for _, value := range parts["AttributeValue"] {
			if isNil(value) || len(value.ChildElements()) > 0 {
				continue
			}
			s, err := text(value)
			if err != nil {
				return nil, true, w.trail.Refuse(federation.CodeClaimMalformed, name, err.Error(), "plain text", err)
			}
			values = append(values, s)
		}
	}
	return values, present, nil
}

func isNil(el *etree.Element) bool {
	for _, a := range el.Attr {
		if a.Key == "nil" && a.NamespaceURI() == nsInstance && (a.Value == "true" || a.Value == "1") {
			return true
		}
	}
	return false
}

// single returns the one value of an attribute, "" when there is none.
func (w *walk) single(c *claims, name string) (string, error) {
	values, _, err := w.values(c, name)
	switch {
	case err != nil:
		return "", err
	case len(values) > 1:
		return "", w.trail.Refuse(federation.CodeClaimMalformed, name, strconv.Itoa(len(values))+" values", "one", nil)
	case len(values) == 0:
		return "", nil
	}
	return values[0], nil
}

// readGroups reads the attribute that the entry names. Where the IdP says that
// groups are elsewhere (Entra: groups.link, beyond 150), those that it sent do
// not count, and where they are is never asked (T15, T16).
func (w *walk) readGroups(c *claims) error {
	rules := w.provider.IdP.Claims
	if !rules.ReadsClaim() {
		return nil
	}
	for _, el := range c.attributes {
		if name, _ := attribute(el, "Name"); name == entraGroupsLink || name == rules.Groups+".link" {
			return w.overage(name)
		}
	}
	values, present, err := w.values(c, rules.Groups)
	switch {
	case err != nil:
		return err
	case !present:
		return nil
	case len(values) > maxGroups:
		return w.trail.Refuse(federation.CodeGroupsMalformed, rules.Groups, strconv.Itoa(len(values))+" values", "at most 2000", nil)
	case rules.Groups == entraGroups && len(values) > entraMaxGroups: // more than Entra ever sends: not its whole list
		return w.overage(strconv.Itoa(len(values)) + " values")
	}
	w.groups = assertion.Groups{State: assertion.GroupsComplete, Values: values}
	w.trail.Pass(rules.Groups, strconv.Itoa(len(values))+" groups", "a list of names")
	return nil
}

func (w *walk) overage(received string) error {
	w.groups.State = assertion.GroupsOverage
	w.trail.Pass(w.provider.IdP.Claims.Groups, received, "groups were left out")
	return nil
}

func (w *walk) readAttributes(c *claims) error {
	names := w.provider.Attributes
	var err error
	if names.Email != "" {
		if w.said.email, err = w.single(c, names.Email); err != nil {
			return err
		}
	}
	if names.AMR != "" {
		if w.said.methods, _, err = w.values(c, names.AMR); err != nil {
			return err
		}
	}
	listed := w.provider.IdP.Assertions.Tenants
	if names.Tenant != "" {
		if w.said.tenant, err = w.single(c, names.Tenant); err != nil {
			return err
		}
	}
	switch {
	case w.said.tenant == "" && len(listed) > 0:
		return w.trail.Refuse(federation.CodeTenantMissing, "tenant", "", joined(listed), nil)
	case w.said.tenant != "" && !slices.Contains(listed, w.said.tenant):
		return w.trail.Refuse(federation.CodeTenantUnlisted, "tenant", w.said.tenant, joined(listed), nil)
	}
	return nil
}
