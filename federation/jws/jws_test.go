package jws_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const kid = "key-1"

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func ecKey(tb testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func rsaKey(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func public(tb testing.TB, id, algorithm string, key crypto.PublicKey) jwks.Key {
	tb.Helper()
	k, err := jwks.FromPublic(id, algorithm, key)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// signES256 makes a token of a header and a payload as they are, valid or not.
func signES256(tb testing.TB, key crypto.Signer, header, payload string) string {
	tb.Helper()
	token, err := jws.SignHeader("ES256", []byte(header), key, []byte(payload))
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

const (
	validHeader  = `{"alg":"ES256","kid":"key-1","typ":"oauth-id-jag+jwt"}`
	validPayload = `{"iss":"https://idp.example","sub":"alice","aud":"https://as.example","jti":"1","exp":1700000300,"iat":1700000000}`
)

func TestEveryAlgorithmRoundTrips(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaSigner := rsaKey(t)
	signers := map[string]crypto.Signer{
		"ES256": ecKey(t, elliptic.P256()), "ES384": ecKey(t, elliptic.P384()), "ES512": ecKey(t, elliptic.P521()),
		"EdDSA": edwards, "Ed25519": edwards,
		"RS256": rsaSigner, "RS384": rsaSigner, "RS512": rsaSigner,
		"PS256": rsaSigner, "PS384": rsaSigner, "PS512": rsaSigner,
	}
	for _, algorithm := range jws.Algorithms() {
		signer := signers[algorithm]
		token, err := jws.Sign(algorithm, kid, "JWT", signer, map[string]any{"iss": "i", "sub": "s"})
		if err != nil {
			t.Fatal(algorithm, err)
		}
		message, err := jws.Parse(token)
		if err != nil {
			t.Fatal(algorithm, err)
		}
		key := public(t, kid, algorithm, signer.Public())
		if _, got, err := message.Verify([]jwks.Key{key}, []string{algorithm}); err != nil || got.Thumbprint != key.Thumbprint {
			t.Errorf("%s: %v", algorithm, err)
		}
		for _, other := range jws.Algorithms() {
			if other == algorithm {
				continue
			}
			if _, _, err := message.Verify([]jwks.Key{key}, []string{other}); !errors.Is(err, jws.ErrAlgorithm) {
				t.Errorf("%s verifies where only %s is allowed: %v", algorithm, other, err)
			}
		}
		if algorithm == "Ed25519" { // a name of RFC 9864 that the other library does not know
			continue
		}
		theirs, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
		if err != nil {
			t.Fatal(algorithm, err)
		}
		if _, err := theirs.Verify(signer.Public()); err != nil {
			t.Errorf("%s: another library does not verify it: %v", algorithm, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	valid := signES256(t, key, validHeader, validPayload)
	if _, err := jws.Parse(valid); err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(valid, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	header := func(h string) string { return signES256(t, key, h, validPayload) }
	flattened := `{"protected":"` + head + `","payload":"` + payload + `","signature":"` + signature + `"}`

	for name, c := range map[string]struct {
		token string
		kind  error
	}{
		"empty":                         {"", jws.ErrMalformed},
		"two parts":                     {head + "." + payload, jws.ErrMalformed},
		"four parts":                    {valid + ".", jws.ErrMalformed},
		"five parts, a JWE":             {valid + "." + payload + "." + payload, jws.ErrMalformed},
		"only dots":                     {"..", jws.ErrMalformed},
		"a million dots":                {strings.Repeat(".", 1<<20), jws.ErrTooLarge},
		"16 KiB of dots":                {strings.Repeat(".", jws.MaxBytes), jws.ErrMalformed},
		"one byte too large":            {strings.Repeat("a", jws.MaxBytes+1), jws.ErrTooLarge},
		"JSON serialization":            {flattened, jws.ErrMalformed},
		"leading space":                 {" " + valid, jws.ErrMalformed},
		"trailing space":                {valid + " ", jws.ErrMalformed},
		"trailing newline":              {valid + "\n", jws.ErrMalformed},
		"newline in header":             {head[:8] + "\n" + head[8:] + "." + rest, jws.ErrMalformed},
		"newline in payload":            {head + "." + payload[:8] + "\n" + payload[8:] + "." + signature, jws.ErrMalformed},
		"carriage return in signature":  {head + "." + payload + "." + signature[:8] + "\r\n" + signature[8:], jws.ErrMalformed},
		"tab":                           {head + "\t." + rest, jws.ErrMalformed},
		"padding":                       {head + "." + payload + "=." + signature, jws.ErrMalformed},
		"standard alphabet":             {head + "." + payload + "." + signature[:len(signature)-1] + "+", jws.ErrMalformed},
		"bits left over":                {head + "." + payload + "." + signature[:len(signature)-1] + nextBase64(signature[len(signature)-1]), jws.ErrMalformed},
		"impossible length":             {head + "." + payload + "." + signature + "AAA", jws.ErrMalformed},
		"no header":                     {"." + rest, jws.ErrMalformed},
		"no signature":                  {head + "." + payload + ".", jws.ErrMalformed},
		"unsecured":                     {b64(`{"alg":"none"}`) + "." + payload + ".", jws.ErrMalformed},
		"header is a list":              {header(`["ES256"]`), jws.ErrHeader},
		"header is not JSON":            {header(`alg`), jws.ErrHeader},
		"header with duplicate alg":     {header(`{"alg":"none","alg":"ES256"}`), jws.ErrHeader},
		"header with Alg":               {header(`{"alg":"ES256","Alg":"none"}`), jws.ErrHeader},
		"header with only ALG":          {header(`{"ALG":"ES256"}`), jws.ErrHeader},
		"header with kelvin kid":        {header(`{"alg":"ES256","\u212aid":"a"}`), jws.ErrHeader},
		"header with trailing text":     {header(validHeader + `{}`), jws.ErrHeader},
		"header without alg":            {header(`{"kid":"key-1"}`), jws.ErrHeader},
		"alg null":                      {header(`{"alg":null}`), jws.ErrHeader},
		"alg empty":                     {header(`{"alg":""}`), jws.ErrHeader},
		"alg number":                    {header(`{"alg":256}`), jws.ErrHeader},
		"alg list":                      {header(`{"alg":["ES256"]}`), jws.ErrHeader},
		"unknown crit":                  {header(`{"alg":"ES256","crit":["exp"],"exp":1}`), jws.ErrHeader},
		"empty crit":                    {header(`{"alg":"ES256","crit":[]}`), jws.ErrHeader},
		"null crit":                     {header(`{"alg":"ES256","crit":null}`), jws.ErrHeader},
		"b64 false":                     {header(`{"alg":"ES256","b64":false,"crit":["b64"]}`), jws.ErrHeader},
		"b64 true":                      {header(`{"alg":"ES256","b64":true}`), jws.ErrHeader},
		"zip":                           {header(`{"alg":"ES256","zip":"DEF"}`), jws.ErrHeader},
		"enc":                           {header(`{"alg":"ES256","enc":"A256GCM"}`), jws.ErrHeader},
		"kid number":                    {header(`{"alg":"ES256","kid":1}`), jws.ErrHeader},
		"kid empty":                     {header(`{"alg":"ES256","kid":""}`), jws.ErrHeader},
		"kid null":                      {header(`{"alg":"ES256","kid":null}`), jws.ErrHeader},
		"kid of 257 bytes":              {header(`{"alg":"ES256","kid":"` + strings.Repeat("k", 257) + `"}`), jws.ErrHeader},
		"kid with line break":           {header(`{"alg":"ES256","kid":"a\r\nb"}`), jws.ErrHeader},
		"kid with NUL":                  {header(`{"alg":"ES256","kid":"a\u0000"}`), jws.ErrHeader},
		"kid not ASCII":                 {header(`{"alg":"ES256","kid":"ключ"}`), jws.ErrHeader},
		"typ number":                    {header(`{"alg":"ES256","typ":1}`), jws.ErrHeader},
		"typ empty":                     {header(`{"alg":"ES256","typ":""}`), jws.ErrHeader},
		"jwk string":                    {header(`{"alg":"ES256","jwk":"key"}`), jws.ErrHeader},
		"deep header":                   {header(`{"alg":"ES256","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`), jws.ErrHeader},
		"PBES2 with p2c of two billion": {b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2000000000,"p2s":"AA"}`) + ".AA.AA.AA.AA", jws.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			message, err := jws.Parse(c.token)
			if !errors.Is(err, c.kind) {
				t.Fatalf("got %v, %v; want %v", message, err, c.kind)
			}
		})
	}
}

// nextBase64 changes the last character only in the bits that decoding drops.
func nextBase64(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)|1])
}

// T17: what expands when it is opened costs nothing, since nothing is opened.
func TestBombIsNotOpened(t *testing.T) {
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 8<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	key := ecKey(t, elliptic.P256())
	token := signES256(t, key, `{"alg":"ES256","zip":"DEF"}`, bomb.String())
	if _, err := jws.Parse(token); !errors.Is(err, jws.ErrHeader) {
		t.Errorf("got %v", err)
	}
}

func TestHeader(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	for sent, want := range map[string]string{
		"JWT": "jwt", "oauth-id-jag+jwt": "oauth-id-jag+jwt", "application/OAuth-ID-JAG+jwt": "oauth-id-jag+jwt",
		"APPLICATION/at+jwt": "at+jwt", "application/": "application/", "text/application/jwt": "text/application/jwt",
		"application/x/y": "application/x/y",
	} {
		message, err := jws.Parse(signES256(t, key, `{"alg":"ES256","typ":"`+sent+`"}`, validPayload))
		if err != nil {
			t.Fatal(err)
		}
		if got := message.Header().Type; got != want {
			t.Errorf("typ %q: got %q, want %q", sent, got, want)
		}
	}
	message, err := jws.Parse(signES256(t, key, `{"alg":"ES256","jwk":{"kty":"EC","x":"a"},"kid":"../' OR 1=1"}`, validPayload))
	if err != nil {
		t.Fatal(err)
	}
	h := message.Header()
	if string(h.JWK) != `{"kty":"EC","x":"a"}` || h.KeyID != "../' OR 1=1" || h.Type != "" || h.Algorithm != "ES256" {
		t.Errorf("got %+v", h)
	}
}

// T1: none in any spelling, whatever is allowed.
func TestNoneIsNeverAllowed(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	keys := []jwks.Key{public(t, kid, "", key.Public())}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "none ", " none", "nonE", "", "null"} {
		for _, signature := range []string{"", "AA", b64("signature")} {
			token := b64(`{"alg":"`+none+`","kid":"key-1"}`) + "." + b64(validPayload) + "." + signature
			message, err := jws.Parse(token)
			if err != nil {
				continue
			}
			if _, _, err := message.Verify(keys, []string{none, "none", "ES256"}); !errors.Is(err, jws.ErrAlgorithm) {
				t.Errorf("alg %q with signature %q: %v", none, signature, err)
			}
		}
	}
}

// T2: a public key is not a secret, in none of its forms.
func TestPublicKeyAsSecret(t *testing.T) {
	key := rsaKey(t)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: kid})
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"PEM":   pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"DER":   der,
		"PKCS1": x509.MarshalPKCS1PublicKey(&key.PublicKey),
		"JWK":   jwk,
		"n":     key.N.Bytes(),
		"empty": nil,
	}
	for name, secret := range secrets {
		input := b64(`{"alg":"HS256","kid":"key-1"}`) + "." + b64(validPayload)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		message, err := jws.Parse(input + "." + b64(string(mac.Sum(nil))))
		if err != nil {
			t.Fatal(err)
		}
		keys := []jwks.Key{public(t, kid, "", key.Public()), {ID: "secret", Algorithm: "HS256", Public: secret}}
		if _, _, err := message.Verify(keys, []string{"HS256", "RS256"}); !errors.Is(err, jws.ErrAlgorithm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// T3: a key that the token brings, or says where to find, verifies nothing.
func TestKeysOfTheTokenAreIgnored(t *testing.T) {
	issuer, attacker := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	jwk, err := json.Marshal(jose.JSONWebKey{Key: attacker.Public(), KeyID: kid})
	if err != nil {
		t.Fatal(err)
	}
	for name, parameter := range map[string]string{
		"jwk":      `"jwk":` + string(jwk),
		"jku":      `"jku":"https://attacker.example/jwks"`,
		"x5u":      `"x5u":"https://attacker.example/cert"`,
		"x5c":      `"x5c":["MIIB"]`,
		"x5t#S256": `"x5t#S256":"AAAA"`,
	} {
		for _, id := range []string{`"kid":"key-1",`, ``} {
			message, err := jws.Parse(signES256(t, attacker, `{"alg":"ES256",`+id+parameter+`}`, validPayload))
			if err != nil {
				t.Fatal(name, err)
			}
			_, _, err = message.Verify([]jwks.Key{public(t, kid, "", issuer.Public())}, []string{"ES256"})
			if !errors.Is(err, jws.ErrSignature) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestVerifyChoosesOneKey(t *testing.T) {
	signer, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	rsaSigner := rsaKey(t)
	named := signES256(t, signer, validHeader, validPayload)
	nameless := signES256(t, signer, `{"alg":"ES256"}`, validPayload)
	right := public(t, kid, "", signer.Public())
	withUse := func(k jwks.Key, use string) jwks.Key { k.Use = use; return k }
	allowed := []string{"ES256", "RS256"}

	for name, c := range map[string]struct {
		token   string
		keys    []jwks.Key
		allowed []string
		want    error
	}{
		"by kid":                            {named, []jwks.Key{public(t, "x", "", other.Public()), right}, allowed, nil},
		"by kid, with alg and use":          {named, []jwks.Key{withUse(public(t, kid, "ES256", signer.Public()), "sig")}, allowed, nil},
		"without kid, the only fit":         {nameless, []jwks.Key{public(t, "r", "", rsaSigner.Public()), right}, allowed, nil},
		"without kid, a key without id":     {nameless, []jwks.Key{public(t, "", "", signer.Public())}, allowed, nil},
		"without kid, two fit":              {nameless, []jwks.Key{public(t, "x", "", other.Public()), right}, allowed, jws.ErrKeyAmbiguous},
		"without kid, none fits":            {nameless, []jwks.Key{public(t, "r", "", rsaSigner.Public())}, allowed, jws.ErrKeyNotFound},
		"kid of another":                    {named, []jwks.Key{public(t, "key-2", "", signer.Public())}, allowed, jws.ErrKeyNotFound},
		"kid in another case":               {named, []jwks.Key{public(t, "KEY-1", "", signer.Public())}, allowed, jws.ErrKeyNotFound},
		"kid is a prefix":                   {named, []jwks.Key{public(t, "key-", "", signer.Public())}, allowed, jws.ErrKeyNotFound},
		"kid named, key without id":         {named, []jwks.Key{public(t, "", "", signer.Public())}, allowed, jws.ErrKeyNotFound},
		"two keys of one kid":               {named, []jwks.Key{right, public(t, kid, "", other.Public())}, allowed, jws.ErrKeyAmbiguous},
		"no keys":                           {named, nil, allowed, jws.ErrKeyNotFound},
		"nothing allowed":                   {named, []jwks.Key{right}, nil, jws.ErrAlgorithm},
		"another algorithm allowed":         {named, []jwks.Key{right}, []string{"RS256"}, jws.ErrAlgorithm},
		"algorithm allowed in another case": {named, []jwks.Key{right}, []string{"es256"}, jws.ErrAlgorithm},
		"key of another type":               {named, []jwks.Key{public(t, kid, "", rsaSigner.Public())}, allowed, jws.ErrKeyNotFound},
		"key of another curve":              {named, []jwks.Key{public(t, kid, "", ecKey(t, elliptic.P384()).Public())}, allowed, jws.ErrKeyNotFound},
		"key bound to another alg":          {named, []jwks.Key{{ID: kid, Algorithm: "ES384", Public: signer.Public()}}, allowed, jws.ErrKeyNotFound},
		"key for encryption":                {named, []jwks.Key{withUse(right, "enc")}, allowed, jws.ErrKeyNotFound},
		"another key":                       {named, []jwks.Key{public(t, kid, "", other.Public())}, allowed, jws.ErrSignature},
		"no public key":                     {named, []jwks.Key{{ID: kid}}, allowed, jws.ErrKeyNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			message, err := jws.Parse(c.token)
			if err != nil {
				t.Fatal(err)
			}
			payload, _, err := message.Verify(c.keys, c.allowed)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if (err == nil) != (string(payload) == validPayload) {
				t.Errorf("payload %q beside error %v", payload, err)
			}
		})
	}
}

func TestSignatureShapes(t *testing.T) {
	signer := ecKey(t, elliptic.P256())
	keys := []jwks.Key{public(t, kid, "", signer.Public())}
	valid := signES256(t, signer, validHeader, validPayload)
	last := strings.LastIndexByte(valid, '.')
	raw, err := base64.RawURLEncoding.DecodeString(valid[last+1:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := signer.Sign(rand.Reader, digestOf(valid[:last]), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 32)
	order := elliptic.P256().Params().N.Bytes()
	for name, signature := range map[string][]byte{
		"DER":           der,
		"short":         raw[:63],
		"long":          append([]byte{0}, raw...),
		"trailing zero": append(bytes.Clone(raw), 0),
		"R zero":        append(bytes.Clone(zeros), raw[32:]...),
		"S zero":        append(bytes.Clone(raw[:32]), zeros...),
		"both zero":     make([]byte, 64),
		"R the order":   append(bytes.Clone(order), raw[32:]...),
		"S the order":   append(bytes.Clone(raw[:32]), order...),
		"swapped":       append(bytes.Clone(raw[32:]), raw[:32]...),
		"one bit":       append([]byte{raw[0] ^ 1}, raw[1:]...),
	} {
		message, err := jws.Parse(valid[:last+1] + b64(string(signature)))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, _, err := message.Verify(keys, []string{"ES256"}); !errors.Is(err, jws.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func digestOf(input string) []byte {
	sum := sha256.Sum256([]byte(input))
	return sum[:]
}

// A salt of another length than the hash's is another scheme (RFC 7518 §3.5).
func TestPSSSaltLength(t *testing.T) {
	signer := rsaKey(t)
	input := b64(`{"alg":"PS256","kid":"key-1"}`) + "." + b64(validPayload)
	for salt, want := range map[int]error{32: nil, 0: jws.ErrSignature, 20: jws.ErrSignature, 64: jws.ErrSignature} {
		options := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}
		if salt == 0 {
			options.SaltLength = rsa.PSSSaltLengthAuto // as long as possible
		}
		signature, err := rsa.SignPSS(rand.Reader, signer, crypto.SHA256, digestOf(input), options)
		if err != nil {
			t.Fatal(err)
		}
		message, err := jws.Parse(input + "." + b64(string(signature)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := message.Verify([]jwks.Key{public(t, kid, "", signer.Public())}, []string{"PS256"}); !errors.Is(err, want) {
			t.Errorf("salt of %d: %v", salt, err)
		}
	}
}

func TestUnverified(t *testing.T) {
	signer := ecKey(t, elliptic.P256())
	for payload, want := range map[string]jws.Unverified{
		validPayload:                     {Issuer: "https://idp.example", Subject: "alice"},
		`{}`:                             {},
		`{"iss":"i"}`:                    {Issuer: "i"},
		`{"iss":"i","sub":"s","x":[{}]}`: {Issuer: "i", Subject: "s"},
	} {
		message, err := jws.Parse(signES256(t, signer, validHeader, payload))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := message.Unverified(); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", payload, got, err)
		}
	}
	for payload, kind := range map[string]error{
		`{"iss":"a","Iss":"b"}`:  jws.ErrClaims,
		`{"iss":"a","iss":"b"}`:  jws.ErrClaims,
		`{"iss":["a"]}`:          jws.ErrClaim,
		`{"iss":null}`:           jws.ErrClaim,
		`{"iss":"a"} x`:          jws.ErrClaims,
		`["iss"]`:                jws.ErrClaims,
		`{"iss":"a","sub":"\n"}`: jws.ErrClaim,
		``:                       jws.ErrClaims,
	} {
		message, err := jws.Parse(signES256(t, signer, validHeader, payload))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := message.Unverified(); !errors.Is(err, kind) || got != (jws.Unverified{}) {
			t.Errorf("%s: got %+v, %v", payload, got, err)
		}
	}
}

func TestVerifyClaims(t *testing.T) {
	signer := ecKey(t, elliptic.P256())
	keys := []jwks.Key{public(t, kid, "", signer.Public())}
	message, err := jws.Parse(signES256(t, signer, validHeader, validPayload))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := message.Unverified(); err != nil { // claims are read before the signature was verified
		t.Fatal(err)
	}
	if claims, _, err := message.VerifyClaims(nil, []string{"ES256"}); err == nil || claims.Has("iss") {
		t.Fatalf("claims of an unverified token: %v", err)
	}
	claims, key, err := message.VerifyClaims(keys, []string{"ES256"})
	if err != nil || key.ID != kid {
		t.Fatal(err)
	}
	if exp, _, err := claims.Time("exp"); err != nil || !exp.Equal(time.Unix(1700000300, 0)) {
		t.Errorf("exp: %v, %v", exp, err)
	}
	bad, err := jws.Parse(signES256(t, signer, validHeader, `{"sub":"a","Sub":"admin"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := bad.VerifyClaims(keys, []string{"ES256"}); !errors.Is(err, jws.ErrClaims) {
		t.Errorf("got %v", err)
	}
}

// The digest names what was signed, whatever its signature looks like.
func TestDigest(t *testing.T) {
	signer := ecKey(t, elliptic.P256())
	compact := signES256(t, signer, validHeader, validPayload)
	again := signES256(t, signer, validHeader, validPayload) // another signature: ECDSA is random
	other := signES256(t, signer, validHeader, `{"iss":"a"}`)
	digest := func(compact string) string {
		message, err := jws.Parse(compact)
		if err != nil {
			t.Fatal(err)
		}
		return message.Digest()
	}
	if compact == again || digest(compact) != digest(again) || digest(compact) == digest(other) || len(digest(compact)) != 64 {
		t.Errorf("digests %s, %s, %s", digest(compact), digest(again), digest(other))
	}
}

func TestSignRefusesWrongKey(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES384", "HS256", "none", ""} {
		if token, err := jws.Sign(algorithm, kid, "", ecKey(t, elliptic.P256()), map[string]any{}); err == nil {
			t.Errorf("%s: %s", algorithm, token)
		}
	}
}
