package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestVerifyBound(t *testing.T) {
	i := newIssuer(t)
	a := i.bound()
	s := send(t, i.verifier(), a.request())
	if !s.reached || s.token.Claims().Thumbprint != thumbprint(t, a.holder.Public()) || s.header.Get("DPoP-Nonce") != "" {
		t.Fatalf("%d %v", s.status, s.body)
	}
}

func TestProofAccepts(t *testing.T) {
	proof := func(name string, value any) func(*attempt) {
		return func(a *attempt) { a.proof.claims[name] = value }
	}
	for name, change := range map[string]func(*attempt){
		"scheme in lower case":    func(a *attempt) { a.scheme = "dpop" },
		"oldest":                  proof("iat", noon.Add(-time.Minute).Unix()),
		"newest":                  proof("iat", noon.Add(time.Minute).Unix()),
		"host in capitals":        proof("htu", "HTTPS://NOTES.acme.com:443/mcp"),
		"query and fragment":      proof("htu", resource+"?a=b#c"),
		"query of the request":    func(a *attempt) { a.url += "?a=b" },
		"digest of the body":      proof("content_digest", digestOf(`{"a":1}`)),
		"nonce that nobody wants": proof("nonce", "x"),
		"GET":                     func(a *attempt) { a.method = "GET"; a.proof.claims["htm"] = "GET" },
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.bound()
			change(a)
			if s := send(t, i.verifier(), a.request()); !s.reached || s.read != a.body {
				t.Fatalf("%d %v", s.status, s.body)
			}
		})
	}
}

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func TestProofRefusesOneMutation(t *testing.T) {
	header := func(name string, value any) func(*attempt) {
		return func(a *attempt) { a.proof.header[name] = value }
	}
	claim := func(name string, value any) func(*attempt) {
		return func(a *attempt) { a.proof.claims[name] = value }
	}
	without := func(name string) func(*attempt) { return func(a *attempt) { delete(a.proof.claims, name) } }
	text := func(change func(string) string) func(*attempt) { return func(a *attempt) { a.proof.change = change } }
	key := func(name string, value any) func(*attempt) {
		return func(a *attempt) {
			members := maps.Clone(jwk(a.t, a.holder.Public(), ""))
			members[name] = value
			a.proof.header["jwk"] = members
		}
	}
	const (
		broken = "proof_malformed: the proof is not a signed JWT"
		typ    = "proof_typ: the proof is not a DPoP proof"
		alg    = "proof_alg: the algorithm of the proof is not allowed"
		noKey  = "proof_jwk: jwk is not a public key"
		sign   = "proof_signature: the proof does not verify"
		htu    = "proof_htu: htu is another URL"
		ath    = "proof_ath: ath is of another token"
		digest = "content_digest: content_digest is not of this body"
	)
	for name, c := range map[string]struct {
		change      func(*attempt)
		description string
	}{
		"absent":                {func(a *attempt) { a.finish = func(r *http.Request) { r.Header.Del("DPoP") } }, "proof_missing: 0 DPoP fields, one is needed"},
		"twice":                 {func(a *attempt) { a.finish = func(r *http.Request) { r.Header.Add("DPoP", r.Header.Get("DPoP")) } }, "proof_missing: 2 DPoP fields, one is needed"},
		"two in one":            {text(func(s string) string { return s + ", " + s }), broken},
		"empty":                 {text(func(string) string { return "" }), broken},
		"not a JWT":             {text(func(string) string { return "proof" }), broken},
		"changed":               {text(changePayload), sign},
		"typ absent":            {func(a *attempt) { delete(a.proof.header, "typ") }, typ},
		"typ of a token":        {header("typ", "at+jwt"), typ},
		"alg none":              {header("alg", "none"), alg},
		"alg HS256":             {header("alg", "HS256"), alg},
		"alg RS512":             {header("alg", "RS512"), alg},
		"alg of another key":    {header("alg", "RS256"), sign},
		"jwk absent":            {func(a *attempt) { delete(a.proof.header, "jwk") }, noKey},
		"jwk text":              {header("jwk", "x"), broken},
		"jwk private":           {key("d", "AAAA"), noKey},
		"jwk private, null":     {key("d", nil), noKey},
		"jwk symmetric":         {header("jwk", map[string]any{"kty": "oct", "k": "c2VjcmV0"}), noKey},
		"jwk off the curve":     {key("x", strings.Repeat("A", 43)), noKey},
		"jwk for encryption":    {key("use", "enc"), noKey},
		"jwk for another alg":   {key("alg", "ES384"), noKey},
		"jwk small":             {header("jwk", map[string]any{"kty": "RSA", "n": strings.Repeat("q", 171), "e": "AQAB"}), noKey},
		"jti absent":            {without("jti"), "proof_claim: jti is not a string"},
		"jti too long":          {claim("jti", strings.Repeat("j", 256)), "proof_claim: jti is not " + ident},
		"htm absent":            {without("htm"), "proof_claim: htm is not a string"},
		"htm another":           {claim("htm", "GET"), "proof_htm: htm is another method"},
		"htm in lower case":     {claim("htm", "post"), "proof_htm: htm is another method"},
		"htu absent":            {without("htu"), "proof_claim: htu is not a string"},
		"htu another path":      {claim("htu", resource+"/other"), htu},
		"htu with slash":        {claim("htu", resource+"/"), htu},
		"htu another host":      {claim("htu", "https://mail.acme.com/mcp"), htu},
		"htu as the Host says":  {claim("htu", "http://inside.cluster.local:8080/mcp"), htu},
		"htu http":              {claim("htu", "http://notes.acme.com/mcp"), htu},
		"htu with dots":         {claim("htu", "https://notes.acme.com/x/../mcp"), htu},
		"iat absent":            {without("iat"), "proof_claim: iat is not " + times},
		"iat text":              {claim("iat", "now"), "proof_claim: iat is not " + times},
		"iat too old":           {claim("iat", noon.Add(-61*time.Second).Unix()), "proof_iat: iat is not now"},
		"iat too new":           {claim("iat", noon.Add(61*time.Second).Unix()), "proof_iat: iat is not now"},
		"expired":               {claim("exp", noon.Add(-time.Minute).Unix()), "proof_expired: exp or nbf do not hold"},
		"not yet":               {claim("nbf", noon.Add(61*time.Second).Unix()), "proof_expired: exp or nbf do not hold"},
		"ath of another token":  {claim("ath", base64.RawURLEncoding.EncodeToString(make([]byte, 32))), ath},
		"ath empty":             {claim("ath", ""), "proof_claim: ath is not a string"},
		"ath null":              {claim("ath", nil), "proof_claim: ath is not a string"},
		"claim in capitals":     {claim("HTU", resource), sign},
		"digest of another":     {claim("content_digest", digestOf("{}")), digest},
		"digest number":         {claim("content_digest", 1), digest},
		"digest sha-512":        {claim("content_digest", strings.Replace(digestOf(`{"a":1}`), "256", "512", 1)), digest},
		"digest without colons": {claim("content_digest", strings.ReplaceAll(digestOf(`{"a":1}`), ":", "")), digest},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.bound()
			c.change(a)
			send(t, i.verifier(), a.request()).must(t, want{status: 401, scheme: "DPoP", code: "invalid_dpop_proof", description: c.description})
		})
	}
}

// RFC 9449 §7.1, §7.2: scheme, token and proof belong together.
func TestPossessionRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change      func(*attempt)
		options     []Option
		description string
	}{
		"bound as bearer":                {func(a *attempt) { a.scheme = "Bearer" }, nil, "dpop_bound_as_bearer: the token is bound to a key"},
		"bound as bearer, without proof": {func(a *attempt) { a.scheme, a.proof = "Bearer", nil }, nil, "dpop_bound_as_bearer: the token is bound to a key"},
		"unbound as DPoP":                {func(a *attempt) { delete(a.token.claims, "cnf") }, nil, "token_not_bound: the token is bound to no key"},
		"unbound where it must be":       {func(a *attempt) { delete(a.token.claims, "cnf"); a.scheme, a.proof = "Bearer", nil }, []Option{WithDPoPRequired()}, "dpop_required: a token bound to a key is needed"},
		"another key": {func(a *attempt) {
			a.proof.key = newKey(a.t)
			a.proof.header["jwk"] = jwk(a.t, a.proof.key.Public(), "")
		}, nil, "proof_key: the proof is by another key"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.bound()
			c.change(a)
			send(t, i.verifier(c.options...), a.request()).must(t, want{status: 401, scheme: "DPoP", code: "invalid_token", description: c.description})
		})
	}
}

func TestProofIsGoodOnce(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	a := i.bound()
	r := a.request()
	token, proof := r.Header.Get("Authorization"), r.Header.Get("DPoP")
	again := func() *http.Request {
		r := a.request()
		r.Header.Set("Authorization", token)
		r.Header.Set("DPoP", proof)
		return r
	}
	replayed := want{status: 401, scheme: "DPoP", code: "invalid_dpop_proof", description: "proof_replayed: the proof was used before"}
	// A refusal before does not use it up.
	refused := again()
	refused.Method = "PUT"
	send(t, v, refused).must(t, want{status: 401, scheme: "DPoP", code: "invalid_dpop_proof", description: "proof_htm: htm is another method"})
	if s := send(t, v, again()); !s.reached {
		t.Fatalf("%d %v", s.status, s.body)
	}
	send(t, v, again()).must(t, replayed)
	i.clock.add(time.Minute) // as late as it is taken
	send(t, v, again()).must(t, replayed)
	if s := send(t, i.verifier(), again()); !s.reached { // documented: memory is per process
		t.Error("another process knows it")
	}
}

func TestProofIsGoodOnceAtOnce(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	a := i.bound()
	r := a.request()
	if _, err := v.keys.find(t.Context(), "k1"); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	passed := 0
	for range 32 {
		wg.Go(func() {
			if _, err := v.Verify(r.Clone(context.Background())); err == nil {
				mu.Lock()
				passed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if passed != 1 {
		t.Errorf("%d passed", passed)
	}
}

type brokenStore struct{}

func (brokenStore) Use(context.Context, [32]byte, time.Time) (bool, error) {
	return true, errors.New("the store is away")
}

func TestReplayStoreFailsClosed(t *testing.T) {
	i := newIssuer(t)
	for name, store := range map[string]ReplayStore{"broken": brokenStore{}, "full": NewReplayMemory(0, i.clock.now)} {
		s := send(t, i.verifier(WithReplayStore(store)), i.bound().request())
		if s.reached || s.status != 503 || len(s.challenges) != 0 || s.header.Get("Retry-After") != "5" || s.body["error"] != "temporarily_unavailable" {
			t.Errorf("%s: %d %v", name, s.status, s.body)
		}
	}
}

func TestReplayMemoryForgetsOnlyWhatEnded(t *testing.T) {
	c := &clock{at: noon}
	m := NewReplayMemory(2, c.now)
	use := func(n byte) string {
		first, err := m.Use(t.Context(), [32]byte{n}, c.now().Add(time.Minute))
		return fmt.Sprint(first, err)
	}
	full := "false " + ErrReplayMemoryFull.Error()
	for step, want := range []string{"true <nil>", "true <nil>", full} {
		if got := use(byte(step)); got != want {
			t.Errorf("%d: %s", step, got)
		}
	}
	if got := use(0); got != "false <nil>" {
		t.Errorf("again: %s", got)
	}
	c.add(time.Minute)
	if got := use(3); got != "true <nil>" {
		t.Errorf("after they ended: %s", got)
	}
}

func TestNonces(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(WithNonces([]byte(strings.Repeat("s", 32))))
	asked := want{status: 401, scheme: "DPoP", code: "use_dpop_nonce", description: "nonce_required: the proof needs the nonce of DPoP-Nonce"}
	s := send(t, v, i.bound().request())
	s.must(t, asked)
	nonce := s.header.Get("DPoP-Nonce")
	with := func(nonce any) *attempt {
		a := i.bound()
		a.proof.claims["nonce"] = nonce
		a.proof.claims["iat"] = i.clock.now().Unix()
		a.token.claims["exp"] = noon.Add(time.Hour).Unix()
		return a
	}
	if s := send(t, v, with(nonce).request()); !s.reached || s.header.Get("DPoP-Nonce") == "" {
		t.Fatalf("%d %v", s.status, s.body)
	}
	for name, bad := range map[string]any{"empty": "", "number": 1, "changed": changeAt(nonce, 30), "short": nonce[:20], "another's": (&nonces{secret: make([]byte, 32)}).issue(noon)} {
		t.Run(name, func(t *testing.T) { send(t, v, with(bad).request()).must(t, asked) })
	}
	i.clock.add(5*time.Minute + time.Second)
	send(t, v, with(nonce).request()).must(t, asked)
}

func TestContentDigestRequired(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(WithContentDigest(64))
	send(t, v, i.bound().request()).must(t, want{status: 401, scheme: "DPoP", code: "invalid_dpop_proof", description: "content_digest: content_digest is needed"})
	a := i.bound()
	a.proof.claims["content_digest"] = digestOf(a.body)
	if s := send(t, v, a.request()); !s.reached || s.read != a.body {
		t.Errorf("%d %v", s.status, s.body)
	}
	a = i.bound()
	a.body = ""
	if s := send(t, v, a.request()); !s.reached {
		t.Errorf("without a body: %d %v", s.status, s.body)
	}
	a = i.bound()
	a.body = strings.Repeat("x", 65)
	a.proof.claims["content_digest"] = digestOf(a.body)
	send(t, v, a.request()).must(t, want{status: 401, scheme: "DPoP", code: "invalid_dpop_proof", description: "content_digest: the body cannot be read"})
}

// A proxy takes a prefix away, and clients see another host than we do.
func TestPublicURL(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(WithPublicURL("https://api.acme.com/notes"))
	a := i.bound()
	a.proof.claims["htu"] = "https://api.acme.com/notes/mcp"
	if s := send(t, v, a.request()); !s.reached {
		t.Errorf("%d %v", s.status, s.body)
	}
	send(t, v, i.bound().request()).must(t, want{status: 401, scheme: "DPoP", code: "invalid_dpop_proof", description: "proof_htu: htu is another URL"})
}

func changeAt(s string, at int) string {
	letter := "A"
	if s[at] == 'A' {
		letter = "B"
	}
	return s[:at] + letter + s[at+1:]
}
