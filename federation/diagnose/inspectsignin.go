package diagnose

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// RoundTripper implements oidc.Door.
func (offline) RoundTripper(fetch.Network, fetch.Limit) (http.RoundTripper, error) {
	return nil, errOffline
}

// idToken makes the rows of an ID token of an entry at which people sign in.
func (in *Inspection) idToken(ctx context.Context, compact string, o InspectOptions, now time.Time) {
	if len(o.OpenID.Provider.Keys.Inline) == 0 {
		in.skip("signature", "not verified: give an entry with jwks.inline (--idp)")
		return
	}
	clock := func() time.Time { return now }
	cache := jwks.NewCache(offline{}, clock)
	defer cache.Close()
	checks, err := oidc.New(offline{}, cache, clock).InspectIDToken(ctx, "offline", o.OpenID, compact)
	if err != nil {
		in.fail("entry", CodeConfigInvalid, err.Error(), "an entry that can be used", "mend the entry")
		return
	}
	in.take(checks)
	in.skip("departure", "nonce, at_hash, max_age and acr are compared with what a browser left with: only a server knows")
}

func (in *Inspection) take(checks []federation.Check) {
	for _, check := range checks {
		in.Rows = append(in.Rows, rowOf("verify "+check.Name, check))
	}
}

// LooksLikeSAML tells whether a text is XML, its base64, or a form with one.
func LooksLikeSAML(text string) bool {
	_, found := samlOf(text)
	return found
}

// samlOf finds the document in what people paste: XML, base64, or the body of a form.
func samlOf(text string) ([]byte, bool) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "<") {
		return []byte(text), true
	}
	if _, rest, found := strings.Cut(text, "SAMLResponse="); found {
		value, _, _ := strings.Cut(rest, "&")
		if unescaped, err := url.QueryUnescape(value); err == nil {
			text = unescaped
		}
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || !strings.HasPrefix(strings.TrimSpace(string(raw)), "<") {
		return nil, false
	}
	return raw, true
}

// InspectSAML takes a SAML response or assertion apart, offline. It trusts nothing, keeps nothing and signs nobody in: what
// it shows under Claims is what anybody could have written, unless the rows say that it was verified. With an entry each
// check of a sign-in is made, by the clock of now and with the request that the response says it answers.
func InspectSAML(text string, o InspectOptions, now time.Time) Inspection {
	in := Inspection{LooksLike: "XML, and no SAML response or assertion"}
	raw, _ := samlOf(text)
	s := glance(raw)
	if s.err != nil {
		in.fail("shape", federation.CodeSAMLMalformed, s.err.Error(), "one plain XML document", "paste the field SAMLResponse as it was posted, or the XML")
		return in
	}
	switch s.root {
	case "Response":
		in.LooksLike = "a SAML response"
	case "Assertion":
		in.LooksLike = "a SAML assertion (profile saml2-bearer)"
	case "EntityDescriptor", "EntitiesDescriptor":
		in.LooksLike = "SAML metadata: chancery idp metadata FILE reads it"
	}
	in.Claims = s.said
	if s.root != "Response" && s.root != "Assertion" {
		in.fail("shape", federation.CodeSAMLMalformed, s.root, "Response or Assertion", "paste the field SAMLResponse as it was posted, or the XML")
		return in
	}
	if o.SAML == nil {
		in.skip("signature", "not verified: give the entry with --idp and our issuer with --issuer")
		return in
	}
	encoded := base64.StdEncoding.EncodeToString(raw)
	var checks []federation.Check
	var err error
	verifier := saml.Verifier{Now: func() time.Time { return now }}
	if s.root == "Response" {
		var signedIn *saml.SignIn
		presented := saml.Presented{Response: encoded}
		if s.answers != "" {
			presented.Departure = &saml.Departure{ID: s.answers, Provider: o.SAML.IdP.UID, At: now}
		}
		if signedIn, err = verifier.Verify(o.SAML, presented); err == nil {
			checks = signedIn.Checks()
		}
	} else {
		var bearer *saml.Bearer
		bearer, err = bearerOf(verifier, raw, o)
		if err == nil {
			checks = bearer.Checks()
		}
	}
	if refusal, refused := errors.AsType[*federation.Refusal](err); refused {
		checks, err = refusal.Checks, nil
	}
	if err != nil {
		in.fail("entry", CodeConfigInvalid, err.Error(), "an entry that can be used", "mend the entry")
		return in
	}
	in.take(checks)
	in.skip("departure", "which browser left, for what, and whether it was used before, only a server knows")
	return in
}

func bearerOf(verifier saml.Verifier, raw []byte, o InspectOptions) (*saml.Bearer, error) {
	registry, err := saml.NewRegistry([]*saml.Provider{o.SAML})
	if err != nil {
		return nil, err
	}
	return verifier.VerifyBearer(registry, saml.BearerRequest{
		Assertion: base64.RawURLEncoding.EncodeToString(raw), Issuer: o.Issuer, TokenEndpoint: o.Issuer + "/token",
		ClientID: o.ClientID, ClientNames: o.SAML.IdP.Assertions.Clients,
	})
}

// glanced is what a document says of itself, believed by nobody.
type glanced struct {
	root    string
	answers string // InResponseTo
	said    map[string]any
	err     error
}

// maxShown bounds what is shown of one name.
const maxShown = 64

// glance reads names and texts, and decides nothing.
func glance(raw []byte) glanced {
	g := glanced{said: map[string]any{}}
	if len(raw) > saml.MaxBytes {
		g.err = fmt.Errorf("%d bytes", len(raw))
		return g
	}
	decoder := xml.NewDecoder(strings.NewReader(string(raw)))
	var within []string
	attribute := ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return g
		}
		if err != nil {
			g.err = errors.New("not well-formed XML")
			return g
		}
		switch token := token.(type) {
		case xml.StartElement:
			within = append(within, token.Name.Local)
			if g.root == "" {
				g.root, g.answers = token.Name.Local, attributeOf(token, "InResponseTo")
				g.note("Destination", attributeOf(token, "Destination"))
				g.note("InResponseTo", g.answers)
			}
			g.element(token)
			if token.Name.Local == "Attribute" {
				attribute = attributeOf(token, "Name")
			}
		case xml.EndElement:
			within = within[:max(0, len(within)-1)]
		case xml.CharData:
			text := strings.TrimSpace(string(token))
			if text == "" || len(within) == 0 {
				continue
			}
			switch name := within[len(within)-1]; name {
			case "Issuer", "NameID", "Audience", "AuthnContextClassRef", "StatusMessage":
				g.note(name, text)
			case "AttributeValue":
				g.note("attribute "+attribute, text)
			}
		}
	}
}

func (g *glanced) element(e xml.StartElement) {
	switch e.Name.Local {
	case "NameID":
		g.note("NameID Format", attributeOf(e, "Format"))
	case "StatusCode":
		g.note("StatusCode", attributeOf(e, "Value"))
	case "SubjectConfirmationData":
		g.note("Recipient", attributeOf(e, "Recipient"))
		g.note("NotOnOrAfter", attributeOf(e, "NotOnOrAfter"))
	case "AuthnStatement":
		g.note("AuthnInstant", attributeOf(e, "AuthnInstant"))
	case "SignatureMethod":
		g.note("SignatureMethod", attributeOf(e, "Algorithm"))
	case "EncryptedAssertion":
		g.note("EncryptedAssertion", "what it says cannot be shown")
	}
}

func attributeOf(e xml.StartElement, name string) string {
	i := slices.IndexFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
	if i < 0 {
		return ""
	}
	return e.Attr[i].Value
}

func (g *glanced) note(name, value string) {
	if value == "" || len(g.said) > maxShown {
		return
	}
	value = clip(value)
	list, _ := g.said[name].([]string)
	if len(list) < maxShown && !slices.Contains(list, value) {
		g.said[name] = append(list, value)
	}
}
