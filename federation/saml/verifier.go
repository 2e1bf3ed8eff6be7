package saml

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// Verifier verifies what IdPs send. It is safe for concurrent use.
type Verifier struct {
	Now func() time.Time
}

// Departure is what is remembered of a person whom we sent to the IdP. The caller
// keeps it with the session that left and gives it back once.
type Departure struct {
	ID       string // of the AuthnRequest
	Provider string // uid of the IdP's entry
	At       time.Time
	Forced   bool     // ForceAuthn: the person must sign in anew
	Contexts []string // AuthnContextClassRefs, one of which is needed; nil for any
}

// DepartureLifetime is how long somebody may take at the IdP.
const DepartureLifetime = 10 * time.Minute

// Expires is the first moment at which a departure is not waited for any more.
func (d Departure) Expires() time.Time { return d.At.Add(DepartureLifetime) }

// Presented is a form post to our assertion consumer service.
type Presented struct {
	Response string // SAMLResponse, as sent
	// Departure belongs to the session in which it arrives; nil when nobody left.
	Departure *Departure
}

// String shows nothing: a response signs a person in for as long as it lives.
func (Presented) String() string { return "SAML response" }

// GoString is String, for %#v.
func (p Presented) GoString() string { return p.String() }

// LogValue is String, for slog.
func (p Presented) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Verify checks a response. Every error is a *federation.Refusal, except
// ErrIncomplete.
func (v *Verifier) Verify(p *Provider, in Presented) (*SignIn, error) {
	if v.Now == nil || p.Validate() != nil {
		return nil, ErrIncomplete
	}
	w := newWalk(p, v.Now())

	// 1. The bytes, before any XML library, and the tree, before anything in it.
	root, err := w.parse(in.Response)
	if err != nil {
		return nil, err
	}
	// 2. One Response of the schema's form with one assertion in it, and no other anywhere.
	if err := w.census(root); err != nil {
		return nil, err
	}
	// 3. The response's own signature, where it has one. From here on the response is
	// what that signature returned.
	message, signed, err := w.message(root, "Response")
	if err != nil {
		return nil, err
	}
	// 4. Whom it is from, for whom, in answer to what, and whether it says yes.
	r, err := w.response(message, in.Departure)
	if err != nil {
		return nil, err
	}
	// 5. The assertion: decrypted, and the element that its signature returned, or
	// the signed response's own child.
	original, err := w.holder(root)
	if err != nil {
		return nil, err
	}
	element, err := w.assertion(original, r.holder, signed)
	if err != nil {
		return nil, err
	}
	// 6. What it says: form first, then each check.
	c, err := w.read(element)
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*claims) error{
		w.checkIssuer, w.checkIssued, w.checkConditions,
		func(c *claims) error { return w.checkAudiences(c, p.Self.EntityID) },
		func(c *claims) error { return w.checkConfirmation(c, r.inResponseTo, p.Self.ACS) },
		w.checkStatement,
		func(*claims) error { return w.checkContext(in.Departure) },
		w.checkSubject, w.readGroups, w.readAttributes,
	} {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	return newSignIn(w, c, r), nil
}

// walk is one verification under way.
type walk struct {
	provider  *Provider
	now       time.Time
	trail     federation.Trail
	algorithm string
	signer    *x509.Certificate
	groups    assertion.Groups
	said      said
}

func newWalk(p *Provider, now time.Time) *walk {
	w := &walk{provider: p, now: now, groups: assertion.Groups{State: assertion.GroupsAbsent}}
	w.trail.For(p.IdP)
	return w
}

func (w *walk) parse(encoded string) (*etree.Element, error) {
	raw, err := decode(encoded)
	if err != nil {
		return nil, w.refuseForm(err, len(encoded))
	}
	return w.parseXML(raw)
}

func (w *walk) parseXML(raw []byte) (*etree.Element, error) {
	root, err := parse(raw)
	if err != nil {
		return nil, w.refuseForm(err, len(raw))
	}
	w.trail.Pass("shape", strconv.Itoa(len(raw))+" bytes", "one plain XML document")
	return root, nil
}

func (w *walk) refuseForm(err error, size int) error {
	code := federation.CodeSAMLMalformed
	if errors.Is(err, errTooLarge) {
		code = federation.CodeSAMLTooLarge
	}
	return w.trail.Refuse(code, "shape", strconv.Itoa(size)+" bytes: "+err.Error(), "one plain XML document of at most 512 KiB", err)
}

func (w *walk) malformed(name string, err error) error {
	return w.trail.Refuse(federation.CodeSAMLMalformed, name, err.Error(), "the schema's form", err)
}

func (w *walk) missing(name, expected string) error {
	return w.trail.Refuse(federation.CodeSAMLElementMissing, name, "", expected, nil)
}

// refuseSignature gives each reason its code.
func (w *walk) refuseSignature(name string, err error) error {
	code, expected := federation.CodeSAMLSignatureInvalid, "a signature by a certificate of "+w.provider.IdP.Name
	switch {
	case errors.Is(err, errSignatureForm):
		code, expected = federation.CodeSAMLSignatureMalformed, "one enveloped signature over its parent, by ID"
	case errors.Is(err, errSignatureAlgorithm):
		code, expected = federation.CodeSAMLAlgorithm, "SHA-256 or better, exclusive canonicalization"
	case errors.Is(err, errCertificateExpired):
		code, expected = federation.CodeSAMLCertificateExpired, "a certificate that is valid now"
	}
	return w.trail.Refuse(code, name, err.Error(), expected, err)
}
