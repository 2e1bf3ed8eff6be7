package introspect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// told is what an IdP said of everybody.
type told struct {
	profile session.Profile
	fail    error
}

func (p told) Profile(context.Context, *snapshot.Tenant, string, string) (session.Profile, bool, error) {
	return p.profile, true, p.fail
}

const openid = "notes:read openid profile email"

// signedIn is a house whose token was got by a client that its person let know who he is.
func signedIn(t *testing.T, change func(*setup)) *house {
	t.Helper()
	h := newHouse(t, func(s *setup) {
		s.claims = func(c *token.Claims) { c.Scope, c.Actor = openid, nil }
		if change != nil {
			change(s)
		}
	})
	h.Profiles = told{profile: session.Profile{Name: "Alice A.", Email: "alice@acme.com", EmailVerified: true}}
	return h
}

func (h *house) bearer(scheme string) Bearer {
	return Bearer{Tenant: h.request.Tenant, Trace: "trc_1", Remote: "192.0.2.1", Method: "GET", Authorization: []string{scheme + " " + h.text}}
}

func TestUserInfo(t *testing.T) {
	const alice = `"name":"Alice A.","email":"alice@acme.com","email_verified":true}`
	for name, c := range map[string]struct {
		scope string
		rest  string
	}{
		"all":     {openid, "," + alice},
		"profile": {"notes:read openid profile", `,"name":"Alice A."}`},
		"openid":  {"notes:read openid", "}"},
	} {
		t.Run(name, func(t *testing.T) {
			h := signedIn(t, func(s *setup) { s.claims = func(tc *token.Claims) { tc.Scope = c.scope } })
			body, err := h.UserInfo(t.Context(), h.bearer("bEaReR"))
			if want := `{"sub":"` + h.uids["alice"] + `"` + c.rest; err != nil || string(body) != want {
				t.Errorf("answered %s %v, want %s", body, err, want)
			}
			if len(h.entries) != 0 { // a bearer token uses nothing up
				t.Errorf("recorded %+v", h.entries)
			}
		})
	}
}

// TestUserInfoRefuses: one thing wrong, one code, and nothing of the person.
func TestUserInfoRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		setup  func(*setup)
		house  func(h *house)
		bearer func(h *house, b *Bearer)
		code   oauth.Code
	}{
		"no header":          {bearer: func(_ *house, b *Bearer) { b.Authorization = nil }, code: oauth.CodeAccessTokenMissing},
		"another scheme":     {bearer: func(_ *house, b *Bearer) { b.Authorization = []string{"Basic YTpi"} }, code: oauth.CodeAccessTokenMissing},
		"no token":           {bearer: func(_ *house, b *Bearer) { b.Authorization = []string{"Bearer"} }, code: oauth.CodeAccessTokenInvalid},
		"two headers":        {bearer: func(_ *house, b *Bearer) { b.Authorization = append(b.Authorization, b.Authorization[0]) }, code: oauth.CodeAccessTokenInvalid},
		"no JWT":             {bearer: func(_ *house, b *Bearer) { b.Authorization = []string{"Bearer x"} }, code: oauth.CodeAccessTokenInvalid},
		"a broken signature": {bearer: func(h *house, b *Bearer) { b.Authorization[0] = "Bearer " + h.text[:len(h.text)-4] + "AAAA" }, code: oauth.CodeAccessTokenInvalid},
		"an ID token":        {bearer: func(h *house, b *Bearer) { b.Authorization[0] = "Bearer " + h.idToken() }, code: oauth.CodeAccessTokenInvalid},
		"bound, they say":    {bearer: func(h *house, b *Bearer) { b.Authorization[0] = "DPoP " + h.text }, code: oauth.CodeAccessTokenInvalid},
		"expired": {setup: func(s *setup) {
			s.claims = func(tc *token.Claims) { tc.Scope, tc.IssuedAt, tc.ExpiresAt = openid, now.Add(-2*60e9), now }
		}, code: oauth.CodeAccessTokenInvalid},
		"no record":          {setup: func(s *setup) { s.forget = true }, code: oauth.CodeAccessTokenInvalid},
		"another's record":   {setup: func(s *setup) { s.record = func(k *lifecycle.Known) { k.Subject = "usr_2" } }, code: oauth.CodeAccessTokenInvalid},
		"revoked":            {setup: func(s *setup) { s.record = func(k *lifecycle.Known) { k.Revoked = true } }, code: oauth.CodeAccessTokenInvalid},
		"client made anew":   {setup: func(s *setup) { s.record = func(k *lifecycle.Known) { k.ClientUID = "cli_2" } }, code: oauth.CodeAccessTokenInvalid},
		"resource made anew": {setup: func(s *setup) { s.record = func(k *lifecycle.Known) { k.ResourceUID = "res_2" } }, code: oauth.CodeAccessTokenInvalid},
		"IdP gone":           {setup: func(s *setup) { s.record = func(k *lifecycle.Known) { k.IdPUID = "idp_2" } }, code: oauth.CodeAccessTokenInvalid},
		"user disabled":      {setup: func(s *setup) { s.objects = strings.Replace(objects, "status: active", "status: disabled", 1) }, code: oauth.CodeAccessTokenInvalid},
		"resource disabled": {setup: func(s *setup) {
			s.objects = strings.Replace(objects, `{uri: "https://mcp.acme.com/notes"`, `{disabled: true, uri: "https://mcp.acme.com/notes"`, 1)
		}, code: oauth.CodeAccessTokenInvalid},
		"without openid": {setup: func(s *setup) { s.claims = func(tc *token.Claims) { tc.Scope = "notes:read profile email" } }, code: oauth.CodeOpenidNotGranted},
		"a resource's openid": {setup: func(s *setup) {
			s.objects = strings.Replace(objects, `{"notes:read": {}}, server: {client: notes-server}`, `{"notes:read": {}, openid: {}}, server: {client: notes-server}`, 1)
		}, code: oauth.CodeOpenidNotGranted},
		"a client's own": {setup: func(s *setup) {
			s.claims = func(tc *token.Claims) { tc.Scope, tc.Subject = openid, "claude" }
			s.record = func(k *lifecycle.Known) { k.IdPUID = "" }
		}, code: oauth.CodeOpenidNotGranted},
		"no record readable":  {house: func(h *house) { h.fail = errors.New("broken") }, code: oauth.CodeTenantUnavailable},
		"no profile readable": {house: func(h *house) { h.Profiles = told{fail: errors.New("broken")} }, code: oauth.CodeTenantUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := signedIn(t, c.setup)
			if c.house != nil {
				c.house(h)
			}
			b := h.bearer("Bearer")
			if c.bearer != nil {
				c.bearer(h, &b)
			}
			body, err := h.UserInfo(t.Context(), b)
			if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.Code != c.code || body != nil {
				t.Errorf("answered %s %v, want %s", body, err, c.code)
			}
			if c.code != oauth.CodeTenantUnavailable && (len(h.lane) != 1 || h.lane[0].Principal.Kind != "anonymous") {
				t.Errorf("in the lane %+v", h.lane)
			}
		})
	}
}

// idToken is one of ours, of the same person, for the same client.
func (h *house) idToken() string {
	signer := must(h.rings.Signer(h.t.Context(), h.request.Tenant.UID, token.IdentityAlgorithm))
	return must(token.MintIdentity(token.Identity{Issuer: issuer, Subject: h.uids["alice"], Audience: "claude", IssuedAt: now, ExpiresAt: now.Add(token.IdentityLifetime)}, signer))
}

// TestUserInfoBound: a token that is bound needs its key, here, for this token, once (RFC 9449 §7.1, T42).
func TestUserInfoBound(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	raw := must(key.PublicKey.Bytes())
	encode := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": encode(raw[1:33]), "y": encode(raw[33:])}
	thumbprint := must(jwks.ParseKey(must(json.Marshal(jwk)))).Thumbprint
	bound := func(thumbprint string) *house {
		return signedIn(t, func(s *setup) { s.claims = func(c *token.Claims) { c.Scope, c.Thumbprint = openid, thumbprint } })
	}
	proof := func(h *house, change func(map[string]any)) []string {
		sum := sha256.Sum256([]byte(h.text))
		claims := map[string]any{"jti": "p1", "htm": "GET", "htu": issuer + "/userinfo", "iat": now.Unix(), "ath": encode(sum[:])}
		change(claims)
		header := must(json.Marshal(map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}))
		return []string{must(jws.SignHeader("ES256", header, key, claims))}
	}
	same := func(map[string]any) {}

	h := bound(thumbprint)
	b := h.bearer("DPoP")
	b.Proofs = proof(h, same)
	if body, err := h.UserInfo(t.Context(), b); err != nil || !strings.Contains(string(body), "Alice") {
		t.Fatalf("answered %s %v", body, err)
	}
	if len(h.entries) != 1 || h.entries[0].Event.Type != audit.TypeProofUsed || h.entries[0].Event.TokenID != h.claims.ID || h.entries[0].Redemptions[0].Space != ledger.SpaceProof {
		t.Errorf("recorded %+v", h.entries)
	}
	if body, err := h.UserInfo(t.Context(), b); oauth.AsError(err).Code != oauth.CodeDPoPReplayed {
		t.Errorf("the proof again: %s %v", body, err)
	}

	for name, c := range map[string]struct {
		thumbprint string
		bearer     func(h *house, b *Bearer)
		code       oauth.Code
	}{
		"as a bearer token": {thumbprint, func(h *house, b *Bearer) { b.Authorization[0] = "Bearer " + h.text }, oauth.CodeAccessTokenInvalid},
		"no proof":          {thumbprint, func(_ *house, b *Bearer) { b.Proofs = nil }, oauth.CodeDPoPProofRequired},
		"two proofs":        {thumbprint, func(_ *house, b *Bearer) { b.Proofs = append(b.Proofs, b.Proofs[0]) }, oauth.CodeDPoPProofInvalid},
		"another key's":     {"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", func(*house, *Bearer) {}, oauth.CodeAccessTokenInvalid},
		"without ath":       {thumbprint, func(h *house, b *Bearer) { b.Proofs = proof(h, func(m map[string]any) { delete(m, "ath") }) }, oauth.CodeDPoPProofInvalid},
		"of another token": {thumbprint, func(h *house, b *Bearer) {
			b.Proofs = proof(h, func(m map[string]any) { m["ath"] = encode(make([]byte, 32)) })
		}, oauth.CodeDPoPProofInvalid},
		"for another path": {thumbprint, func(h *house, b *Bearer) {
			b.Proofs = proof(h, func(m map[string]any) { m["htu"] = issuer + "/token" })
		}, oauth.CodeDPoPProofInvalid},
		"for another method": {thumbprint, func(_ *house, b *Bearer) { b.Method = "POST" }, oauth.CodeDPoPProofInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			h := bound(c.thumbprint)
			b := h.bearer("DPoP")
			b.Proofs = proof(h, same)
			c.bearer(h, &b)
			if body, err := h.UserInfo(t.Context(), b); oauth.AsError(err).Code != c.code || body != nil {
				t.Errorf("answered %s %v, want %s", body, err, c.code)
			}
		})
	}
}

// TestUserInfoIsOfNow: what was revoked a moment ago gets nothing, though this replica has not heard of it.
func TestUserInfoIsOfNow(t *testing.T) {
	h := signedIn(t, nil)
	h.behind = 3
	if _, err := h.UserInfo(t.Context(), h.bearer("Bearer")); err != nil {
		t.Fatal(err)
	}
	if h.asked != 2 {
		t.Errorf("asked %d times", h.asked)
	}
}

// Without profiles there is what is known here, and nothing of what an IdP would say.
func TestUserInfoWithoutProfiles(t *testing.T) {
	h := signedIn(t, nil)
	h.Profiles = nil
	body, err := h.UserInfo(t.Context(), h.bearer("Bearer"))
	if want := `{"sub":"` + h.uids["alice"] + `","email":"alice@acme.com"}`; err != nil || string(body) != want {
		t.Errorf("answered %s %v", body, err)
	}
	if !strings.HasPrefix(h.uids["alice"], string(id.User)) {
		t.Error("sub is no user of ours")
	}
}
