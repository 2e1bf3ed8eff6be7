package assertion

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// Verified is an assertion whose signature and claims hold for one request. Only
// Verify builds one; there is no zero value worth having.
type Verified struct {
	idp       *federation.IdentityProvider
	digest    string
	profile   federation.Profile
	typ       string
	keyID     string
	algorithm string
	claims    claimSet
	jkt       string
	groups    Groups
	private   map[string]any
	checks    []federation.Check
	skew      time.Duration
}

func newVerified(w *walk, c *claimSet) *Verified {
	v := &Verified{
		idp: w.idp, digest: w.digest, profile: w.profile, typ: w.header.Type,
		keyID: w.key.ID, algorithm: w.header.Algorithm,
		claims: *c, groups: w.groups, private: w.private, checks: w.trail.Checks(),
		skew: w.idp.Assertions.ClockSkew,
	}
	v.claims.trail = nil // it leads to the request, and so to the token
	if c.claims.Has("cnf") {
		v.jkt = w.request.ProofThumbprint // which it equals, or it were not verified
	}
	return v
}

// String names the assertion and shows nothing of it.
func (v *Verified) String() string {
	return "assertion " + v.RedemptionKey() + " of " + v.claims.issuer
}

// LogValue is String, for slog.
func (v *Verified) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Provider is the entry under whose rules it was verified. It is shared and must
// not be changed.
func (v *Verified) Provider() *federation.IdentityProvider { return v.idp }

// Profile is the family of the assertion.
func (v *Verified) Profile() federation.Profile { return v.profile }

// Type is the JOSE typ in its one form.
func (v *Verified) Type() string { return v.typ }

// KeyID is the kid of the key that it was verified with, "" when it has none.
func (v *Verified) KeyID() string { return v.keyID }

// Algorithm is the JOSE alg.
func (v *Verified) Algorithm() string { return v.algorithm }

// Issuer is the entry's issuer, and iss wherever there is one.
func (v *Verified) Issuer() string { return v.claims.issuer }

// Subject is sub, or the claim that the entry's dialect has in its place, in the
// issuer's name space.
func (v *Verified) Subject() string { return v.claims.subject }

// ID is jti, or the claim that the entry's dialect has in its place, unique with
// Issuer; "" when there is none, which only a workload's
// token and one that may be presented again can do without.
func (v *Verified) ID() string { return v.claims.id }

// ClientID is the client that it was issued to, which is the one that presented
// it; "" when it names none, which only an ID-JAG must.
func (v *Verified) ClientID() string { return v.claims.clientID }

// IssuedAt is iat; zero when a workload's token has none.
func (v *Verified) IssuedAt() time.Time { return v.claims.issued }

// ExpiresAt is exp.
func (v *Verified) ExpiresAt() time.Time { return v.claims.expires }

// RedeemableUntil is the first moment at which Verify refuses it: exp and the
// entry's clock skew. A redemption must be remembered until then.
func (v *Verified) RedeemableUntil() time.Time { return v.claims.expires.Add(v.skew) }

// Identifiers are the words in which it speaks of its subject. A
// subject is one of its tenant's, where there is one (ID-JAG §3.1; Entra: tid and
// oid together).
func (v *Verified) Identifiers() federation.Identifiers {
	return federation.Identifiers{
		IdPUID: v.idp.UID, IdPName: v.idp.Name,
		Tenant: v.claims.tenant, Subject: v.claims.subject, AudSub: v.claims.audSub,
		SubID: v.claims.subjectID, SubIDFormat: v.claims.subjectIDFormat,
		Email: v.claims.email, EmailVerified: v.claims.emailVerified, Guest: v.claims.guest,
	}
}

// Tenant is the IdP-side tenant, "" when it names none.
func (v *Verified) Tenant() string { return v.claims.tenant }

// Resources are the URIs of resource as sent; nil when the claim is absent.
func (v *Verified) Resources() []string { return slices.Clone(v.claims.resources) }

// Scopes are those asserted, without repetitions; asserted is false when the
// claim is absent. Only an ID-JAG asserts scopes: in other profiles a scope claim is
// the IdP's own vocabulary, and private.
func (v *Verified) Scopes() (scopes []string, asserted bool) {
	return slices.Clone(v.claims.scopes), v.claims.scopes != nil
}

// AuthorizationDetails is the claim of that name as sent; nil when absent.
func (v *Verified) AuthorizationDetails() []any { return slices.Clone(v.claims.details) }

// AuthTime is when the person signed in; known is false when the IdP does not say.
func (v *Verified) AuthTime() (at time.Time, known bool) {
	return v.claims.authTime, !v.claims.authTime.IsZero()
}

// ACR is the authentication context class, "" when the IdP does not say.
func (v *Verified) ACR() string { return v.claims.acr }

// AMR are the authentication methods; nil when the IdP does not say.
func (v *Verified) AMR() []string { return slices.Clone(v.claims.methods) }

// Actor is act, at most four levels deep; nil when absent. It says nothing about
// the client.
func (v *Verified) Actor() map[string]any { return maps.Clone(v.claims.actor) }

// ActorDepth counts the actors of the chain.
func (v *Verified) ActorDepth() int {
	depth := 0
	for actor := v.claims.actor; actor != nil; depth++ {
		actor, _ = actor["act"].(map[string]any)
	}
	return depth
}

// Thumbprint is cnf's jkt, whose key the request proved; "" when it is not bound.
func (v *Verified) Thumbprint() string { return v.jkt }

// Groups is what it says of the subject's groups.
func (v *Verified) Groups() Groups {
	return Groups{State: v.groups.State, Values: slices.Clone(v.groups.Values)}
}

// Private are the claims without a meaning here, as sent.
func (v *Verified) Private() map[string]any { return maps.Clone(v.private) }

// Checks is every check that was made, in order.
func (v *Verified) Checks() []federation.Check { return slices.Clone(v.checks) }
