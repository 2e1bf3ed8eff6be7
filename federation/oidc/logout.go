package oidc

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// logoutEvent is the member of events that says logout (Back-Channel Logout §2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutMaxLifetime: the standard recommends two minutes at most.
const logoutMaxLifetime = 10 * time.Minute

// LogoutNotice is an IdP's word that a session ended there. Only VerifyLogout builds
// one. The caller redeems it once, by RedemptionKey.
type LogoutNotice struct {
	idp     *federation.IdentityProvider
	sub     string
	session string
	tenant  string
	id      string
	until   time.Time
	checks  []federation.Check
}

// VerifyLogout checks a logout token (Back-Channel Logout §2.6). Errors are a
// *federation.Refusal or ErrIncomplete. It does not check that the token was not
// presented before.
func (rp *RelyingParty) VerifyLogout(ctx context.Context, owner string, e *Entry, compact string) (*LogoutNotice, error) {
	trail := &federation.Trail{}
	if err := rp.check(owner, e, trail); err != nil {
		return nil, err
	}
	// 1. As an ID token: shape, typ, issuer, signature.
	token, err := rp.verify(ctx, owner, e, kindLogout(), compact, trail)
	if err != nil {
		return nil, err
	}
	// 2. What tells it from every other token: an event, and no nonce.
	claims := token.claims
	if claims.Has("nonce") { // §2.4: MUST NOT
		return nil, trail.Refuse(federation.CodeLogoutNoncePresent, "nonce", "the claim", "none", nil)
	}
	events, _, err := claims.Object("events")
	if err != nil {
		return nil, refuseClaims(trail, err)
	}
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return nil, trail.Refuse(federation.CodeLogoutEventMissing, "events", "", logoutEvent, nil)
	}
	// 3. For us, now, once.
	r := &reader{claims: claims, trail: trail}
	audience, id := r.audience(), r.required("jti")
	issued, expires := r.requiredTime("iat"), r.requiredTime("exp")
	sub, session := r.identifier("sub"), r.identifier("sid")
	tenant := ""
	if name := e.Provider.Dialect.TenantClaim; name != "" {
		tenant = r.identifier(name)
	}
	if r.refusal != nil {
		return nil, r.refusal
	}
	if !slices.Contains(audience, e.ClientID) {
		return nil, trail.Refuse(federation.CodeLogoutNotForUs, "aud", strings.Join(audience, " "), e.ClientID, nil)
	}
	if err := checkLogoutTimes(rp.now(), e.ClockSkew, issued, expires, trail); err != nil {
		return nil, err
	}
	// 4. Whose session.
	if sub == "" && session == "" {
		return nil, trail.Refuse(federation.CodeLogoutSubjectMissing, "sub", "", "sub, sid or both", nil)
	}
	if want := e.Provider.Dialect.Tenant; tenant != "" && want != "" && tenant != want {
		return nil, trail.Refuse(federation.CodeTenantUnlisted, e.Provider.Dialect.TenantClaim, tenant, want, nil)
	}
	trail.Pass("subject", "sub or sid", "sub, sid or both")
	return &LogoutNotice{
		idp: e.Provider, sub: sub, session: session, tenant: tenant, id: id, until: expires.Add(e.ClockSkew), checks: trail.Checks(),
	}, nil
}

func checkLogoutTimes(now time.Time, skew time.Duration, issued, expires time.Time, trail *federation.Trail) error {
	switch {
	case !now.Before(expires.Add(skew)):
		return trail.Refuse(federation.CodeLogoutExpired, "exp", stamp(expires), "after "+stamp(now), nil)
	case now.Before(issued.Add(-skew)), !issued.Before(expires):
		return trail.Refuse(federation.CodeClockSkew, "iat", stamp(issued), "not after "+stamp(now)+", and before exp", nil)
	case expires.Sub(issued) > logoutMaxLifetime:
		return trail.Refuse(federation.CodeLogoutExpired, "exp", expires.Sub(issued).String(), "at most "+logoutMaxLifetime.String(), nil)
	}
	trail.Pass("times", stamp(issued)+" to "+stamp(expires), stamp(now))
	return nil
}

// String names the IdP and shows nothing of the person.
func (n *LogoutNotice) String() string { return "logout at " + n.idp.Name }

// LogValue is String, for slog.
func (n *LogoutNotice) LogValue() slog.Value { return slog.StringValue(n.String()) }

// Provider is the entry under whose rules it was verified.
func (n *LogoutNotice) Provider() *federation.IdentityProvider { return n.idp }

// Sub is whose sessions ended, as SignIn.Sub; "" when only SessionID says it.
func (n *LogoutNotice) Sub() string { return n.sub }

// SessionID is the session that ended, as SignIn.SessionID; "" means all of Sub's.
func (n *LogoutNotice) SessionID() string { return n.session }

// Tenant is the IdP-side tenant, "" when it names none.
func (n *LogoutNotice) Tenant() string { return n.tenant }

// RedemptionKey names the token among those of its issuer.
func (n *LogoutNotice) RedemptionKey() string { return "logout:" + n.id }

// RedeemableUntil is the first moment at which VerifyLogout refuses it: its redemption
// must be remembered until then.
func (n *LogoutNotice) RedeemableUntil() time.Time { return n.until }

// Checks is every check that was made, in order.
func (n *LogoutNotice) Checks() []federation.Check { return slices.Clone(n.checks) }
