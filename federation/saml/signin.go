package saml

import (
	"crypto/x509"
	"log/slog"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// Redemption is a name that the caller uses up, once, in the transaction that
// begins what it stands for. Remember it until then.
type Redemption struct {
	Key   string // unique among those of the issuer
	Until time.Time
}

// SignIn is a person who comes back from the IdP, verified. Only Verify builds
// one.
type SignIn struct{ spoken }

// spoken is what an assertion of either kind says.
type spoken struct {
	provider     *Provider
	said         said
	groups       assertion.Groups
	checks       []federation.Check
	id           string
	issued       time.Time
	expires      time.Time
	until        time.Time
	inResponseTo string
	responseID   string
	oneTime      bool
	audiences    []string
	algorithm    string
	signer       *x509.Certificate
}

func newSpoken(w *walk, c *claims) spoken {
	expires := c.notOnOrAfter
	if c.confirmed.Before(expires) {
		expires = c.confirmed
	}
	// Verify refuses it from the first of three moments on: either end, or its age.
	until := c.issued.Add(w.provider.maxAge())
	if expires.Before(until) {
		until = expires
	}
	return spoken{
		provider: w.provider, said: w.said, groups: w.groups, checks: w.trail.Checks(),
		id: c.id, issued: c.issued, expires: expires, until: until.Add(w.provider.skew()), oneTime: c.oneTime,
		audiences: c.audiences, algorithm: w.algorithm, signer: w.signer,
	}
}

func newSignIn(w *walk, c *claims, r response) *SignIn {
	s := newSpoken(w, c)
	s.inResponseTo, s.responseID = r.inResponseTo, r.id
	return &SignIn{s}
}

// String names the assertion and shows nothing of it.
func (s *spoken) String() string { return "SAML assertion " + s.id + " of " + s.provider.EntityID }

// LogValue is String, for slog.
func (s *spoken) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Provider is the entry under whose rules it was verified. It is shared and must
// not be changed.
func (s *spoken) Provider() *federation.IdentityProvider { return s.provider.IdP }

// EntityID is the IdP's.
func (s *spoken) EntityID() string { return s.provider.EntityID }

// ID is the assertion's, unique with EntityID.
func (s *spoken) ID() string { return s.id }

// IssuedAt is when the IdP made it.
func (s *spoken) IssuedAt() time.Time { return s.issued }

// ExpiresAt is the first moment at which its own words end it.
func (s *spoken) ExpiresAt() time.Time { return s.expires }

// OneTimeUse tells whether it says that it may be used once; here each is.
func (s *spoken) OneTimeUse() bool { return s.oneTime }

// Algorithm is that of the innermost signature.
func (s *spoken) Algorithm() string { return s.algorithm }

// Certificate is the pinned one that verified it. It is shared and must not be changed.
func (s *spoken) Certificate() *x509.Certificate { return s.signer }

// Identifiers are the words in which it speaks of its subject. Subject is set only
// where the name is one that nobody else gets: an attribute that the configuration
// names, or a persistent NameID of the default name space. Every name that stays is
// in SubID, with everything that qualifies it.
func (s *spoken) Identifiers() federation.Identifiers {
	return federation.Identifiers{
		IdPUID: s.provider.IdP.UID, IdPName: s.provider.IdP.Name,
		Tenant: s.said.tenant, Subject: s.said.subject, SubID: s.said.subjectID, Email: s.said.email,
	}
}

// NameID is how the IdP names the person; a logout request repeats it.
func (s *spoken) NameID() NameID { return s.said.nameID }

// Groups is what it says of the subject's groups.
func (s *spoken) Groups() assertion.Groups {
	return assertion.Groups{State: s.groups.State, Values: slices.Clone(s.groups.Values)}
}

// ACR is what the configuration makes of AuthnContextClassRef; the class itself
// where it says nothing; "" where the assertion says nothing.
func (s *spoken) ACR() string { return s.said.acr }

// AuthnContext is the class itself.
func (s *spoken) AuthnContext() string { return s.said.class }

// AMR are the authentication methods; nil when the IdP does not say.
func (s *spoken) AMR() []string { return slices.Clone(s.said.methods) }

// AuthTime is when the person signed in; known is false when it does not say.
func (s *spoken) AuthTime() (at time.Time, known bool) {
	return s.said.signedInAt, !s.said.signedInAt.IsZero()
}

// SessionIndex names the IdP's session, for its logout; "" when there is none.
func (s *spoken) SessionIndex() string { return s.said.sessionIndex }

// SessionEndsAt is when the IdP ends its session at the latest; a session of ours
// must not outlive it. known is false when it does not say.
func (s *spoken) SessionEndsAt() (at time.Time, known bool) {
	return s.said.sessionEnds, !s.said.sessionEnds.IsZero()
}

// Checks is every check that was made, in order.
func (s *spoken) Checks() []federation.Check { return slices.Clone(s.checks) }

// Unsolicited tells whether nobody left for it. It must land on a page where the
// person confirms, and sign nobody in before that (T28).
func (s *SignIn) Unsolicited() bool { return s.inResponseTo == "" }

// InResponseTo is the request that it answers, "" when unsolicited.
func (s *SignIn) InResponseTo() string { return s.inResponseTo }

// Redemptions are the names that are used up with it (T27): the assertion's, and
// the request's where there is one, so that neither one response nor one departure
// signs anybody in twice.
func (s *SignIn) Redemptions() []Redemption {
	list := []Redemption{{Key: "saml:" + s.id, Until: s.until}}
	if s.inResponseTo != "" {
		list = append(list, Redemption{Key: "saml-request:" + s.inResponseTo, Until: s.until})
	}
	return list
}
