package oidc

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// Bounds of an ID token's times.
const (
	idTokenMaxLifetime = 24 * time.Hour
	idTokenMaxAge      = 10 * time.Minute // Entra dates iat five minutes back
)

// walk is one sign-in under way.
type walk struct {
	entry     *Entry
	departure Departure
	now       time.Time
	skew      time.Duration
	algorithm string
	access    string
	met       string // the acr that was asked for and reached
	trail     *federation.Trail
}

// checks are those of an ID token, in their order (OIDC Core §3.1.3.7).
func (w *walk) checks() []func(*idToken) error {
	return []func(*idToken) error{
		w.checkPurpose, w.checkAudience, w.checkTimes, w.checkNonce, w.checkAccessToken,
		w.checkTenant, w.checkHostedDomain, w.checkAuthTime, w.checkContext,
	}
}

// checkPurpose: typ in the header says little; these tell another kind of token (T10).
func (w *walk) checkPurpose(t *idToken) error {
	if t.claims.Has("events") { // Back-Channel Logout §2.4, RFC 8417 §2.2
		return w.trail.Refuse(federation.CodeTypWrong, "events", "a logout token or a security event", "an ID token", nil)
	}
	for _, name := range []string{"typ", "token_use"} { // Keycloak; Amazon Cognito
		value, present := t.claims.Value(name)
		text, _ := value.(string)
		if present && !strings.EqualFold(text, "id") {
			return w.trail.Refuse(federation.CodeTypWrong, name, text, "ID", nil)
		}
	}
	return nil
}

// checkAudience: (3) to (5): for us; issued to us, wherever that is said; and said,
// where others could use it too.
func (w *walk) checkAudience(t *idToken) error {
	us := w.entry.ClientID
	switch {
	case !slices.Contains(t.audience, us):
		return w.trail.Refuse(federation.CodeIDTokenAudience, "aud", strings.Join(t.audience, " "), us, nil)
	case t.azp != "" && t.azp != us, len(t.audience) > 1 && t.azp == "":
		return w.trail.Refuse(federation.CodeIDTokenAzp, "azp", t.azp, us, nil)
	}
	w.trail.Pass("aud", strings.Join(t.audience, " "), us)
	return nil
}

// checkTimes: (9), (10), RFC 7519 §4.1.4-6.
func (w *walk) checkTimes(t *idToken) error {
	now := stamp(w.now)
	switch {
	case !w.now.Before(t.expires.Add(w.skew)):
		return w.trail.Refuse(federation.CodeIDTokenExpired, "exp", stamp(t.expires), "after "+now, nil)
	case !t.notBefore.IsZero() && w.now.Before(t.notBefore.Add(-w.skew)):
		return w.trail.Refuse(federation.CodeIDTokenNotYetValid, "nbf", stamp(t.notBefore), "not after "+now, nil)
	case w.now.Before(t.issued.Add(-w.skew)), !t.issued.Before(t.expires):
		return w.trail.Refuse(federation.CodeClockSkew, "iat", stamp(t.issued), "not after "+now+", and before exp", nil)
	case t.expires.Sub(t.issued) > idTokenMaxLifetime:
		return w.trail.Refuse(federation.CodeIDTokenTooLongLived, "exp", t.expires.Sub(t.issued).String(), "at most "+idTokenMaxLifetime.String(), nil)
	case w.now.Sub(t.issued) > idTokenMaxAge+w.skew: // it was made for a code that we have just redeemed
		return w.trail.Refuse(federation.CodeIDTokenStale, "iat", stamp(t.issued), "at most "+idTokenMaxAge.String()+" before "+now, nil)
	}
	w.trail.Pass("times", stamp(t.issued)+" to "+stamp(t.expires), now)
	return nil
}

// checkNonce: (11).
func (w *walk) checkNonce(t *idToken) error {
	switch {
	case t.nonce == "":
		return w.trail.Refuse(federation.CodeNonceMismatch, "nonce", "none", "the departure's", nil)
	case subtle.ConstantTimeCompare([]byte(t.nonce), []byte(w.departure.Nonce)) != 1:
		return w.trail.Refuse(federation.CodeNonceMismatch, "nonce", "another", "the departure's", nil)
	}
	w.trail.Pass("nonce", "the departure's", "the departure's")
	return nil
}

// checkAccessToken: §3.1.3.8. Both came in one answer of the IdP; it counts where the
// access token is used, and where an IdP always says it.
func (w *walk) checkAccessToken(t *idToken) error {
	switch {
	case t.atHash == "" && w.entry.Dialect.RequireAtHash:
		return w.trail.Refuse(federation.CodeAtHashMismatch, "at_hash", "none", "the access token's", nil)
	case t.atHash == "":
		return nil
	case subtle.ConstantTimeCompare([]byte(t.atHash), []byte(accessTokenHash(w.algorithm, w.access))) != 1:
		return w.trail.Refuse(federation.CodeAtHashMismatch, "at_hash", "another", "the access token's", nil)
	}
	w.trail.Pass("at_hash", "the access token's", "the access token's")
	return nil
}

// accessTokenHash: the left half of the hash that the signature's algorithm has; for
// EdDSA with Ed25519 that is SHA-512, as everybody does it.
func accessTokenHash(algorithm, access string) string {
	var digest []byte
	switch {
	case strings.HasSuffix(algorithm, "384"):
		sum := sha512.Sum384([]byte(access))
		digest = sum[:]
	case strings.HasSuffix(algorithm, "256"):
		sum := sha256.Sum256([]byte(access))
		digest = sum[:]
	default: // …512, EdDSA, Ed25519
		sum := sha512.Sum512([]byte(access))
		digest = sum[:]
	}
	return base64.RawURLEncoding.EncodeToString(digest[:len(digest)/2])
}

// checkTenant: the IdP-side tenant is the one that the issuer names, and listed where
// there is a list; of an issuer that names none it must be listed, or not be there
// (T12).
func (w *walk) checkTenant(t *idToken) error {
	dialect, listed := w.entry.Provider.Dialect, w.entry.Provider.Assertions.Tenants
	name := dialect.TenantClaim
	if name == "" {
		name = "tenant"
	}
	expected := strings.Join(listed, " ")
	switch {
	case t.tenant == "" && len(listed) > 0:
		return w.trail.Refuse(federation.CodeTenantMissing, name, "", expected, nil)
	case t.tenant == "":
		return nil
	case dialect.Tenant != "" && t.tenant != dialect.Tenant:
		return w.trail.Refuse(federation.CodeTenantUnlisted, name, t.tenant, dialect.Tenant, nil)
	case (dialect.Tenant == "" || len(listed) > 0) && !slices.Contains(listed, t.tenant):
		return w.trail.Refuse(federation.CodeTenantUnlisted, name, t.tenant, expected, nil)
	}
	w.trail.Pass(name, t.tenant, "a tenant of the entry")
	return nil
}

// checkHostedDomain: without the claim it is a private person's account.
func (w *walk) checkHostedDomain(t *idToken) error {
	name := w.entry.Dialect.HostedDomainClaim
	if name == "" {
		return nil
	}
	if !slices.Contains(w.entry.HostedDomains, t.hostedDomain) {
		return w.trail.Refuse(federation.CodeHostedDomainUnlisted, name, t.hostedDomain, strings.Join(w.entry.HostedDomains, " "), nil)
	}
	w.trail.Pass(name, t.hostedDomain, "a domain of the entry")
	return nil
}

// checkAuthTime: (13), §3.1.2.1: required where max_age was asked, and counted from the
// moment when it was. In the future it proves nothing (T48).
func (w *walk) checkAuthTime(t *idToken) error {
	asked := w.departure.MaxAge
	switch {
	case !t.authTime.IsZero() && w.now.Before(t.authTime.Add(-w.skew)):
		return w.trail.Refuse(federation.CodeClockSkew, "auth_time", stamp(t.authTime), "not after "+stamp(w.now), nil)
	case asked == nil:
		return nil
	case t.authTime.IsZero():
		return w.trail.Refuse(federation.CodeAuthTimeMissing, "auth_time", "", "the claim", nil)
	case t.authTime.Before(w.departure.At.Add(-*asked - w.skew)):
		return w.trail.Refuse(federation.CodeAuthTimeTooOld, "auth_time", stamp(t.authTime), "at most "+asked.String()+" before "+stamp(w.departure.At), nil)
	}
	w.trail.Pass("auth_time", stamp(t.authTime), "at most "+asked.String()+" before the departure")
	return nil
}

// checkContext: (12), RFC 9470 §5: what was asked for must be said, exactly (T48).
func (w *walk) checkContext(t *idToken) error {
	asked := w.departure.ACRValues
	if len(asked) == 0 {
		return nil
	}
	name := acrClaim(w.entry.Dialect)
	for _, value := range asked {
		if value != "" && slices.Contains(t.contexts, value) {
			w.met = value
			w.trail.Pass(name, value, strings.Join(asked, " "))
			return nil
		}
	}
	return w.trail.Refuse(federation.CodeACRUnmet, name, strings.Join(t.contexts, " "), strings.Join(asked, " "), nil)
}
