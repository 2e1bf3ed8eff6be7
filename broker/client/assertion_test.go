package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func TestAssertion(t *testing.T) {
	b := newBench(t)
	for name, k := range map[string]struct {
		algorithm, kid string
		key            crypto.Signer
	}{
		"ES256": {"ES256", "p256", p256},
		"ES384": {"ES384", "p384", p384},
		"PS256": {"PS256", "rsa", rsa2},
		"RS256": {"RS256", "rsa", rsa2},
		"EdDSA": {"EdDSA", "ed", edKey},
	} {
		t.Run(name, func(t *testing.T) {
			a := validAssertion("jwt")
			a.algorithm, a.key = k.algorithm, k.key
			a.header = map[string]any{"alg": k.algorithm, "kid": k.kid}
			got, err := b.Authenticate(t.Context(), a.request(t))
			if err != nil {
				t.Fatal(err)
			}
			if got.Client().ClientID != "jwt" || got.Method() != MethodPrivateKeyJWT || !got.Proved() || got.AssertionID() != "ca-1" {
				t.Fatalf("got %+v", got)
			}
			r := got.Redemption()
			if r == nil || r.Tenant != acme || r.Space != ledger.SpaceClientAssertion || !r.Always ||
				r.Key != sha256.Sum256([]byte("jwt\x00ca-1")) || r.Code != "client_assertion_replayed" ||
				!r.ExpiresAt.After(now.Add(time.Minute+AssertionSkew)) {
				t.Fatalf("redemption %+v", r)
			}
		})
	}
}

func TestAssertionAccepts(t *testing.T) {
	b := newBench(t)
	claim := func(name string, value any) func(*assertion, *Request) {
		return func(a *assertion, _ *Request) { a.claims[name] = value }
	}
	header := func(name string, value any) func(*assertion, *Request) {
		return func(a *assertion, _ *Request) { a.header[name] = value }
	}
	for name, change := range map[string]func(*assertion, *Request){
		"typ JWT":              header("typ", "JWT"),
		"typ jwt":              header("typ", "jwt"),
		"typ of 7523bis":       header("typ", "client-authentication+jwt"),
		"typ as media type":    header("typ", "application/client-authentication+jwt"),
		"client_id in body":    func(_ *assertion, r *Request) { r.ClientID = "jwt" },
		"no iat":               func(a *assertion, _ *Request) { delete(a.claims, "iat") },
		"no kid, one key fits": func(a *assertion, _ *Request) { delete(a.header, "kid") },
		"longest life":         claim("exp", now.Add(AssertionMaxAge).Unix()),
		"expired within skew": func(a *assertion, _ *Request) {
			a.claims["iat"], a.claims["exp"] = now.Add(-time.Minute).Unix(), now.Add(-AssertionSkew+time.Second).Unix()
		},
		"iat ahead by skew": claim("iat", now.Add(AssertionSkew).Unix()),
		"nbf now":           claim("nbf", now.Unix()),
		"longest jti":       claim("jti", strings.Repeat("j", 255)),
		"more claims":       claim("x", map[string]any{"y": 1}),
	} {
		t.Run(name, func(t *testing.T) {
			a, form := validAssertion("jwt"), Request{}
			change(a, &form)
			r := a.request(t)
			r.ClientID = form.ClientID
			if _, err := b.Authenticate(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Each case is one mutation of a valid assertion, and its private cause. What is
// seen outside is one answer.
func TestAssertionRefuses(t *testing.T) {
	b := newBench(t)
	disabled, expired := *b.registry.clients["jwt"], *b.registry.clients["jwt"]
	disabled.ClientID, disabled.Disabled = "disabled", true
	expired.ClientID, expired.ExpiresAt = "expired", now
	b.registry.clients["disabled"], b.registry.clients["expired"] = &disabled, &expired

	claim := func(name string, value any) func(*assertion) { return func(a *assertion) { a.claims[name] = value } }
	without := func(name string) func(*assertion) { return func(a *assertion) { delete(a.claims, name) } }
	header := func(name string, value any) func(*assertion) { return func(a *assertion) { a.header[name] = value } }
	from := func(id string) func(*assertion) {
		return func(a *assertion) { a.claims["iss"], a.claims["sub"] = id, id }
	}
	var whatever error
	for name, c := range map[string]struct {
		change func(*assertion)
		cause  error
	}{
		"unknown client":       {from("nobody"), ErrUnknown},
		"client in other case": {from("JWT"), ErrUnknown},
		"disabled client":      {from("disabled"), errDisabled},
		"expired client":       {from("expired"), errExpired},
		"client with a secret": {from("basic"), errMethod},
		"public client":        {from("public"), errMethod},
		"client without keys":  {from("keyless"), errNoKeys},
		"signed by another":    {func(a *assertion) { a.key = other }, whatever},
		"unknown kid":          {header("kid", "nobody's"), jwks.ErrUnknownKey},
		"kid of another key":   {header("kid", "p384"), whatever},
		"kid empty":            {header("kid", ""), whatever},
		"alg none":             {header("alg", "none"), errAlgorithm},
		"alg HS256":            {header("alg", "HS256"), errAlgorithm},
		"alg of another key":   {header("alg", "RS256"), whatever},
		"alg not listed": {func(a *assertion) {
			a.algorithm, a.key = "ES512", p521
			a.header = map[string]any{"alg": "ES512", "kid": "p521"}
		}, errAlgorithm},
		"alg RS512": {func(a *assertion) {
			a.algorithm, a.key = "RS512", rsa2
			a.header = map[string]any{"alg": "RS512", "kid": "rsa"}
		}, errAlgorithm},
		"key in the header":      {func(a *assertion) { a.key = other; a.header["jwk"] = jose.JSONWebKey{Key: other.Public()} }, whatever},
		"key by reference":       {func(a *assertion) { a.key = other; a.header["jku"] = "https://evil.example/jwks" }, whatever},
		"crit":                   {header("crit", []string{"exp"}), whatever},
		"typ of an access token": {header("typ", "at+jwt"), errTyp},
		"typ of an ID-JAG":       {header("typ", "oauth-id-jag+jwt"), errTyp},
		"typ of a proof":         {header("typ", "dpop+jwt"), errTyp},
		"typ of a logout token":  {header("typ", "logout+jwt"), errTyp},
		"typ of an event":        {header("typ", "secevent+jwt"), errTyp},
		"typ of a txn token":     {header("typ", "txntoken+jwt"), errTyp},
		"typ unknown":            {header("typ", "x"), errTyp},
		"iss absent":             {without("iss"), errIssuer},
		"sub absent":             {without("sub"), errIssuer},
		"iss another":            {claim("iss", "basic"), errIssuer},
		"sub another":            {claim("sub", "basic"), errIssuer},
		"iss number":             {claim("iss", 1), whatever},
		"both empty":             {from(""), whatever},
		"aud absent":             {without("aud"), errAudience},
		"aud empty":              {claim("aud", ""), whatever},
		"aud empty list":         {claim("aud", []string{}), errAudience},
		"aud list of us":         {claim("aud", []string{issuer}), errAudience},
		"aud list of two":        {claim("aud", []string{issuer, "https://other.example"}), errAudience},
		"aud another":            {claim("aud", "https://other.example"), errAudience},
		"aud with slash":         {claim("aud", issuer+"/"), errAudience},
		"aud another tenant":     {claim("aud", issuer+"/t/globex"), errAudience},
		"aud in capitals":        {claim("aud", strings.ToUpper(issuer)), errAudience},
		"aud token endpoint":     {claim("aud", tokenEndpoint), errAudience},
		"aud number":             {claim("aud", 1), whatever},
		"exp absent":             {without("exp"), errTimes},
		"exp null":               {claim("exp", nil), whatever},
		"exp text":               {claim("exp", "1800000000"), whatever},
		"exp float":              {claim("exp", float64(now.Add(time.Minute).Unix())+0.5), whatever},
		"exp 1e18":               {claim("exp", int64(1e18)), whatever},
		"exp far":                {claim("exp", now.Add(AssertionMaxAge+AssertionSkew+time.Second).Unix()), errTimes},
		"expired":                {claim("exp", now.Add(-AssertionSkew).Unix()), errTimes},
		"iat in the future":      {claim("iat", now.Add(AssertionSkew+time.Second).Unix()), errTimes},
		"iat long ago":           {claim("iat", now.Add(-AssertionMaxAge-AssertionSkew-time.Second).Unix()), errTimes},
		"iat after exp":          {func(a *assertion) { a.claims["exp"] = now.Unix(); a.claims["iat"] = now.Add(time.Second).Unix() }, errTimes},
		"iat text":               {claim("iat", "now"), whatever},
		"nbf in the future":      {claim("nbf", now.Add(AssertionSkew+time.Second).Unix()), errTimes},
		"nbf text":               {claim("nbf", "now"), whatever},
		"jti absent":             {without("jti"), errJTI},
		"jti empty":              {claim("jti", ""), whatever},
		"jti number":             {claim("jti", 1), whatever},
		"jti too long":           {claim("jti", strings.Repeat("j", 256)), whatever},
		"jti with NUL":           {claim("jti", "a\x00b"), whatever},
		"look-alike sub":         {claim("SUB", "basic"), whatever},
		"look-alike aud, long s": {claim("iſs", "basic"), whatever},
	} {
		t.Run(name, func(t *testing.T) {
			a := validAssertion("jwt")
			c.change(a)
			got, err := b.Authenticate(t.Context(), a.request(t))
			refusal := refusalOf(t, err, oauth.CodeClientAuthenticationFailed)
			if c.cause != nil && !errors.Is(refusal, c.cause) {
				t.Errorf("cause %v, want %v", refusal.Cause, c.cause)
			}
			if got.Client() != nil || got.Redemption() != nil {
				t.Error("a refused assertion names a client")
			}
			want := oauth.Refuse(oauth.CodeClientAuthenticationFailed, "", "").Wire(issuer, "trc_1")
			if wire := refusal.Wire(issuer, "trc_1"); fmt.Sprint(wire) != fmt.Sprint(want) {
				t.Errorf("on the wire %+v", wire)
			}
		})
	}
}

func TestAssertionParameters(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		change func(*Request)
		code   oauth.Code
	}{
		"no type":         {func(r *Request) { r.AssertionType = "" }, oauth.CodeParameterMissing},
		"type alone":      {func(r *Request) { r.Assertion = "" }, oauth.CodeParameterMissing},
		"SAML":            {func(r *Request) { r.AssertionType = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer" }, oauth.CodeClientAuthenticationFailed},
		"other client_id": {func(r *Request) { r.ClientID = "basic" }, oauth.CodeClientAuthenticationFailed},
		"not a JWT":       {func(r *Request) { r.Assertion = "assertion" }, oauth.CodeClientAuthenticationFailed},
		"with newline":    {func(r *Request) { r.Assertion += "\n" }, oauth.CodeClientAuthenticationFailed},
		"without signature": {func(r *Request) {
			r.Assertion = r.Assertion[:strings.LastIndexByte(r.Assertion, '.')+1]
		}, oauth.CodeClientAuthenticationFailed},
		"too large": {func(r *Request) { r.Assertion = strings.Repeat("a", 1<<15) }, oauth.CodeClientAuthenticationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			r := validAssertion("jwt").request(t)
			c.change(&r)
			_, err := b.Authenticate(t.Context(), r)
			refused(t, err, c.code)
		})
	}
}

// T2: a published key must not become the secret of an HMAC.
func TestAssertionHMACWithThePublicKey(t *testing.T) {
	b := newBench(t)
	jwk := must(jose.JSONWebKey{Key: p256.Public(), KeyID: "p256"}.MarshalJSON())
	encode := base64.RawURLEncoding.EncodeToString
	for _, secret := range [][]byte{jwk, b.registry.clients["jwt"].Auth.Keys.Inline} {
		input := encode([]byte(`{"alg":"HS256","kid":"p256"}`)) + "." + encode(must(json.Marshal(validAssertion("jwt").claims)))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		r := request()
		r.Assertion, r.AssertionType = input+"."+encode(mac.Sum(nil)), oauth.AssertionTypeJWT
		_, err := b.Authenticate(t.Context(), r)
		refused(t, err, oauth.CodeClientAuthenticationFailed)
	}
}

func TestAudienceOfOlderLibraries(t *testing.T) {
	b := newBench(t)
	b.registry.clients["jwt"].Auth.Audience = AudienceIssuerOrTokenEndpoint
	for aud, ok := range map[string]bool{issuer: true, tokenEndpoint: true, tokenEndpoint + "/": false, "https://auth.acme.com/par": false} {
		a := validAssertion("jwt")
		a.claims["aud"] = aud
		_, err := b.Authenticate(t.Context(), a.request(t))
		if ok != (err == nil) {
			t.Errorf("%s: %v", aud, err)
		}
	}
	a := validAssertion("jwt")
	a.claims["aud"] = []string{tokenEndpoint}
	_, err := b.Authenticate(t.Context(), a.request(t))
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

func TestUnsaidAudienceIsOurIssuer(t *testing.T) {
	b := newBench(t)
	b.registry.clients["jwt"].Auth.Audience = ""
	a := validAssertion("jwt")
	if _, err := b.Authenticate(t.Context(), a.request(t)); err != nil {
		t.Fatal(err)
	}
	a.claims["aud"] = tokenEndpoint
	_, err := b.Authenticate(t.Context(), a.request(t))
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

// A jti that is used up by one client, or in one tenant, is free for others.
func TestRedemptionsAreOfOneClient(t *testing.T) {
	b := newBench(t)
	second := *b.registry.clients["jwt"]
	second.ClientID, second.UID = "jwt2", "cli_jwt2"
	b.registry.clients["jwt2"] = &second
	first, err := b.Authenticate(t.Context(), validAssertion("jwt").request(t))
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.Authenticate(t.Context(), validAssertion("jwt2").request(t))
	if err != nil {
		t.Fatal(err)
	}
	if first.Redemption().Key == other.Redemption().Key {
		t.Fatal("one key")
	}
}

func TestRemoteKeys(t *testing.T) {
	b := newBench(t)
	c := b.registry.clients["remote"]
	if _, err := b.Authenticate(t.Context(), validAssertion("remote").request(t)); err != nil {
		t.Fatal(err)
	}
	// The client changes its key and keeps the kid.
	fresh := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	b.network.sets[c.Auth.Keys.URI] = keySet(jose.JSONWebKey{Key: fresh.Public(), KeyID: "p256"})
	b.now = now.Add(jwks.RefetchAfter)
	a := validAssertion("remote")
	a.key = fresh
	if _, err := b.Authenticate(t.Context(), a.request(t)); err != nil {
		t.Fatal(err)
	}
	_, err := b.Authenticate(t.Context(), validAssertion("remote").request(t))
	refused(t, err, oauth.CodeClientAuthenticationFailed)

	// A flood of bad signatures asks at most once in its interval.
	before := b.network.fetched
	for range 50 {
		a := validAssertion("remote")
		a.key = other
		_, err := b.Authenticate(t.Context(), a.request(t))
		refused(t, err, oauth.CodeClientAuthenticationFailed)
	}
	if asked := b.network.fetched - before; asked > 1 {
		t.Fatalf("%d fetches", asked)
	}
}

func TestRemoteKeysUnreachable(t *testing.T) {
	b := newBench(t)
	clear(b.network.sets)
	_, err := b.Authenticate(t.Context(), validAssertion("remote").request(t))
	if refusal := refusalOf(t, err, oauth.CodeClientAuthenticationFailed); !errors.Is(refusal, jwks.ErrUnavailable) {
		t.Fatalf("cause %v", refusal.Cause)
	}
}

// A client_id that looks like an issuer is never used for discovery.
func TestNoDiscoveryForClients(t *testing.T) {
	b := newBench(t)
	b.add("https://agent.example", MethodPrivateKeyJWT)
	_, err := b.Authenticate(t.Context(), validAssertion("https://agent.example").request(t))
	if refusal := refusalOf(t, err, oauth.CodeClientAuthenticationFailed); !errors.Is(refusal, errNoKeys) || b.network.fetched != 0 {
		t.Fatalf("cause %v, %d fetches", refusal.Cause, b.network.fetched)
	}
}

// An unknown client costs a verification of the same algorithm.
func TestDecoysFitEveryAlgorithm(t *testing.T) {
	d := must(newDecoys())
	for _, algorithm := range SigningAlgorithms() {
		fits := 0
		for _, public := range d.keys {
			if jwks.Fits(algorithm, public) {
				fits++
			}
		}
		if fits != 1 {
			t.Errorf("%s has %d decoys", algorithm, fits)
		}
	}
}

func BenchmarkAuthenticateAssertion(b *testing.B) {
	bench := newBench(b)
	for name, id := range map[string]string{"known": "jwt", "unknown": "nobody"} {
		r := validAssertion(id).request(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = bench.Authenticate(b.Context(), r)
			}
		})
	}
}
