package oidc

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// SignIn is a person who signed in at an IdP, for one departure. Only Finish builds
// one; there is no zero value worth having.
type SignIn struct {
	idp       *federation.IdentityProvider
	clientID  string
	token     idToken
	keyID     string
	algorithm string
	met       string
	groups    assertion.Groups
	private   map[string]any
	raw       Secret
	checks    []federation.Check
}

func newSignIn(w *walk, t *idToken, token signed, groups assertion.Groups, private map[string]any, raw Secret) *SignIn {
	return &SignIn{
		idp: w.entry.Provider, clientID: w.entry.ClientID, token: *t, keyID: token.key.ID, algorithm: token.header.Algorithm,
		met: w.met, groups: groups, private: private, raw: raw, checks: w.trail.Checks(),
	}
}

// String names the IdP and shows nothing of the person.
func (s *SignIn) String() string { return "sign-in at " + s.idp.Name }

// GoString is String, for %#v.
func (s *SignIn) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s *SignIn) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Provider is the entry under whose rules it was verified. It is shared and must not
// be changed.
func (s *SignIn) Provider() *federation.IdentityProvider { return s.idp }

// Identifiers are the words in which the IdP speaks of the person, for
// federation.Resolve: (issuer, sub), at Entra (tid, oid). The address is no key by
// itself (T13).
func (s *SignIn) Identifiers() federation.Identifiers {
	return federation.Identifiers{
		IdPUID: s.idp.UID, IdPName: s.idp.Name, Tenant: s.token.tenant, Subject: s.token.subject,
		Email: s.token.email, EmailVerified: s.token.emailVerified, Guest: s.token.guest,
	}
}

// Issuer is the entry's issuer, and iss.
func (s *SignIn) Issuer() string { return s.idp.Issuer }

// ClientID is ours at the IdP.
func (s *SignIn) ClientID() string { return s.clientID }

// Sub is the claim sub, by which a logout token names the person; with a dialect that
// has another claim for the subject it is not Identifiers().Subject.
func (s *SignIn) Sub() string { return s.token.sub }

// SessionID is sid, by which a logout token names the IdP's session; "" when the IdP
// does not say.
func (s *SignIn) SessionID() string { return s.token.session }

// Name is for showing, "" when the IdP does not say. It is text of outsiders.
func (s *SignIn) Name() string { return s.token.name }

// AuthTime is when the person signed in there; known is false when the IdP does not say.
func (s *SignIn) AuthTime() (at time.Time, known bool) {
	return s.token.authTime, !s.token.authTime.IsZero()
}

// ACR is the authentication context: the one that was asked for and reached, else what
// the IdP says, if it says one; "" otherwise.
func (s *SignIn) ACR() string {
	if s.met == "" && len(s.token.contexts) == 1 {
		return s.token.contexts[0]
	}
	return s.met
}

// ACRs are all contexts that the IdP says were reached, which at Entra may be several.
func (s *SignIn) ACRs() []string { return slices.Clone(s.token.contexts) }

// AMR are the authentication methods; nil when the IdP does not say.
func (s *SignIn) AMR() []string { return slices.Clone(s.token.methods) }

// Groups is what the IdP says of the person's groups. An overage denies before policy
// is asked.
func (s *SignIn) Groups() assertion.Groups {
	return assertion.Groups{State: s.groups.State, Values: slices.Clone(s.groups.Values)}
}

// Private are the claims without a meaning here, as sent; what they hold is shared.
func (s *SignIn) Private() map[string]any { return maps.Clone(s.private) }

// IssuedAt is iat of the ID token.
func (s *SignIn) IssuedAt() time.Time { return s.token.issued }

// ExpiresAt is exp of the ID token: how long it may be shown, not how long a session
// may last.
func (s *SignIn) ExpiresAt() time.Time { return s.token.expires }

// IDToken is the token itself, for the hint of a logout at the IdP and nothing else.
func (s *SignIn) IDToken() Secret { return s.raw }

// KeyID is the kid of the key that it was verified with, "" when it has none.
func (s *SignIn) KeyID() string { return s.keyID }

// Algorithm is the JOSE alg.
func (s *SignIn) Algorithm() string { return s.algorithm }

// Checks is every check that was made, in order.
func (s *SignIn) Checks() []federation.Check { return slices.Clone(s.checks) }
