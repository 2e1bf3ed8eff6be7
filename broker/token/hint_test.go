package token

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
)

// TestHint: an ID token of ours says for whom and for which client it was, however old it is.
func TestHint(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	c := validIdentity()
	c.IssuedAt, c.ExpiresAt = now.Add(-48*time.Hour), now.Add(-47*time.Hour)
	compact, err := MintIdentity(c, signer)
	if err != nil {
		t.Fatal(err)
	}
	hint, err := VerifyHint(compact, Own{Issuer: issuer, Ring: r})
	if err != nil || hint != (Hint{Subject: "usr_01", ClientID: "claude"}) {
		t.Errorf("%+v %v", hint, err)
	}
}

func TestHintRefuses(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	other, stranger := ring(t, keys.ES256)
	minted := func(with keys.Signer, typ string, change func(map[string]any)) string {
		claims := map[string]any{"iss": issuer, "sub": "usr_01", "aud": "claude", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
		if change != nil {
			change(claims)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := with.Sign(typ, payload)
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	if _, err := VerifyHint(minted(signer, IdentityType, nil), Own{Issuer: issuer, Ring: r}); err != nil {
		t.Fatal(err)
	}
	without := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	for name, c := range map[string]struct {
		compact string
		want    Own
	}{
		"nothing":            {"", Own{Issuer: issuer, Ring: r}},
		"an access token":    {minted(signer, Type, nil), Own{Issuer: issuer, Ring: r}},
		"without a type":     {minted(signer, "", nil), Own{Issuer: issuer, Ring: r}},
		"another's key":      {minted(stranger, IdentityType, nil), Own{Issuer: issuer, Ring: r}},
		"another issuer's":   {minted(signer, IdentityType, func(c map[string]any) { c["iss"] = issuer + "/" }), Own{Issuer: issuer, Ring: r}},
		"of no issuer":       {minted(signer, IdentityType, without("iss")), Own{Issuer: issuer, Ring: r}},
		"about nobody":       {minted(signer, IdentityType, without("sub")), Own{Issuer: issuer, Ring: r}},
		"for nobody":         {minted(signer, IdentityType, without("aud")), Own{Issuer: issuer, Ring: r}},
		"for two":            {minted(signer, IdentityType, func(c map[string]any) { c["aud"] = []string{"claude", "host"} }), Own{Issuer: issuer, Ring: r}},
		"nobody is expected": {minted(signer, IdentityType, without("iss")), Own{Ring: r}},
		"no keys":            {minted(signer, IdentityType, nil), Own{Issuer: issuer}},
		"other keys":         {minted(signer, IdentityType, nil), Own{Issuer: issuer, Ring: other}},
	} {
		if hint, err := VerifyHint(c.compact, c.want); !errors.Is(err, ErrInvalid) || hint != (Hint{}) {
			t.Errorf("%s: %+v %v", name, hint, err)
		}
	}
}
