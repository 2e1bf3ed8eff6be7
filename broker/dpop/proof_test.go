package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const endpoint = "https://auth.acme.com/token"

var (
	now   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	acme  = tenant.MustParseUID("ten_acme")
	p256  = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384  = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521  = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	rsa2  = must(rsa.GenerateKey(rand.Reader, 2048))
	edKey = must(edwards())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func edwards() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func want() Expectation {
	return Expectation{Tenant: acme, Method: "POST", URL: endpoint, Now: now}
}

// proof is a valid proof; tests break one thing of it.
type proof struct {
	algorithm string
	key       crypto.Signer
	header    map[string]any
	jwk       map[string]any // of the header
	claims    map[string]any
}

func valid(algorithm string, key crypto.Signer) *proof {
	jwk := publicJWK(key.Public())
	return &proof{
		algorithm: algorithm, key: key, jwk: jwk,
		header: map[string]any{"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk},
		claims: map[string]any{"jti": "proof-1", "htm": "POST", "htu": endpoint, "iat": now.Unix()},
	}
}

func publicJWK(public any) map[string]any {
	var members map[string]any
	raw := must(jose.JSONWebKey{Key: public}.MarshalJSON())
	if err := json.Unmarshal(raw, &members); err != nil {
		panic(err)
	}
	return members
}

func (p *proof) sign(t testing.TB) string {
	t.Helper()
	header, err := json.Marshal(p.header)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.SignHeader(p.algorithm, header, p.key, p.claims)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func refused(t *testing.T, err error) {
	t.Helper()
	_ = refusalOf(t, err)
}

func refusalOf(t *testing.T, err error) *oauth.Error {
	t.Helper()
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != oauth.CodeDPoPProofInvalid {
		t.Fatalf("got %v, want dpop_proof_invalid", err)
	}
	if wire := refusal.Wire("https://auth.acme.com", "trc_1"); wire.Error != "invalid_dpop_proof" || wire.Status != 400 {
		t.Fatalf("on the wire %+v", wire)
	}
	return refusal
}

func TestVerify(t *testing.T) {
	for name, p := range map[string]*proof{
		"ES256": valid("ES256", p256),
		"ES384": valid("ES384", p384),
		"RS256": valid("RS256", rsa2),
		"PS256": valid("PS256", rsa2),
		"EdDSA": valid("EdDSA", edKey),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Verify([]string{p.sign(t)}, want())
			if err != nil {
				t.Fatal(err)
			}
			thumbprint, err := jwks.Thumbprint(p.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			if got.Thumbprint() != thumbprint || got.ID() != "proof-1" || got.IsZero() {
				t.Fatalf("proof %+v", got)
			}
			r := got.Redemption()
			key := sha256.Sum256([]byte(thumbprint + "\x00proof-1\x00" + endpoint))
			if r.Tenant != acme || r.Space != ledger.SpaceProof || r.Key != key || !r.Always ||
				r.Code != "dpop_replayed" || r.ExpiresAt != now.Add(2*Window) {
				t.Fatalf("redemption %+v", r)
			}
		})
	}
}

func TestNoHeaderProvesNothing(t *testing.T) {
	got, err := Verify(nil, want())
	if err != nil || !got.IsZero() {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestVerifyRefusesHeaderFields(t *testing.T) {
	p := valid("ES256", p256).sign(t)
	for name, headers := range map[string][]string{
		"two":             {p, p},
		"two, one empty":  {p, ""},
		"empty":           {""},
		"two in one":      {p + ", " + p},
		"leading space":   {" " + p},
		"newline":         {p + "\n"},
		"not a JWT":       {"proof"},
		"unsecured":       {strings.Join(strings.Split(p, ".")[:2], ".") + "."},
		"too large":       {strings.Repeat("a", jws.MaxBytes+1)},
		"signature cut":   {p[:len(p)-4]},
		"five parts":      {p + ".."},
		"JSON serialised": {`{"payload":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(headers, want())
			refused(t, err)
		})
	}
}

func TestVerifyRefusesOneMutation(t *testing.T) {
	header := func(name string, value any) func(*proof) { return func(p *proof) { p.header[name] = value } }
	claim := func(name string, value any) func(*proof) { return func(p *proof) { p.claims[name] = value } }
	without := func(name string) func(*proof) { return func(p *proof) { delete(p.claims, name) } }
	for name, change := range map[string]func(*proof){
		"typ absent":            func(p *proof) { delete(p.header, "typ") },
		"typ JWT":               header("typ", "JWT"),
		"typ at+jwt":            header("typ", "at+jwt"),
		"typ client auth":       header("typ", "client-authentication+jwt"),
		"typ id-jag":            header("typ", "oauth-id-jag+jwt"),
		"alg none":              header("alg", "none"),
		"alg of another key":    header("alg", "RS256"),
		"alg not listed":        func(p *proof) { *p = *valid("ES512", p521) },
		"alg RS512":             func(p *proof) { *p = *valid("RS512", rsa2) },
		"crit":                  header("crit", []string{"b64"}),
		"jwk absent":            func(p *proof) { delete(p.header, "jwk") },
		"jwk null":              header("jwk", nil),
		"jwk text":              header("jwk", "key"),
		"jwk of another key":    header("jwk", publicJWK(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public())),
		"jwk for another alg":   func(p *proof) { p.jwk["alg"] = "ES384" },
		"jwk for encryption":    func(p *proof) { p.jwk["use"] = "enc" },
		"jwk off the curve":     func(p *proof) { p.jwk["x"] = strings.Repeat("A", 43) },
		"jwk private":           header("jwk", publicJWK(p256)),
		"jwk private, d only":   func(p *proof) { p.jwk["d"] = "AAAA" },
		"jwk private, d null":   func(p *proof) { p.jwk["d"] = nil },
		"jwk symmetric":         header("jwk", map[string]any{"kty": "oct", "k": "c2VjcmV0"}),
		"key only by reference": func(p *proof) { delete(p.header, "jwk"); p.header["jku"] = "https://evil.example/jwks" },
		"jti absent":            without("jti"),
		"jti empty":             claim("jti", ""),
		"jti number":            claim("jti", 1),
		"jti too long":          claim("jti", strings.Repeat("j", 256)),
		"jti with NUL":          claim("jti", "a\x00b"),
		"htm absent":            without("htm"),
		"htm GET":               claim("htm", "GET"),
		"htm in lower case":     claim("htm", "post"),
		"htm list":              claim("htm", []string{"POST"}),
		"htu absent":            without("htu"),
		"htu of another path":   claim("htu", "https://auth.acme.com/par"),
		"htu with slash":        claim("htu", endpoint+"/"),
		"htu of another host":   claim("htu", "https://auth.evil.com/token"),
		"htu of another port":   claim("htu", "https://auth.acme.com:8443/token"),
		"htu http":              claim("htu", "http://auth.acme.com/token"),
		"htu http on 443":       claim("htu", "http://auth.acme.com:443/token"),
		"htu path in capitals":  claim("htu", "https://auth.acme.com/TOKEN"),
		"htu with proxy prefix": claim("htu", "https://auth.acme.com/proxy/token"),
		"htu with dots":         claim("htu", "https://auth.acme.com/x/../token"),
		"htu with user":         claim("htu", "https://a@auth.acme.com/token"),
		"htu relative":          claim("htu", "/token"),
		"htu with space":        claim("htu", endpoint+" "),
		"htu with backslash":    claim("htu", `https://auth.acme.com\token`),
		"htu slash escaped":     claim("htu", "https://auth.acme.com/%2Ftoken"),
		"iat absent":            without("iat"),
		"iat text":              claim("iat", "1763726400"),
		"iat float":             claim("iat", float64(now.Unix())+0.5),
		"iat too old":           claim("iat", now.Add(-Window-time.Second).Unix()),
		"iat too new":           claim("iat", now.Add(Window+time.Second).Unix()),
		"iat in milliseconds":   claim("iat", now.UnixMilli()),
		"expired":               claim("exp", now.Add(-Window).Unix()),
		"not yet":               claim("nbf", now.Add(Window+time.Second).Unix()),
		"exp text":              claim("exp", "soon"),
		"look-alike claim":      claim("HTU", endpoint),
	} {
		t.Run(name, func(t *testing.T) {
			p := valid("ES256", p256)
			change(p)
			_, err := Verify([]string{p.sign(t)}, want())
			refused(t, err)
		})
	}
}

// T2: a public key must not become the secret of an HMAC.
func TestVerifyRefusesHMAC(t *testing.T) {
	jwk := publicJWK(p256.Public())
	raw := must(json.Marshal(jwk))
	encode := base64.RawURLEncoding.EncodeToString
	for _, algorithm := range []string{"HS256", "hs256"} {
		header := must(json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk}))
		claims := must(json.Marshal(valid("ES256", p256).claims))
		input := encode(header) + "." + encode(claims)
		mac := hmac.New(sha256.New, raw)
		mac.Write([]byte(input))
		_, err := Verify([]string{input + "." + encode(mac.Sum(nil))}, want())
		refused(t, err)
	}
}

func TestVerifyRefusesAlteration(t *testing.T) {
	parts := strings.Split(valid("ES256", p256).sign(t), ".")
	other := valid("ES256", p256)
	other.claims["jti"] = "proof-2"
	parts[1] = strings.Split(other.sign(t), ".")[1]
	_, err := Verify([]string{strings.Join(parts, ".")}, want())
	refused(t, err)
}

// T42: what a client may write differently and mean the same.
func TestVerifyAccepts(t *testing.T) {
	for name, change := range map[string]func(*proof){
		"typ in capitals":    func(p *proof) { p.header["typ"] = "DPoP+JWT" },
		"typ as media type":  func(p *proof) { p.header["typ"] = "application/dpop+jwt" },
		"a kid":              func(p *proof) { p.header["kid"] = "mine" },
		"a kid in the key":   func(p *proof) { p.jwk["kid"] = "mine" },
		"host in capitals":   func(p *proof) { p.claims["htu"] = "HTTPS://Auth.Acme.COM/token" },
		"default port":       func(p *proof) { p.claims["htu"] = "https://auth.acme.com:443/token" },
		"query and fragment": func(p *proof) { p.claims["htu"] = endpoint + "?a=b#c" },
		"escaped letter":     func(p *proof) { p.claims["htu"] = "https://auth.acme.com/%74oken" },
		"oldest iat":         func(p *proof) { p.claims["iat"] = now.Add(-Window).Unix() },
		"newest iat":         func(p *proof) { p.claims["iat"] = now.Add(Window).Unix() },
		"longest jti":        func(p *proof) { p.claims["jti"] = strings.Repeat("j", 255) },
		"more claims":        func(p *proof) { p.claims["ath"] = "x"; p.claims["nonce"] = "n"; p.claims["x"] = 1 },
		"own times":          func(p *proof) { p.claims["exp"] = now.Add(time.Minute).Unix(); p.claims["nbf"] = now.Unix() },
	} {
		t.Run(name, func(t *testing.T) {
			p := valid("ES256", p256)
			change(p)
			if _, err := Verify([]string{p.sign(t)}, want()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A jti that is used up with one key, or for one URL, is free for others; two
// spellings of one URL are one.
func TestRedemptionKeys(t *testing.T) {
	redeem := func(p *proof, w Expectation) [32]byte {
		t.Helper()
		got, err := Verify([]string{p.sign(t)}, w)
		if err != nil {
			t.Fatal(err)
		}
		return got.Redemption().Key
	}
	first := redeem(valid("ES256", p256), want())
	if redeem(valid("ES256", p256), want()) != first {
		t.Fatal("the same proof has two keys")
	}
	spelled := valid("ES256", p256)
	spelled.claims["htu"] = "https://AUTH.acme.com:443/token?x"
	if redeem(spelled, want()) != first {
		t.Fatal("two spellings are two proofs")
	}
	if redeem(valid("ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))), want()) == first {
		t.Fatal("another key's proof is used up")
	}
	elsewhere := valid("ES256", p256)
	elsewhere.claims["htu"] = "https://auth.acme.com/par"
	w := want()
	w.URL = "https://auth.acme.com/par"
	if redeem(elsewhere, w) == first {
		t.Fatal("another URL's proof is used up")
	}
	// It is remembered for as long as it can be taken.
	newest := valid("ES256", p256)
	newest.claims["iat"] = now.Add(Window).Unix()
	got, err := Verify([]string{newest.sign(t)}, want())
	if err != nil {
		t.Fatal(err)
	}
	if last := now.Add(2 * Window); got.Redemption().ExpiresAt.Before(last.Add(Window)) {
		t.Fatalf("forgotten at %s, good until %s", got.Redemption().ExpiresAt, last)
	}
}

func TestVerifyWithAccessToken(t *testing.T) {
	const token = "an.access.token"
	digest := sha256.Sum256([]byte(token))
	ath := base64.RawURLEncoding.EncodeToString(digest[:])
	w := want()
	w.AccessToken = token
	p := valid("ES256", p256)
	p.claims["ath"] = ath
	if _, err := Verify([]string{p.sign(t)}, w); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"absent":  func(m map[string]any) { delete(m, "ath") },
		"empty":   func(m map[string]any) { m["ath"] = "" },
		"another": func(m map[string]any) { m["ath"] = strings.ToUpper(ath) },
		"padded":  func(m map[string]any) { m["ath"] = ath + "=" },
		"list":    func(m map[string]any) { m["ath"] = []string{ath} },
	} {
		t.Run(name, func(t *testing.T) {
			p := valid("ES256", p256)
			p.claims = maps.Clone(p.claims)
			p.claims["ath"] = ath
			change(p.claims)
			_, err := Verify([]string{p.sign(t)}, w)
			refused(t, err)
		})
	}
}

func TestVerifyRefusesAnEmptyExpectation(t *testing.T) {
	p := valid("ES256", p256).sign(t)
	for name, change := range map[string]func(*Expectation){
		"tenant":       func(e *Expectation) { e.Tenant = tenant.UID{} },
		"method":       func(e *Expectation) { e.Method = "" },
		"URL":          func(e *Expectation) { e.URL = "" },
		"relative URL": func(e *Expectation) { e.URL = "/token" },
		"clock":        func(e *Expectation) { e.Now = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			w := want()
			change(&w)
			_, err := Verify([]string{p}, w)
			refusal, ok := errors.AsType[*oauth.Error](err)
			if !ok || refusal.Code != oauth.CodeInternal {
				t.Fatalf("got %v, want internal", err)
			}
		})
	}
}

func TestRefusalsNameTheCheck(t *testing.T) {
	p := valid("ES256", p256)
	p.claims["htu"] = "https://evil.example/" + strings.Repeat("x", 1000)
	_, err := Verify([]string{p.sign(t)}, want())
	refusal := refusalOf(t, err)
	if !strings.HasPrefix(refusal.Received, "htu: https://evil") || refusal.Expected != "htu: "+endpoint || len(refusal.Received) > 256 {
		t.Fatalf("refusal %+v", refusal)
	}
}

func BenchmarkVerify(b *testing.B) {
	p := valid("ES256", p256).sign(b)
	for b.Loop() {
		if _, err := Verify([]string{p}, want()); err != nil {
			b.Fatal(err)
		}
	}
}
