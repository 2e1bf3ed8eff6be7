package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/keys/keystest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const (
	issuer   = "https://auth.acme.com"
	resource = "https://mcp.acme.com/notes"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func valid() Claims {
	return Claims{
		Issuer: issuer, Subject: "usr_01", Audience: resource, ClientID: "claude",
		Scope: "notes:read", IssuedAt: now, ExpiresAt: now.Add(10 * time.Minute),
		ID: id.New(id.Token, now), Tenant: "default",
	}
}

func ring(t testing.TB, algorithm string) (*keys.Ring, keys.Signer) {
	t.Helper()
	r := keystest.Ring(t, func() time.Time { return now }, algorithm)
	signer, ok := r.Signer(algorithm)
	if !ok {
		t.Fatal("no signer")
	}
	return r, signer
}

func expectation(r Ring) Expectation {
	return Expectation{Issuer: issuer, Audience: resource, Ring: r, Now: now}
}

func payload(t testing.TB, compact string) map[string]any {
	t.Helper()
	parts := strings.Split(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestMintMinimal(t *testing.T) {
	for _, algorithm := range keys.Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			r, signer := ring(t, algorithm)
			want := valid()
			compact, err := Mint(want, signer)
			if err != nil {
				t.Fatal(err)
			}
			m, err := jws.Parse(compact)
			if err != nil {
				t.Fatal(err)
			}
			if h := m.Header(); h.Type != "at+jwt" || h.Algorithm != algorithm || h.KeyID != signer.KeyID() {
				t.Fatalf("header %+v", h)
			}
			names := slices.Sorted(maps.Keys(payload(t, compact)))
			if !slices.Equal(names, []string{"aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub", "tenant"}) {
				t.Fatalf("claims %v", names)
			}
			got, err := Verify(compact, expectation(r))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Claims(), want) || got.KeyID() != signer.KeyID() {
				t.Fatalf("got %+v, want %+v", got.Claims(), want)
			}
		})
	}
}

func TestMintEverything(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	want := valid()
	want.ExpiresAt = want.IssuedAt.Add(signer.LongestToken()) // as long as any may
	want.AuthTime = now.Add(-time.Hour)
	want.ACR, want.AMR = "phr", []string{"pwd", "hwk"}
	want.Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	want.Plan, want.Environment = "pro", "production"
	want.Actor = &Actor{Subject: "cli_2", ClientID: "agent", Actor: &Actor{Subject: "cli_1"}}
	want.Extra = map[string]any{"groups": []string{"notes-editors", "späher \"x\"\n\u2028"}, "email": "alice@acme.com", "n": int64(7), "none": []string{}}
	want.Policy = map[string]any{"tier": "gold", "limits": map[string]any{"rpm": int64(60)}}
	compact, err := Mint(want, signer)
	if err != nil {
		t.Fatal(err)
	}
	members := payload(t, compact)
	for name, value := range map[string]any{
		"auth_time":        float64(now.Add(-time.Hour).Unix()),
		"acr":              "phr",
		"amr":              []any{"pwd", "hwk"},
		"cnf":              map[string]any{"jkt": want.Thumbprint},
		"act":              map[string]any{"sub": "cli_2", "client_id": "agent", "act": map[string]any{"sub": "cli_1"}},
		"plan":             "pro",
		"environment":      "production",
		"groups":           []any{"notes-editors", "späher \"x\"\n\u2028"},
		"email":            "alice@acme.com",
		"n":                float64(7),
		"none":             []any{},
		issuer + "/claims": map[string]any{"tier": "gold", "limits": map[string]any{"rpm": float64(60)}},
		"exp":              float64(want.ExpiresAt.Unix()),
	} {
		if !reflect.DeepEqual(members[name], value) {
			t.Errorf("%s: got %v, want %v", name, members[name], value)
		}
	}
	got, err := Verify(compact, expectation(r))
	if err != nil {
		t.Fatal(err)
	}
	want.Extra, want.Policy = nil, nil
	if !reflect.DeepEqual(got.Claims(), want) {
		t.Fatalf("got %+v, want %+v", got.Claims(), want)
	}
	if groups, _ := got.Value("groups"); !reflect.DeepEqual(groups, members["groups"]) {
		t.Fatalf("groups %v", groups)
	}
}

func TestMintRefuses(t *testing.T) {
	_, signer := ring(t, keys.ES256)
	deep := &Actor{Subject: "1", Actor: &Actor{Subject: "2", Actor: &Actor{Subject: "3", Actor: &Actor{Subject: "4", Actor: &Actor{Subject: "5"}}}}}
	extra := func(name string) func(*Claims) {
		return func(c *Claims) { c.Extra = map[string]any{name: "x"} }
	}
	for name, change := range map[string]func(*Claims){
		"no iss":             func(c *Claims) { c.Issuer = "" },
		"no sub":             func(c *Claims) { c.Subject = "" },
		"no aud":             func(c *Claims) { c.Audience = "" },
		"no client_id":       func(c *Claims) { c.ClientID = "" },
		"no jti":             func(c *Claims) { c.ID = "" },
		"no tenant":          func(c *Claims) { c.Tenant = "" },
		"no iat":             func(c *Claims) { c.IssuedAt = time.Time{} },
		"no exp":             func(c *Claims) { c.ExpiresAt = time.Time{} },
		"exp at iat":         func(c *Claims) { c.ExpiresAt = c.IssuedAt },
		"exp before iat":     func(c *Claims) { c.ExpiresAt = c.IssuedAt.Add(-time.Second) },
		"outlives its key":   func(c *Claims) { c.ExpiresAt = c.IssuedAt.Add(signer.LongestToken() + time.Second) },
		"deep act":           func(c *Claims) { c.Actor = deep },
		"act without sub":    func(c *Claims) { c.Actor = &Actor{ClientID: "agent"} },
		"not UTF-8":          func(c *Claims) { c.Subject = "usr\xff" },
		"extra not UTF-8":    extra("email\xff"),
		"extra iss":          extra("iss"),
		"extra sub":          extra("sub"),
		"extra aud":          extra("aud"),
		"extra exp":          extra("exp"),
		"extra scope":        extra("scope"),
		"extra client_id":    extra("client_id"),
		"extra cnf":          extra("cnf"),
		"extra act":          extra("act"),
		"extra may_act":      extra("may_act"),
		"extra tenant":       extra("tenant"),
		"extra plan":         extra("plan"),
		"extra environment":  extra("environment"),
		"extra auth_time":    extra("auth_time"),
		"extra status":       extra("status"),
		"extra in capitals":  extra("SUB"),
		"extra with long s":  extra("ſub"),
		"extra of policy's":  extra(issuer + "/claims"),
		"extra without name": extra(""),
		"extra function":     func(c *Claims) { c.Extra = map[string]any{"f": func() {}} },
		"policy function":    func(c *Claims) { c.Policy = map[string]any{"f": func() {}} },
		"too large":          func(c *Claims) { c.Extra = map[string]any{"groups": strings.Repeat("g", maxBytes)} },
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			change(&c)
			if compact, err := Mint(c, signer); !errors.Is(err, errClaims) || compact != "" {
				t.Fatalf("got %q, %v", compact, err)
			}
		})
	}
	if _, err := Mint(valid(), keys.Signer{}); err == nil {
		t.Fatal("minted without a key")
	}
}

// sign makes a token that Mint would not: valid claims with one thing broken.
func sign(t *testing.T, signer keys.Signer, typ string, change func(map[string]any)) string {
	t.Helper()
	c := valid()
	raw, err := c.encode()
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]any{}
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	members["iat"], members["exp"] = c.IssuedAt.Unix(), c.ExpiresAt.Unix() // no floats
	change(members)
	if raw, err = json.Marshal(members); err != nil {
		t.Fatal(err)
	}
	compact, err := signer.Sign(typ, raw)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestVerifyRefusesClaims(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	set := func(name string, value any) func(map[string]any) {
		return func(m map[string]any) { m[name] = value }
	}
	without := func(name string) func(map[string]any) {
		return func(m map[string]any) { delete(m, name) }
	}
	if _, err := Verify(sign(t, signer, Type, func(map[string]any) {}), expectation(r)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"other iss":           set("iss", issuer+"/t/other"),
		"iss with slash":      set("iss", issuer+"/"),
		"other aud":           set("aud", resource+"/2"),
		"aud list":            set("aud", []string{resource}),
		"aud list of two":     set("aud", []string{resource, "https://evil.example"}),
		"expired":             set("exp", now.Unix()),
		"exp text":            set("exp", "1800000000"),
		"exp float":           set("exp", 1.8e9+0.5),
		"exp far":             set("exp", int64(1e18)),
		"iat in the future":   set("iat", now.Add(2*time.Minute).Unix()),
		"sub number":          set("sub", 1),
		"sub empty":           set("sub", ""),
		"scope list":          set("scope", []string{"notes:read"}),
		"cnf null":            set("cnf", nil),
		"cnf empty":           set("cnf", map[string]any{}),
		"cnf of another kind": set("cnf", map[string]any{"x5t#S256": "x"}),
		"cnf of two kinds":    set("cnf", map[string]any{"jkt": "x", "x5t#S256": "x"}),
		"act text":            set("act", "usr_2"),
		"act without sub":     set("act", map[string]any{}),
		"act in act text":     set("act", map[string]any{"sub": "1", "act": "2"}),
		"amr number":          set("amr", 1),
		"auth_time text":      set("auth_time", "yesterday"),
		"look-alike of sub":   set("Sub", "usr_2"),
		"no iss":              without("iss"),
		"no sub":              without("sub"),
		"no aud":              without("aud"),
		"no client_id":        without("client_id"),
		"no exp":              without("exp"),
		"no iat":              without("iat"),
		"no jti":              without("jti"),
		"no tenant":           without("tenant"),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Verify(sign(t, signer, Type, change), expectation(r)); !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
		})
	}
}

// T10: no other kind of token passes for an access token, whoever signed it.
func TestVerifyRefusesTypes(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	for _, typ := range []string{
		"", "JWT", "id+jwt", "oauth-id-jag+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt",
		"client-authentication+jwt", "txntoken+jwt", "at+jwt2", "x/at+jwt",
	} {
		if _, err := Verify(sign(t, signer, typ, func(map[string]any) {}), expectation(r)); !errors.Is(err, ErrInvalid) {
			t.Fatalf("typ %q: %v", typ, err)
		}
	}
	for _, typ := range []string{"at+jwt", "application/at+jwt", "AT+JWT"} { // RFC 9068 §4
		if _, err := Verify(sign(t, signer, typ, func(map[string]any) {}), expectation(r)); err != nil {
			t.Fatalf("typ %q: %v", typ, err)
		}
	}
}

func TestVerifyRefusesKeys(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	compact, err := Mint(valid(), signer)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("another tenant's ring", func(t *testing.T) {
		other, _ := ring(t, keys.ES256)
		if _, err := Verify(compact, expectation(other)); !errors.Is(err, ErrInvalid) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("no keys", func(t *testing.T) {
		if _, err := Verify(compact, expectation(noKeys{})); !errors.Is(err, ErrInvalid) {
			t.Fatalf("got %v", err)
		}
	})
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := valid().encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, kid := range map[string]string{"stranger with our kid": signer.KeyID(), "stranger without kid": ""} {
		t.Run(name, func(t *testing.T) {
			forged, err := jws.Sign("ES256", kid, Type, crypto.Signer(stranger), claims)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(forged, expectation(r)); !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("altered", func(t *testing.T) {
		parts := strings.Split(compact, ".")
		other := valid()
		other.Subject = "usr_02"
		raw, err := other.encode()
		if err != nil {
			t.Fatal(err)
		}
		parts[1] = base64.RawURLEncoding.EncodeToString(raw)
		if _, err := Verify(strings.Join(parts, "."), expectation(r)); !errors.Is(err, ErrInvalid) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("unsecured", func(t *testing.T) {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
		if _, err := Verify(head+"."+strings.Split(compact, ".")[1]+".", expectation(r)); !errors.Is(err, ErrInvalid) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestVerifyRefusesAnEmptyExpectation(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	compact, err := Mint(valid(), signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Expectation){
		"issuer":   func(e *Expectation) { e.Issuer = "" },
		"audience": func(e *Expectation) { e.Audience = "" },
		"ring":     func(e *Expectation) { e.Ring = nil },
		"now":      func(e *Expectation) { e.Now = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			want := expectation(r)
			change(&want)
			if _, err := Verify(compact, want); !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// VerifyOwn asks everything but whom the token is for.
func TestVerifyOwn(t *testing.T) {
	r, signer := ring(t, keys.ES256)
	compact := sign(t, signer, Type, func(m map[string]any) { m["aud"] = "https://elsewhere.example" })
	own := Own{Issuer: issuer, Ring: r, Now: now}
	verified, err := VerifyOwn(compact, own)
	if err != nil || verified.Claims().Audience != "https://elsewhere.example" {
		t.Fatalf("%+v, %v", verified.Claims(), err)
	}
	if _, err := Verify(compact, expectation(r)); !errors.Is(err, ErrInvalid) {
		t.Errorf("for another audience: %v", err)
	}
	said, err := verified.Payload()
	if err != nil || !reflect.DeepEqual(decoded(t, said), payload(t, compact)) {
		t.Errorf("payload %s, %v", said, err)
	}
	if _, err := (Token{}).Payload(); !errors.Is(err, ErrInvalid) {
		t.Errorf("nothing has a payload: %v", err)
	}
	for name, change := range map[string]func(*Own){
		"no issuer": func(o *Own) { o.Issuer = "" }, "no ring": func(o *Own) { o.Ring = nil }, "no time": func(o *Own) { o.Now = time.Time{} },
		"another issuer": func(o *Own) { o.Issuer += "/t/other" }, "no key": func(o *Own) { o.Ring = noKeys{} },
		"too late": func(o *Own) { o.Now = o.Now.Add(24 * time.Hour) }, "too early": func(o *Own) { o.Now = o.Now.Add(-24 * time.Hour) },
	} {
		broken := own
		change(&broken)
		if _, err := VerifyOwn(compact, broken); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{compact: Type, sign(t, signer, "dpop+jwt", func(map[string]any) {}): "dpop+jwt", "": "", "a.b.c": ""} {
		if typ, ok := TypeOf(text); typ != want || ok != (want != "") {
			t.Errorf("type %q, %v; want %q", typ, ok, want)
		}
	}
}

func decoded(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

type noKeys struct{}

func (noKeys) Keys() []jwks.Key { return nil }

func BenchmarkMint(b *testing.B) {
	_, signer := ring(b, keys.ES256)
	c := valid()
	c.Plan, c.Environment = "pro", "production"
	c.Extra = map[string]any{"groups": []string{"notes-editors", "notes-readers"}, "email": "alice@acme.com"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Mint(c, signer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	c := valid()
	c.Extra = map[string]any{"groups": []string{"notes-editors", "notes-readers"}, "email": "alice@acme.com"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.encode(); err != nil {
			b.Fatal(err)
		}
	}
}

// What Mint spends on top of this is its own.
func BenchmarkBareSignature(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	for b.Loop() {
		if _, err := key.Sign(rand.Reader, digest, crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r, signer := ring(b, keys.ES256)
	compact, err := Mint(valid(), signer)
	if err != nil {
		b.Fatal(err)
	}
	want := expectation(r)
	for b.Loop() {
		if _, err := Verify(compact, want); err != nil {
			b.Fatal(err)
		}
	}
}
