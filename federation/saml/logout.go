package saml

import (
	"errors"
	"slices"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"github.com/chancery-dev/chancery/federation"
)

// Incoming is a logout message as it came: a query for the redirect binding, a form
// field for POST. Exactly one of them is set.
type Incoming struct {
	Query      string // r.URL.RawQuery, untouched: the signature is over its bytes
	Form       string // SAMLRequest or SAMLResponse
	RelayState string // of the form
}

// LogoutRequest is an IdP that ends a person's session, verified. Only
// VerifyLogoutRequest builds one.
type LogoutRequest struct {
	provider   *Provider
	id         string
	nameID     NameID
	subjectID  federation.SubjectID
	sessions   []string
	relayState string
	until      time.Time
	checks     []federation.Check
}

// NameID is the person whose sessions end.
func (l *LogoutRequest) NameID() NameID { return l.nameID }

// SubjectID is the same in the form in which a sign-in had it, zero for a transient
// name, which only SessionIndexes can place.
func (l *LogoutRequest) SubjectID() federation.SubjectID { return l.subjectID }

// SessionIndexes are the sessions that end; none means every one of that person
// (SAML core §3.7.1).
func (l *LogoutRequest) SessionIndexes() []string { return slices.Clone(l.sessions) }

// Redemption is the name that is used up with it.
func (l *LogoutRequest) Redemption() Redemption {
	return Redemption{Key: "saml-logout:" + l.id, Until: l.until}
}

// Provider is whose it is.
func (l *LogoutRequest) Provider() *federation.IdentityProvider { return l.provider.IdP }

// Checks is every check that was made, in order.
func (l *LogoutRequest) Checks() []federation.Check { return slices.Clone(l.checks) }

// VerifyLogoutRequest checks a LogoutRequest. It must be signed (T30): whoever could
// send one without would log people out as he likes. Every error is a
// *federation.Refusal, except ErrIncomplete.
func (v *Verifier) VerifyLogoutRequest(p *Provider, in Incoming) (*LogoutRequest, error) {
	w, message, relayState, err := v.logoutMessage(p, in, "LogoutRequest", "SAMLRequest")
	if err != nil {
		return nil, err
	}
	parts, err := content(message, part{nsAssertion, "Issuer", 1, 1}, part{nsSignature, "Signature", 0, 1},
		part{nsAssertion, "NameID", 1, 1}, part{nsProtocol, "SessionIndex", 0, 64})
	if err != nil {
		return nil, w.malformed("LogoutRequest", err)
	}
	l := &LogoutRequest{provider: p, relayState: relayState, until: w.now.Add(p.maxAge() + 2*p.skew())}
	if l.id, err = w.envelope(message, one(parts["Issuer"]), p.Self.SLO); err != nil {
		return nil, err
	}
	if _, present := attribute(message, "NotOnOrAfter"); present {
		ends, err := w.bound(message, "NotOnOrAfter")
		if err != nil {
			return nil, err
		}
		if !w.now.Before(ends.Add(p.skew())) {
			return nil, w.trail.Refuse(federation.CodeAssertionExpired, "NotOnOrAfter", stamp(ends), "after "+stamp(w.now), nil)
		}
	}
	if err := w.readNameID(one(parts["NameID"])); err != nil {
		return nil, err
	}
	if l.nameID = w.said.nameID; l.nameID.Format != NameIDTransient {
		if l.subjectID, err = w.subjectIDOf(l.nameID); err != nil {
			return nil, err
		}
	}
	for _, el := range parts["SessionIndex"] {
		index, err := text(el)
		if err != nil {
			return nil, w.malformed("SessionIndex", err)
		}
		l.sessions = append(l.sessions, index)
	}
	if l.nameID.Format == NameIDTransient && len(l.sessions) == 0 {
		return nil, w.missing("SessionIndex", "one, since the name is transient")
	}
	l.checks = w.trail.Checks()
	return l, nil
}

// VerifyLogoutResponse checks the IdP's answer to a logout that began here. partial
// tells that it could not end every session elsewhere (SAML core §3.7.3.2).
func (v *Verifier) VerifyLogoutResponse(p *Provider, in Incoming, departure Departure) (partial bool, err error) {
	w, message, _, err := v.logoutMessage(p, in, "LogoutResponse", "SAMLResponse")
	if err != nil {
		return false, err
	}
	parts, err := content(message, part{nsAssertion, "Issuer", 1, 1}, part{nsSignature, "Signature", 0, 1}, part{nsProtocol, "Status", 1, 1})
	if err != nil {
		return false, w.malformed("LogoutResponse", err)
	}
	if _, err := w.envelope(message, one(parts["Issuer"]), p.Self.SLO); err != nil {
		return false, err
	}
	answers, present := attribute(message, "InResponseTo")
	if _, err := w.answer(answers, present, &departure); err != nil {
		return false, err
	}
	return slices.ContainsFunc(message.FindElements("./Status/StatusCode/StatusCode"), func(el *etree.Element) bool {
		value, _ := attribute(el, "Value")
		return value == "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"
	}), w.checkStatus(one(parts["Status"]), nil)
}

// logoutMessage reads a message of either binding and demands its signature.
func (v *Verifier) logoutMessage(p *Provider, in Incoming, name, kind string) (*walk, *etree.Element, string, error) {
	if v.Now == nil || p.Validate() != nil || p.Self.SLO == "" || (in.Query == "") == (in.Form == "") {
		return nil, nil, "", ErrIncomplete
	}
	w := newWalk(p, v.Now())
	if in.Query != "" {
		message, relayState, err := w.logoutByRedirect(in.Query, name, kind)
		return w, message, relayState, err
	}
	root, err := w.parse(in.Form)
	if err != nil {
		return nil, nil, "", err
	}
	if err := w.census(root); err != nil {
		return nil, nil, "", err
	}
	message, signed, err := w.message(root, name)
	if err == nil && !signed {
		err = w.trail.Refuse(federation.CodeSAMLUnsigned, "signature", "none", "a signed "+name, nil)
	}
	return w, message, in.RelayState, err
}

func (w *walk) logoutByRedirect(query, name, kind string) (*etree.Element, string, error) {
	r, err := parseRedirect(query, kind)
	if err != nil {
		return nil, "", w.refuseForm(err, len(query))
	}
	_, err = r.verify(w.provider.Certificates, w.now)
	switch {
	case errors.Is(err, errUnsigned):
		return nil, "", w.trail.Refuse(federation.CodeSAMLUnsigned, "Signature", "none", "a signed "+name, nil)
	case err != nil:
		return nil, "", w.refuseSignature("Signature", err)
	}
	w.trail.Pass("Signature", r.algorithm, "a certificate of "+w.provider.IdP.Name)
	root, err := w.parseXML(r.raw) // whose bytes were just verified
	if err != nil {
		return nil, "", err
	}
	if !is(root, nsProtocol, name) || signatureOf(root) != nil { // SAML bindings §3.4.4.1: none inside
		return nil, "", w.malformed(name, errChildren)
	}
	return root, r.relayState, w.census(root)
}

// RequestLogout builds a signed request that ends the person's session at the IdP,
// and what must be remembered of it.
func (v *Verifier) RequestLogout(p *Provider, person NameID, sessionIndex, relayState string) (Outgoing, Departure, error) {
	if v.Now == nil || p.Validate() != nil || person.Value == "" || p.Self.SLO == "" || len(relayState) > 80 {
		return Outgoing{}, Departure{}, ErrIncomplete
	}
	endpoint, err := choose(p.Logout, "")
	if err != nil {
		return Outgoing{}, Departure{}, err
	}
	now := v.Now().UTC()
	request := saml.LogoutRequest{
		ID: newID(), Version: version, IssueInstant: now, Destination: endpoint.Location,
		Issuer: &saml.Issuer{Value: p.Self.EntityID},
		NameID: &saml.NameID{
			Value: person.Value, Format: person.Format, NameQualifier: person.NameQualifier,
			SPNameQualifier: person.SPNameQualifier, SPProvidedID: person.SPProvidedID,
		},
	}
	if sessionIndex != "" {
		request.SessionIndex = &saml.SessionIndex{Value: sessionIndex}
	}
	out, err := p.outgoing(request.Element(), "SAMLRequest", endpoint.Binding, endpoint.Location, relayState, true)
	return out, Departure{ID: request.ID, Provider: p.IdP.UID, At: now}, err
}

// AnswerLogout builds the signed answer to a LogoutRequest that was followed. known: the principal is one whom we have or had
// signed in; nobody else's session can have ended, and saying so would be untrue (SAML core §3.2.2.2, UnknownPrincipal).
func (v *Verifier) AnswerLogout(l *LogoutRequest, known bool) (Outgoing, error) {
	if v.Now == nil || l == nil || l.provider == nil {
		return Outgoing{}, ErrIncomplete
	}
	endpoint, err := choose(l.provider.Logout, "")
	if err != nil {
		return Outgoing{}, err
	}
	location := endpoint.Location
	if endpoint.ResponseLocation != "" {
		location = endpoint.ResponseLocation
	}
	status := saml.StatusCode{Value: statusSuccess}
	if !known {
		status = saml.StatusCode{Value: saml.StatusRequester, StatusCode: &saml.StatusCode{Value: saml.StatusUnknownPrincipal}}
	}
	response := saml.LogoutResponse{
		ID: newID(), InResponseTo: l.id, Version: version, IssueInstant: v.Now().UTC(), Destination: location,
		Issuer: &saml.Issuer{Value: l.provider.Self.EntityID},
		Status: saml.Status{StatusCode: status},
	}
	return l.provider.outgoing(response.Element(), "SAMLResponse", endpoint.Binding, location, l.relayState, true)
}
