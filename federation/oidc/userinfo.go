package oidc

import (
	"context"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/jws"
)

// addUserinfo adds what the ID token does not say: address, name, groups. What it says
// stays: userinfo is not signed for this sign-in (OIDC Core §5.3).
func (rp *RelyingParty) addUserinfo(ctx context.Context, owner string, e *Entry, m *metadata, w *walk, t *idToken, groups assertion.Groups) (assertion.Groups, error) {
	claims, err := rp.userinfo(ctx, owner, e, m, w)
	if err != nil {
		return groups, err
	}
	r := &reader{claims: claims, trail: w.trail}
	sub := r.required("sub")
	if r.refusal != nil {
		return groups, r.refusal
	}
	if sub != t.sub { // §5.3.2: MUST be verified to exactly match
		return groups, w.trail.Refuse(federation.CodeUserinfoSubMismatch, "userinfo sub", sub, t.sub, nil)
	}
	w.trail.Pass("userinfo sub", sub, t.sub)
	found := &idToken{claims: claims}
	found.readEmail(r)
	name := r.text("name")
	if r.refusal != nil {
		return groups, r.refusal
	}
	if t.email == "" && found.email != "" { // and what is said of it, from the same place
		t.email, t.emailVerified = found.email, found.emailVerified
	}
	if t.name == "" {
		t.name = name
	}
	if groups.State != assertion.GroupsAbsent {
		return groups, nil
	}
	return assertion.ReadGroups(claims, e.Provider.Claims, w.trail)
}

// userinfo asks the endpoint of the metadata, and no other (T16).
func (rp *RelyingParty) userinfo(ctx context.Context, owner string, e *Entry, m *metadata, w *walk) (jws.Claims, error) {
	const name = "userinfo"
	unusable := func(expected string, cause error) (jws.Claims, error) {
		return jws.Claims{}, w.trail.Refuse(federation.CodeUserinfoUnusable, name, "", expected, cause)
	}
	if m.userinfo == "" {
		return unusable("userinfo_endpoint in the metadata", nil)
	}
	client, err := rp.client(e.Provider.Keys.Network, gate{statuses: []int{http.StatusOK}, jwt: true})
	if err != nil {
		return unusable("an answer", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.userinfo, http.NoBody)
	if err != nil {
		return unusable("an endpoint", nil)
	}
	request.Header.Set("Authorization", "Bearer "+w.access) // RFC 6750 §2.1
	request.Header.Set("Accept", "application/json, application/jwt")
	response, err := client.Do(request)
	if err != nil {
		if isUnreachable(err) {
			return jws.Claims{}, w.trail.Refuse(federation.CodeIdPUnavailable, name, "", "an answer", reason(err))
		}
		return unusable("an answer", reason(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return unusable("an answer", nil)
	}
	if mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); mediaType == "application/jwt" {
		return rp.signedUserinfo(ctx, owner, e, string(body), w)
	}
	claims, err := jws.ParseClaims(body)
	if err != nil {
		return unusable("a strict JSON object of at most 16 KiB", err)
	}
	return claims, nil
}

// signedUserinfo: §5.3.2: signed by the IdP for us, or it could be anybody's.
func (rp *RelyingParty) signedUserinfo(ctx context.Context, owner string, e *Entry, compact string, w *walk) (jws.Claims, error) {
	token, err := rp.verify(ctx, owner, e, kindUserinfo(), compact, w.trail)
	if err != nil {
		return jws.Claims{}, err
	}
	r := &reader{claims: token.claims, trail: w.trail}
	audience := r.audience()
	if r.refusal != nil {
		return jws.Claims{}, r.refusal
	}
	for _, name := range []string{"nonce", "events"} { // an ID token, a logout token
		if token.claims.Has(name) {
			return jws.Claims{}, w.trail.Refuse(federation.CodeTypWrong, "userinfo "+name, "another kind of token", "userinfo", nil)
		}
	}
	if slices.Contains(audience, e.ClientID) {
		return token.claims, nil
	}
	return jws.Claims{}, w.trail.Refuse(federation.CodeUserinfoUnusable, "userinfo aud", "", e.ClientID, nil)
}
