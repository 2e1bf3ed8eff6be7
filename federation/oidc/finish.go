package oidc

import (
	"context"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/jws"
)

// maxPrivateDepth bounds what policies walk (T15).
const maxPrivateDepth = 8

// Finish takes what the browser brought back, and the departure that the caller kept
// and has made sure was not used before and is this browser's. Errors are a
// *federation.Refusal, ErrIncomplete, or what a signer of ours failed with.
func (rp *RelyingParty) Finish(ctx context.Context, owner string, e *Entry, a Answer, d Departure) (*SignIn, error) {
	trail := &federation.Trail{}
	if err := rp.check(owner, e, trail); err != nil {
		return nil, err
	}
	if !d.complete() {
		return nil, ErrIncomplete
	}
	now := rp.now()
	// 1. The answer to this departure, and the departure to this IdP, not long ago.
	if err := a.checkState(d, trail); err != nil {
		return nil, err
	}
	if err := checkDeparture(d, e, now, trail); err != nil {
		return nil, err
	}
	// 2. Of this IdP, errors too (RFC 9207 §2.4), and only then what it says.
	m, err := rp.metadata(ctx, owner, e, trail)
	if err != nil {
		return nil, err
	}
	if err := a.checkIssuer(d, m, e, trail); err != nil {
		return nil, err
	}
	if err := a.checkFailure(trail); err != nil {
		return nil, err
	}
	// 3. The code, with the verifier (OIDC Core §3.1.3.1).
	got, err := rp.exchange(ctx, e, m, a.code, d.Verifier, trail)
	if err != nil {
		return nil, err
	}
	// 4. The ID token: signature, types, and each claim.
	token, err := rp.verify(ctx, owner, e, kindIDToken(), got.idToken, trail)
	if err != nil {
		return nil, err
	}
	t, err := readIDToken(token.claims, e, trail)
	if err != nil {
		return nil, err
	}
	w := &walk{
		entry: e, departure: d, now: rp.now(), skew: min(max(e.ClockSkew, 0), federation.MaxClockSkew),
		algorithm: token.header.Algorithm, access: got.access, trail: trail,
	}
	for _, check := range w.checks() {
		if err := check(t); err != nil {
			return nil, err
		}
	}
	private, err := w.private(t.claims)
	if err != nil {
		return nil, err
	}
	// 5. What the token leaves out.
	groups, err := assertion.ReadGroups(t.claims, e.Provider.Claims, trail)
	if err != nil {
		return nil, err
	}
	if e.Userinfo {
		if groups, err = rp.addUserinfo(ctx, owner, e, m, w, t, groups); err != nil {
			return nil, err
		}
	}
	if groups.State == assertion.GroupsOverage && e.Provider.Claims.FetchOverage {
		groups = rp.fetchGroups(ctx, e, got.access, trail)
	}
	return newSignIn(w, t, token, groups, private, NewSecret(got.idToken)), nil
}

// private keeps every claim without a meaning here, as sent.
func (w *walk) private(claims jws.Claims) (map[string]any, error) {
	private := map[string]any{}
	consumed := map[string]bool{}
	for _, name := range w.entry.consumed() {
		consumed[name] = true
	}
	for _, name := range claims.Names() {
		if consumed[name] {
			continue
		}
		value, _ := claims.Value(name)
		if !jws.Within(value, maxPrivateDepth) {
			return nil, w.trail.Refuse(federation.CodeClaimMalformed, name, "deeper", "at most 8 levels", nil)
		}
		private[name] = value
	}
	return private, nil
}
