package code

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

type one struct{ key []byte }

func (o one) Derive(string) ([][]byte, error) { return [][]byte{o.key}, nil }

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B

// inside is what a whole code holds.
func inside(t testing.TB, now time.Time) []byte {
	t.Helper()
	whole, err := json.Marshal(sealed{
		IssuedAt: now.UnixMicro(), ExpiresAt: now.Add(Lifetime).UnixMicro(),
		Grant: Grant{
			ClientUID: "cli_1", RedirectURI: "https://a.example/cb", Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
			Resources: []Resource{{UID: "res_1", URI: "https://r.example/", Scopes: []string{"a"}}}, UserUID: "usr_1", IdPUID: "idp_1", Session: Digest{1}, AuthTime: now, Version: 7,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// What another version sealed under the same key is refused where this one does not understand all of it, and so is what
// is well sealed and incomplete: no binding is overlooked.
func TestInside(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	where := tenant.MustParseUID("ten_1")
	keys := one{key: make([]byte, keySize)}
	codes, err := New(keys, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	valid := string(inside(t, now))
	longer, err := json.Marshal(now.Add(time.Hour).UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, instead string) string {
		changed := strings.Replace(valid, old, instead, 1)
		if changed == valid {
			t.Fatalf("%s is not in %s", old, valid)
		}
		return changed
	}
	exp := valid[strings.Index(valid, `"exp":`):]
	for name, c := range map[string]struct {
		plaintext string
		code      oauth.Code
	}{
		"whole":                  {valid, ""},
		"a binding to come":      {change(`"client"`, `"bound_to":"x","client"`), oauth.CodeCodeInvalid},
		"a member to come":       {change(`{"grant"`, `{"v":2,"grant"`), oauth.CodeCodeInvalid},
		"something behind":       {valid + "{}", oauth.CodeCodeInvalid},
		"nothing":                {"", oauth.CodeCodeInvalid},
		"null":                   {"null", oauth.CodeCodeInvalid},
		"no grant":               {change(`"grant":{`, `"grant":null}`)[:len(`{"grant":null}`)], oauth.CodeCodeInvalid},
		"no iat":                 {change(`"iat":`, `"iat":0,"exp":`), oauth.CodeCodeInvalid},
		"no exp":                 {change(exp, `"exp":0}`), oauth.CodeCodeInvalid},
		"no challenge":           {change("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", ""), oauth.CodeCodeInvalid},
		"no version":             {change(`"version":7`, `"version":0`), oauth.CodeCodeInvalid},
		"no user":                {change("usr_1", ""), oauth.CodeCodeInvalid},
		"no client":              {change("cli_1", ""), oauth.CodeCodeInvalid},
		"a session of no digest": {change(`"session":"`, `"session":"x`), oauth.CodeCodeInvalid},
		"a longer life":          {change(exp, `"exp":`+string(longer)+`}`), oauth.CodeCodeExpired},
	} {
		t.Run(name, func(t *testing.T) {
			head := make([]byte, 1+idSize)
			head[0] = version
			code, err := seal(keys.key, where, head, []byte(c.plaintext))
			if err != nil {
				t.Fatal(err)
			}
			later := now
			if c.code == oauth.CodeCodeExpired {
				later = now.Add(Lifetime)
			}
			codes.now = func() time.Time { return later }
			_, err = codes.Open(Presented{Tenant: where, Code: code, ClientUID: "cli_1", Verifier: verifier})
			if refusal, ok := errors.AsType[*oauth.Error](err); c.code == "" && err != nil || c.code != "" && (!ok || refusal.Code != c.code) {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

// Exactly one text opens: the code itself.
func FuzzOpen(f *testing.F) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	where := tenant.MustParseUID("ten_1")
	keys := one{key: make([]byte, keySize)}
	codes, err := New(keys, func() time.Time { return now })
	if err != nil {
		f.Fatal(err)
	}
	head := make([]byte, 1+idSize) // the id is always the same here: workers are processes of their own
	head[0] = version
	whole, err := seal(keys.key, where, head, inside(f, now))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(prefix)
	f.Add(prefix + "AQ")
	f.Add(whole[:60])
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := codes.Open(Presented{Tenant: where, Code: raw, ClientUID: "cli_1", Verifier: verifier})
		refusal, _ := errors.AsType[*oauth.Error](err)
		switch {
		case raw == whole && err != nil, raw != whole && refusal == nil:
			t.Fatalf("%q: %v", raw, err)
		case raw != whole && raw != "" && refusal.Code != oauth.CodeCodeInvalid:
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
