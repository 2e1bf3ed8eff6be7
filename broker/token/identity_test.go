package token

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/federation/jws"
)

func validIdentity() Identity {
	return Identity{Issuer: issuer, Subject: "usr_01", Audience: "claude", IssuedAt: now, ExpiresAt: now.Add(IdentityLifetime)}
}

func TestMintIdentityMinimal(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	compact, err := MintIdentity(validIdentity(), signer)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jws.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	if h := m.Header(); h.Type != "jwt" || h.Algorithm != "ES256" || h.KeyID != signer.KeyID() {
		t.Errorf("header %+v", h)
	}
	if _, _, err := m.VerifyClaims(r.Keys(), []string{keys.ES256}); err != nil {
		t.Error(err)
	}
	// What is not known is not there: no azp, no nonce, no auth_time, no null.
	if names := slices.Sorted(maps.Keys(payload(t, compact))); !slices.Equal(names, []string{"aud", "exp", "iat", "iss", "sub"}) {
		t.Errorf("claims %v", names)
	}
}

func TestMintIdentityEverything(t *testing.T) {
	_, signer := ring(t, keys.ES256)
	yes := true
	c := validIdentity()
	c.Nonce, c.AccessToken, c.SessionID = "n-0S6_WzA2Mj", "a.b.c", "sid-1"
	c.AuthTime, c.ACR, c.AMR = now.Add(-time.Hour), "phr", []string{"pwd", "hwk"}
	c.Profile = Profile{Name: "Alice Späher", Email: "alice@acme.com", EmailVerified: &yes}
	compact, err := MintIdentity(c, signer)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("a.b.c"))
	want := map[string]any{
		"iss": issuer, "sub": "usr_01", "aud": "claude", "iat": float64(now.Unix()), "exp": float64(now.Add(5 * time.Minute).Unix()),
		"nonce": "n-0S6_WzA2Mj", "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]), "sid": "sid-1",
		"auth_time": float64(now.Add(-time.Hour).Unix()), "acr": "phr", "amr": []any{"pwd", "hwk"},
		"name": "Alice Späher", "email": "alice@acme.com", "email_verified": true,
	}
	if got := payload(t, compact); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// The example of OpenID Connect Core, appendix A.3: the hash of an access token, left half.
func TestAccessTokenHash(t *testing.T) {
	if got := accessTokenHash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Errorf("at_hash %s", got)
	}
}

func TestMintIdentityRefuses(t *testing.T) {
	_, signer := ring(t, keys.ES256)
	no := false
	for name, change := range map[string]func(*Identity){
		"no iss":                   func(c *Identity) { c.Issuer = "" },
		"no sub":                   func(c *Identity) { c.Subject = "" },
		"no aud":                   func(c *Identity) { c.Audience = "" },
		"no iat":                   func(c *Identity) { c.IssuedAt = time.Time{} },
		"no exp":                   func(c *Identity) { c.ExpiresAt = time.Time{} },
		"exp at iat":               func(c *Identity) { c.ExpiresAt = c.IssuedAt },
		"outlives its key":         func(c *Identity) { c.ExpiresAt = c.IssuedAt.Add(signer.LongestToken() + time.Second) },
		"nonce not UTF-8":          func(c *Identity) { c.Nonce = "\xff" },
		"email_verified of none":   func(c *Identity) { c.EmailVerified = &no },
		"a method that is no text": func(c *Identity) { c.AMR = []string{"\xff"} },
	} {
		t.Run(name, func(t *testing.T) {
			c := validIdentity()
			change(&c)
			if compact, err := MintIdentity(c, signer); !errors.Is(err, errClaims) || compact != "" {
				t.Fatalf("got %q, %v", compact, err)
			}
		})
	}
	if _, err := MintIdentity(validIdentity(), keys.Signer{}); err == nil {
		t.Error("minted without a key")
	}
	_, other := ring(t, keys.RS256)
	if _, err := MintIdentity(validIdentity(), other); !errors.Is(err, errClaims) {
		t.Errorf("with another algorithm: %v", err)
	}
}

// An ID token is no access token, whatever it says (RFC 8725 §3.11).
func TestIdentityIsNoAccessToken(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	full, err := valid().encode()
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signer.Sign(IdentityType, full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(compact, expectation(r)); !errors.Is(err, ErrInvalid) {
		t.Errorf("taken: %v", err)
	}
}

func TestUserInfo(t *testing.T) {
	no := false
	body, err := UserInfo("usr_01", Profile{Name: "A \"x\"", Email: "a@acme.com", EmailVerified: &no})
	if err != nil || string(body) != `{"sub":"usr_01","name":"A \"x\"","email":"a@acme.com","email_verified":false}` {
		t.Errorf("%s %v", body, err)
	}
	if body, err = UserInfo("usr_01", Profile{}); err != nil || string(body) != `{"sub":"usr_01"}` {
		t.Errorf("%s %v", body, err)
	}
	if body, err = UserInfo("", Profile{}); err == nil || body != nil {
		t.Errorf("%s of nobody", body)
	}
}
