package saml

import (
	"encoding/base64"
	"log/slog"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
)

// BearerRequest is an assertion that a client presents for a token (RFC 7522 §2.1)
// and what is known about who presents it, and where.
type BearerRequest struct {
	Assertion     string // base64url, as sent
	Issuer        string // ours: the tenant's, byte for byte as published
	TokenEndpoint string // ours too
	ClientID      string // of the client that authenticated
	ClientNames   []string
}

// String names who asks and shows nothing of the assertion.
func (r BearerRequest) String() string { return "SAML assertion presented by " + r.ClientID }

// GoString is String, for %#v.
func (r BearerRequest) GoString() string { return r.String() }

// LogValue is String, for slog.
func (r BearerRequest) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Bearer is an assertion that may be exchanged for a token. Only VerifyBearer
// builds one.
type Bearer struct{ spoken }

// Redemption is the name that is used up with it.
func (b *Bearer) Redemption() Redemption { return Redemption{Key: "saml:" + b.id, Until: b.until} }

// VerifyBearer checks an assertion along the path of Verify, with the rules of RFC
// 7522 §3 and the audiences of RFC 7523bis: our issuer, our token endpoint or our
// entity ID at this IdP. Every error is a *federation.Refusal, except ErrIncomplete.
func (v *Verifier) VerifyBearer(registry *Registry, in BearerRequest) (*Bearer, error) {
	if v.Now == nil || registry == nil || in.Issuer == "" || in.TokenEndpoint == "" || in.ClientID == "" {
		return nil, ErrIncomplete
	}
	// 1. The bytes and the tree; one assertion, alone.
	w := &walk{now: v.Now(), provider: &Provider{IdP: &federation.IdentityProvider{}}}
	root, err := w.parseBearer(in.Assertion)
	if err != nil {
		return nil, err
	}
	// 2. Whose it is, by exact match.
	p, err := w.findProvider(registry, root)
	if err != nil {
		return nil, err
	}
	checks := w.trail
	w = newWalk(p, w.now)
	w.trail = checks
	w.trail.For(p.IdP)
	// 3. Its signature, with that IdP's pinned certificates; from here on only what
	// the signature returned.
	element, err := w.assertion(root, root, false)
	if err != nil {
		return nil, err
	}
	if !p.IdP.Assertions.Allows(federation.ProfileSAML2Bearer) {
		return nil, w.trail.Refuse(federation.CodeProfileNotAllowed, "profile", string(federation.ProfileSAML2Bearer), "a profile of the entry", nil)
	}
	// 4. What it says.
	c, err := w.read(element)
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*claims) error{
		w.checkIssuer, w.checkConditions,
		func(c *claims) error { return w.checkAudiences(c, in.Issuer, in.TokenEndpoint, p.Self.EntityID) },
		// RFC 7522 §3 (5): the recipient is the token endpoint. One for our assertion
		// consumer service was made for a browser and came through it.
		func(c *claims) error { return w.checkConfirmation(c, "", in.TokenEndpoint) },
		w.checkLifetime, w.checkOptionalStatement, w.checkSubject, w.readGroups, w.readAttributes,
	} {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	// 5. Who presents it.
	if !p.IdP.ListsClient(in.ClientNames) {
		return nil, w.trail.Refuse(federation.CodeIssuerClientDenied, "client", in.ClientID, "a client of the entry "+p.IdP.Name, nil)
	}
	w.trail.Pass("client", in.ClientID, "a client of the entry")
	b := &Bearer{newSpoken(w, c)}
	b.until = b.expires.Add(p.skew()) // no age bounds it, its lifetime does
	return b, nil
}

// parseBearer: RFC 7522 §2.1: base64url, without line breaks; padding SHOULD NOT be
// there and may.
func (w *walk) parseBearer(encoded string) (*etree.Element, error) {
	if len(encoded) > MaxBytes*4/3+4 {
		return nil, w.refuseForm(errTooLarge, len(encoded))
	}
	encoding := base64.RawURLEncoding
	if len(encoded)%4 == 0 && len(encoded) > 0 && encoded[len(encoded)-1] == '=' {
		encoding = base64.URLEncoding
	}
	raw, err := encoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) == 0 || containsBreak(encoded) {
		return nil, w.refuseForm(errBase64, len(encoded))
	}
	root, err := w.parseXML(raw)
	if err != nil {
		return nil, err
	}
	if !is(root, nsAssertion, "Assertion") {
		return nil, w.malformed("Assertion", errChildren)
	}
	return root, w.census(root)
}

// containsBreak: the decoder skips line breaks, which makes two texts of one.
func containsBreak(s string) bool {
	for i := range len(s) {
		if s[i] == '\r' || s[i] == '\n' {
			return true
		}
	}
	return false
}

// findProvider reads the one thing that is needed before the signature.
func (w *walk) findProvider(registry *Registry, root *etree.Element) (*Provider, error) {
	children := root.ChildElements()
	if len(children) == 0 || !is(children[0], nsAssertion, "Issuer") {
		return nil, w.missing("Issuer", "an entity ID")
	}
	entityID, err := text(children[0])
	if err != nil {
		return nil, w.malformed("Issuer", err)
	}
	p, found := registry.Lookup(entityID)
	switch {
	case !found:
		return nil, w.trail.Refuse(federation.CodeIssUnknown, "Issuer", entityID, "an entity ID in the registry", nil)
	case p.IdP.Disabled:
		return nil, w.trail.Refuse(federation.CodeIssDisabled, "Issuer", entityID, "an enabled entry", nil)
	}
	w.trail.Pass("Issuer", entityID, p.IdP.Name)
	return p, nil
}

// checkLifetime: what lives long is replayed after a restore. An entry without a
// bound allows nothing.
func (w *walk) checkLifetime(c *claims) error {
	bound := w.provider.IdP.Assertions.MaxLifetime
	ends := c.notOnOrAfter
	if c.confirmed.Before(ends) {
		ends = c.confirmed
	}
	switch {
	case c.issued.After(w.now.Add(w.provider.skew())):
		return w.trail.Refuse(federation.CodeClockSkew, "IssueInstant", stamp(c.issued), "not after "+stamp(w.now), nil)
	case !c.issued.Before(ends):
		return w.trail.Refuse(federation.CodeClockSkew, "IssueInstant", stamp(c.issued), "before "+stamp(ends), nil)
	case ends.Sub(c.issued) > bound:
		return w.trail.Refuse(federation.CodeAssertionTooLongLived, "NotOnOrAfter", ends.Sub(c.issued).Round(time.Second).String(), "at most "+bound.String(), nil)
	}
	return nil
}

// checkOptionalStatement: RFC 7522 §3 (7), (8): how the person signed in may be
// said.
func (w *walk) checkOptionalStatement(c *claims) error {
	if c.statement == nil {
		return nil
	}
	return w.readStatement(c)
}
