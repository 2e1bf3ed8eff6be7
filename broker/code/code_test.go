package code_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/vault/keyring"
)

const (
	redirect = "https://app.example/cb"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	jkt      = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

var (
	now     = time.Date(2026, 11, 21, 12, 0, 0, 400_000_000, time.UTC)
	acme    = tenant.MustParseUID("ten_acme")
	globex  = tenant.MustParseUID("ten_globex")
	session = code.Digest(sha256.Sum256([]byte("session")))
)

func grant() code.Grant {
	return code.Grant{
		ClientUID: "cli_1", RedirectURI: redirect, RedirectNamed: true, Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Thumbprint: jkt,
		Resources: []code.Resource{{UID: "res_1", URI: "https://mcp.acme.com/notes", Scopes: []string{"notes:read"}}}, Identity: []string{"openid"}, Offline: true,
		Nonce: "n1", UserUID: "usr_1", IdPUID: "idp_1", Session: session, AuthTime: now.Add(-time.Minute), ACR: "phr", AMR: []string{"hwk"}, DecisionID: "dec_1", Version: 7,
	}
}

type bench struct {
	codes *code.Codes
	root  fixed // its keys, where they are of the test
	clock time.Time
}

func newBench(t testing.TB, keys code.Keys) *bench {
	t.Helper()
	b := &bench{clock: now}
	b.root, _ = keys.(fixed)
	var err error
	if b.codes, err = code.New(keys, func() time.Time { return b.clock }); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) issue(t testing.TB, g code.Grant) code.Presented {
	t.Helper()
	issued, err := b.codes.Issue(acme, g)
	if err != nil {
		t.Fatal(err)
	}
	return code.Presented{Tenant: acme, Code: issued.Reveal(), ClientUID: g.ClientUID, RedirectURI: redirect, Verifier: verifier, Thumbprint: g.Thumbprint}
}

// fixed is two root keys of which the first makes codes.
type fixed [][]byte

func (f fixed) Derive(purpose string) ([][]byte, error) {
	if purpose == "" {
		return nil, errors.New("no purpose")
	}
	return f, nil
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func TestCode(t *testing.T) {
	b := newBench(t, fixed{key(1)})
	p := b.issue(t, grant())
	b.clock = now.Add(code.Lifetime - time.Microsecond)
	r, err := b.codes.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.Grant(), grant()) || !r.IssuedAt().Equal(now) {
		t.Errorf("%+v, issued %s", r.Grant(), r.IssuedAt())
	}
	redemption := r.Redemption()
	if redemption.Tenant != acme || redemption.Space != code.Space || redemption.Key == [32]byte{} || redemption.Always ||
		redemption.Code != string(oauth.CodeCodeUsed) || !redemption.ExpiresAt.After(now.Add(code.Lifetime)) {
		t.Errorf("%+v", redemption)
	}
	again, err := b.codes.Open(p)
	if err != nil || again.Redemption() != redemption || again.ID() != r.ID() || r.ID() != base64.RawURLEncoding.EncodeToString(redemption.Key[:]) {
		t.Errorf("one code has two redemptions: %+v, %v", again.Redemption(), err)
	}
	other, err := b.codes.Open(b.issue(t, grant()))
	if err != nil || other.Redemption().Key == redemption.Key {
		t.Error("two codes have one redemption")
	}
	for _, inside := range []string{"notes:read", "usr_1", "cli_1", base64.RawStdEncoding.EncodeToString([]byte("usr_1"))[:6]} {
		raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(p.Code, "cod_"))
		if strings.Contains(p.Code, inside) || bytes.Contains(raw, []byte(inside)) {
			t.Errorf("%s is to be read in the code", inside)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", p, p, p); strings.Contains(s, p.Code) || strings.Contains(s, verifier) {
		t.Errorf("printed: %s", s)
	}
	t.Logf("a code of %d bytes", len(p.Code))
}

// Each case is one mutation of what a client rightly presents.
func TestOpenRefuses(t *testing.T) {
	raw := func(change func([]byte) []byte) func(*bench, *code.Presented) {
		return func(_ *bench, p *code.Presented) {
			b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(p.Code, "cod_"))
			if err != nil {
				panic(err)
			}
			p.Code = "cod_" + base64.RawURLEncoding.EncodeToString(change(b))
		}
	}
	flip := func(at func([]byte) int) func(*bench, *code.Presented) {
		return raw(func(b []byte) []byte { b[at(b)] ^= 1; return b })
	}
	text := func(change func(string) string) func(*bench, *code.Presented) {
		return func(_ *bench, p *code.Presented) { p.Code = change(p.Code) }
	}
	for name, c := range map[string]struct {
		change func(*bench, *code.Presented)
		code   oauth.Code
	}{
		"no code":                  {text(func(string) string { return "" }), oauth.CodeParameterMissing},
		"no prefix":                {text(func(s string) string { return s[4:] }), oauth.CodeCodeInvalid},
		"another prefix":           {text(func(s string) string { return "rft_" + s[4:] }), oauth.CodeCodeInvalid},
		"prefix in capitals":       {text(func(s string) string { return "COD_" + s[4:] }), oauth.CodeCodeInvalid},
		"prefix alone":             {text(func(s string) string { return s[:4] }), oauth.CodeCodeInvalid},
		"one letter less":          {text(func(s string) string { return s[:len(s)-1] }), oauth.CodeCodeInvalid},
		"one letter more":          {text(func(s string) string { return s + "A" }), oauth.CodeCodeInvalid},
		"padded":                   {text(func(s string) string { return s + "=" }), oauth.CodeCodeInvalid},
		"a line break":             {text(func(s string) string { return s[:50] + "\n" + s[50:] }), oauth.CodeCodeInvalid},
		"a space before":           {text(func(s string) string { return " " + s }), oauth.CodeCodeInvalid},
		"another case":             {text(strings.ToLower), oauth.CodeCodeInvalid},
		"oversize":                 {text(func(s string) string { return s + strings.Repeat("A", 6<<10) }), oauth.CodeCodeInvalid},
		"a megabyte":               {text(func(string) string { return "cod_" + strings.Repeat("A", 1<<20) }), oauth.CodeCodeInvalid},
		"version 0":                {raw(func(b []byte) []byte { b[0] = 0; return b }), oauth.CodeCodeInvalid},
		"version 2":                {raw(func(b []byte) []byte { b[0] = 2; return b }), oauth.CodeCodeInvalid},
		"another id":               {flip(func([]byte) int { return 1 }), oauth.CodeCodeInvalid},
		"the id's last byte":       {flip(func([]byte) int { return 32 }), oauth.CodeCodeInvalid},
		"the first sealed byte":    {flip(func([]byte) int { return 33 }), oauth.CodeCodeInvalid},
		"the tag":                  {flip(func(b []byte) int { return len(b) - 1 }), oauth.CodeCodeInvalid},
		"truncated":                {raw(func(b []byte) []byte { return b[:len(b)-16] }), oauth.CodeCodeInvalid},
		"nothing sealed":           {raw(func(b []byte) []byte { return b[:33] }), oauth.CodeCodeInvalid},
		"extended":                 {raw(func(b []byte) []byte { return append(b, 0) }), oauth.CodeCodeInvalid},
		"another tenant":           {func(_ *bench, p *code.Presented) { p.Tenant = globex }, oauth.CodeCodeInvalid},
		"another installation":     {func(b *bench, _ *code.Presented) { b.root[0] = key(9) }, oauth.CodeCodeInvalid},
		"another client":           {func(_ *bench, p *code.Presented) { p.ClientUID = "cli_2" }, oauth.CodeCodeClientMismatch},
		"no client":                {func(_ *bench, p *code.Presented) { p.ClientUID = "" }, oauth.CodeCodeClientMismatch},
		"another client, late":     {func(b *bench, p *code.Presented) { p.ClientUID = "cli_2"; b.clock = now.Add(time.Hour) }, oauth.CodeCodeClientMismatch},
		"at its end":               {func(b *bench, _ *code.Presented) { b.clock = now.Add(code.Lifetime) }, oauth.CodeCodeExpired},
		"later":                    {func(b *bench, _ *code.Presented) { b.clock = now.Add(24 * time.Hour) }, oauth.CodeCodeExpired},
		"from the future":          {func(b *bench, _ *code.Presented) { b.clock = now.Add(-31 * time.Second) }, oauth.CodeCodeExpired},
		"another redirect URI":     {func(_ *bench, p *code.Presented) { p.RedirectURI = redirect + "/" }, oauth.CodeCodeRedirectMismatch},
		"no redirect URI":          {func(_ *bench, p *code.Presented) { p.RedirectURI = "" }, oauth.CodeCodeRedirectMismatch},
		"no verifier":              {func(_ *bench, p *code.Presented) { p.Verifier = "" }, oauth.CodeParameterMissing},
		"verifier of 42":           {func(_ *bench, p *code.Presented) { p.Verifier = verifier[:42] }, oauth.CodeCodeVerifierMalformed},
		"verifier of 129":          {func(_ *bench, p *code.Presented) { p.Verifier = strings.Repeat("v", 129) }, oauth.CodeCodeVerifierMalformed},
		"verifier with a plus":     {func(_ *bench, p *code.Presented) { p.Verifier = "+" + verifier[1:] }, oauth.CodeCodeVerifierMalformed},
		"verifier with a space":    {func(_ *bench, p *code.Presented) { p.Verifier = verifier + " " }, oauth.CodeCodeVerifierMalformed},
		"verifier not ASCII":       {func(_ *bench, p *code.Presented) { p.Verifier = verifier + "ä" }, oauth.CodeCodeVerifierMalformed},
		"another verifier":         {func(_ *bench, p *code.Presented) { p.Verifier = "e" + verifier[1:] }, oauth.CodeCodeVerifierMismatch},
		"the challenge as plain":   {func(_ *bench, p *code.Presented) { p.Verifier = grant().Challenge }, oauth.CodeCodeVerifierMismatch},
		"verifier of 128, wrong":   {func(_ *bench, p *code.Presented) { p.Verifier = strings.Repeat("-._~", 32) }, oauth.CodeCodeVerifierMismatch},
		"another key":              {func(_ *bench, p *code.Presented) { p.Thumbprint = grant().Challenge }, oauth.CodeCodeKeyMismatch},
		"no proof for a bound one": {func(_ *bench, p *code.Presented) { p.Thumbprint = "" }, oauth.CodeCodeKeyMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, fixed{key(1)})
			p := b.issue(t, grant())
			c.change(b, &p)
			r, err := b.codes.Open(p)
			refusal, ok := errors.AsType[*oauth.Error](err)
			if !ok || refusal.Code != c.code || r.Redemption().Key != (code.Redeemable{}).Redemption().Key {
				t.Fatalf("got %v, want %s", err, c.code)
			}
			if wire := refusal.Wire("https://a", "trc"); c.code == oauth.CodeCodeClientMismatch && !strings.HasPrefix(wire.Description, "code_invalid") {
				t.Errorf("whose it is shows outside: %s", wire.Description)
			}
			if strings.Contains(fmt.Sprint(err), p.Code) && p.Code != "" {
				t.Error("the refusal quotes the code")
			}
		})
	}
}

func TestOpenAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		grant  func(*code.Grant)
		change func(*bench, *code.Presented)
	}{
		"redirect URI not named, and not sent": {func(g *code.Grant) { g.RedirectNamed = false }, func(_ *bench, p *code.Presented) { p.RedirectURI = "" }},
		"redirect URI not named, and right":    {func(g *code.Grant) { g.RedirectNamed = false }, func(*bench, *code.Presented) {}},
		"a key of its own choice":              {func(g *code.Grant) { g.Thumbprint = "" }, func(_ *bench, p *code.Presented) { p.Thumbprint = jkt }},
		"no key":                               {func(g *code.Grant) { g.Thumbprint = "" }, func(*bench, *code.Presented) {}},
		"a replica's clock that is behind":     {func(*code.Grant) {}, func(b *bench, _ *code.Presented) { b.clock = now.Add(-30 * time.Second) }},
		"longest verifier": {func(g *code.Grant) {
			sum := sha256.Sum256([]byte(strings.Repeat("-._~", 32)))
			g.Challenge = base64.RawURLEncoding.EncodeToString(sum[:])
		}, func(_ *bench, p *code.Presented) { p.Verifier = strings.Repeat("-._~", 32) }},
	} {
		t.Run(name, func(t *testing.T) {
			g := grant()
			c.grant(&g)
			b := newBench(t, fixed{key(1)})
			p := b.issue(t, g)
			c.change(b, &p)
			if _, err := b.codes.Open(p); err != nil {
				t.Error(err)
			}
		})
	}
	g := grant()
	g.RedirectNamed = false
	b := newBench(t, fixed{key(1)})
	p := b.issue(t, g)
	p.RedirectURI = "https://evil.example"
	if _, err := b.codes.Open(p); oauth.AsError(err).Code != oauth.CodeCodeRedirectMismatch {
		t.Errorf("not named, and wrong: %v", err)
	}
}

// A grant in which a check would be empty is never sealed.
func TestIssueRefuses(t *testing.T) {
	for name, change := range map[string]func(*code.Grant){
		"no client":             func(g *code.Grant) { g.ClientUID = "" },
		"no redirect URI":       func(g *code.Grant) { g.RedirectURI = "" },
		"no challenge":          func(g *code.Grant) { g.Challenge = "" },
		"no S256 challenge":     func(g *code.Grant) { g.Challenge = "plain" },
		"no thumbprint":         func(g *code.Grant) { g.Thumbprint = "x" },
		"no resource":           func(g *code.Grant) { g.Resources = nil },
		"a resource without id": func(g *code.Grant) { g.Resources[0].UID = "" },
		"a resource nowhere":    func(g *code.Grant) { g.Resources[0].URI = "" },
		"no scope":              func(g *code.Grant) { g.Resources[0].Scopes = nil },
		"an empty scope":        func(g *code.Grant) { g.Resources[0].Scopes = []string{""} },
		"no user":               func(g *code.Grant) { g.UserUID = "" },
		"no IdP":                func(g *code.Grant) { g.IdPUID = "" },
		"no session":            func(g *code.Grant) { g.Session = code.Digest{} },
		"auth_time to come":     func(g *code.Grant) { g.AuthTime = now.Add(federation.MaxClockSkew + time.Second) },
		"too large":             func(g *code.Grant) { g.Nonce = strings.Repeat("n", 6<<10) },
	} {
		g := grant()
		change(&g)
		if issued, err := newBench(t, fixed{key(1)}).codes.Issue(acme, g); err == nil || !issued.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What an IdP does not say stays unsaid: no auth_time is no time, and not the epoch.
func TestAuthTimeUnknown(t *testing.T) {
	g := grant()
	g.AuthTime = time.Time{}
	b := newBench(t, fixed{key(1)})
	opened, err := b.codes.Open(b.issue(t, g))
	if err != nil {
		t.Fatal(err)
	}
	if at := opened.Grant().AuthTime; !at.IsZero() {
		t.Errorf("auth_time %s", at)
	}
	if r := opened.Redemption(); r.Origin == "" || r.Origin != opened.ID() {
		t.Errorf("a second use would end %q", r.Origin)
	}
}

// An IdP's clock may be ahead of ours, by as much as its word is taken.
func TestAuthTimeByAnotherClock(t *testing.T) {
	g := grant()
	g.AuthTime = now.Add(federation.MaxClockSkew)
	b := newBench(t, fixed{key(1)})
	if opened, err := b.codes.Open(b.issue(t, g)); err != nil || !opened.Grant().AuthTime.Equal(g.AuthTime) {
		t.Error(err)
	}
}

// What fits is told before; what does not is told by its own error, both times.
func TestFits(t *testing.T) {
	g, b := grant(), newBench(t, fixed{key(1)})
	if err := b.codes.Fits(g); err != nil {
		t.Error(err)
	}
	g.Nonce = strings.Repeat("n", 6<<10)
	if _, err := b.codes.Issue(acme, g); !errors.Is(err, code.ErrLarge) || !errors.Is(b.codes.Fits(g), code.ErrLarge) {
		t.Error(err)
	}
}

// The largest request that is parsed still fits: eight resources, a kilobyte of scopes, the largest nonce and redirect URI.
func TestLargest(t *testing.T) {
	g := grant()
	g.RedirectURI = "https://app.example/" + strings.Repeat("c", 1004)
	g.Nonce, g.Resources = strings.Repeat("n", 512), nil
	for i := range 8 {
		g.Resources = append(g.Resources, code.Resource{UID: fmt.Sprintf("res_01KABCDEFGHJKMNPQRSTVWXYZ%d", i), URI: "https://mcp.acme.com/" + strings.Repeat("p", 60), Scopes: strings.Fields(strings.Repeat("seven:x ", 16))})
	}
	b := newBench(t, fixed{key(1)})
	p := b.issue(t, g)
	p.RedirectURI = g.RedirectURI
	if _, err := b.codes.Open(p); err != nil {
		t.Error(err)
	}
	t.Logf("%d bytes", len(p.Code))
}

// Two replicas share the keyring; a rotation of it ends no code.
func TestKeyring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring")
	ring, err := keyring.Create(path, now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	first, second := newBench(t, ring), newBench(t, other)
	before := first.issue(t, grant())
	if _, err := ring.Rotate(now); err != nil {
		t.Fatal(err)
	}
	after := first.issue(t, grant())
	for _, p := range []code.Presented{before, after} {
		if _, err := first.codes.Open(p); err != nil {
			t.Error(err)
		}
	}
	if _, err := second.codes.Open(before); err != nil {
		t.Errorf("on another replica: %v", err)
	}
	if _, err := second.codes.Open(after); oauth.AsError(err).Code != oauth.CodeCodeInvalid {
		t.Errorf("a key that this replica has not read: %v", err)
	}
	if err := other.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := second.codes.Open(after); err != nil {
		t.Errorf("after reading the keyring again: %v", err)
	}
}

type broken struct{ keys [][]byte }

func (b broken) Derive(string) ([][]byte, error) {
	if b.keys != nil {
		return b.keys, nil
	}
	return nil, errors.New("no keyring")
}

func TestNeeds(t *testing.T) {
	if _, err := code.New(nil, func() time.Time { return now }); err == nil {
		t.Error("no keys")
	}
	if _, err := code.New(fixed{key(1)}, nil); err == nil {
		t.Error("no clock")
	}
	good := newBench(t, fixed{key(1)})
	p := good.issue(t, grant())
	for name, keys := range map[string]code.Keys{"no keyring": broken{}, "no key": broken{keys: [][]byte{}}} {
		b := newBench(t, keys)
		if _, err := b.codes.Issue(acme, grant()); err == nil {
			t.Errorf("%s: issued", name)
		}
		if _, err := b.codes.Open(p); err == nil || oauth.AsError(err).Code != oauth.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := good.codes.Issue(tenant.UID{}, grant()); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("no tenant: %v", err)
	}
	p.Tenant = tenant.UID{}
	if _, err := good.codes.Open(p); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("no tenant: %v", err)
	}
}

func BenchmarkIssue(b *testing.B) {
	w := newBench(b, fixed{key(1)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.codes.Issue(acme, grant()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	w := newBench(b, fixed{key(1)})
	p := w.issue(b, grant())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.codes.Open(p); err != nil {
			b.Fatal(err)
		}
	}
}
