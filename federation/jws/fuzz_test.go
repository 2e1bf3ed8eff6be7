package jws_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// FuzzParse: nothing panics, what passes is the only text of its parts, and
// nothing verifies with a key that did not sign it.
func FuzzParse(f *testing.F) {
	signer := ecKey(f, elliptic.P256())
	stranger := []jwks.Key{public(f, kid, "", ecKey(f, elliptic.P256()).Public())}
	f.Add(signES256(f, signer, validHeader, validPayload))
	f.Add(signES256(f, signer, `{"alg":"ES256","jwk":{"kty":"EC"}}`, validPayload))
	f.Add(b64(`{"alg":"none"}`) + "." + b64(validPayload) + ".")
	f.Add(b64(`{"alg":"HS256","crit":["b64"],"b64":false}`) + ".." + b64("x"))
	f.Add("a.b.c.d.e")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		message, err := jws.Parse(token)
		if err != nil {
			if _, ok := errors.AsType[*jws.Error](err); !ok {
				t.Fatalf("%T is not a *jws.Error", err)
			}
			return
		}
		for part := range strings.SplitSeq(token, ".") {
			raw, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
				t.Fatalf("part %q is not canonical", part)
			}
		}
		_, _ = message.Unverified()
		if _, _, err := message.Verify(stranger, jws.Algorithms()); err == nil {
			t.Fatal("verified with a stranger's key")
		}
	})
}

// FuzzClaims: nothing panics, and what the gate lets pass holds its promises.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		validPayload, `{"sub":"a","Sub":"b"}`, `{"ſub":"a"}`, `{"exp":1e18}`, `{"aud":["a",1]}`, `{"jti":""}`, `{"cnf":{"jkt":"x"}}`, `[]`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims, err := jws.ParseClaims(payload)
		if err != nil {
			return
		}
		for _, name := range []string{"sub", "jti"} {
			value, present, err := claims.String(name)
			if err != nil || present && (value == "" || len(value) > jws.MaxIdentifier || strings.ContainsAny(value, "\x00\r\n")) {
				t.Fatalf("%s %q: %v", name, value, err)
			}
		}
		for _, name := range claims.Names() {
			if name != "sub" && strings.EqualFold(name, "sub") {
				t.Fatalf("%q passed", name)
			}
			when, present, err := claims.Time(name)
			if err == nil && present && (when.Unix() < 0 || when.Year() > 9999) {
				t.Fatalf("%s is %v", name, when)
			}
		}
		_, _, _ = claims.Audience()
	})
}

func BenchmarkParseVerifyES256(b *testing.B) {
	signer := ecKey(b, elliptic.P256())
	keys := []jwks.Key{public(b, kid, "ES256", signer.Public())}
	token := signES256(b, signer, validHeader, validPayload)
	allowed := []string{"RS256", "ES256"}
	b.ReportAllocs()
	for b.Loop() {
		message, err := jws.Parse(token)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := message.Verify(keys, allowed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	token := signES256(b, ecKey(b, elliptic.P256()), validHeader, validPayload)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jws.Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClaims(b *testing.B) {
	payload := []byte(`{"iss":"https://acme.okta.example","sub":"00u1","aud":"https://chancery.example","client_id":"claude",` +
		`"jti":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","exp":1700000300,"iat":1700000000,"scope":"notes:read notes:write",` +
		`"resource":"https://notes.example/mcp","email":"alice@acme.example","groups":["eng","notes"],"auth_time":1700000000}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jws.ParseClaims(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignES256(b *testing.B) {
	signer := ecKey(b, elliptic.P256())
	claims := map[string]any{"iss": "https://idp.example", "sub": "alice", "exp": 1700000300}
	for b.Loop() {
		if _, err := jws.Sign("ES256", kid, "at+jwt", signer, claims); err != nil {
			b.Fatal(err)
		}
	}
}
