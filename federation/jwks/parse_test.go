package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/federation/jwks"
)

type member = map[string]any

func jwk(tb testing.TB, id string, public crypto.PublicKey) member {
	tb.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: id})
	if err != nil {
		tb.Fatal(err)
	}
	var m member
	if err := json.Unmarshal(text, &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

func set(tb testing.TB, keys ...any) []byte {
	tb.Helper()
	if keys == nil {
		keys = []any{}
	}
	text, err := json.Marshal(member{"keys": keys})
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func with(m member, name string, value any) member {
	m = maps.Clone(m)
	m[name] = value
	return m
}

func without(m member, name string) member {
	m = maps.Clone(m)
	delete(m, name)
	return m
}

func newEC(tb testing.TB, curve elliptic.Curve) crypto.PublicKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key.Public()
}

func newRSA(tb testing.TB) *rsa.PublicKey {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return &key.PublicKey
}

func newEd(tb testing.TB) crypto.PublicKey {
	tb.Helper()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func TestParseAgreesWithAnotherLibrary(t *testing.T) {
	for name, public := range map[string]crypto.PublicKey{
		"P-256": newEC(t, elliptic.P256()), "P-384": newEC(t, elliptic.P384()), "P-521": newEC(t, elliptic.P521()),
		"RSA": newRSA(t), "Ed25519": newEd(t),
	} {
		got, warnings, err := jwks.Parse(set(t, jwk(t, "k", public)))
		if err != nil || len(got) != 1 || warnings != nil {
			t.Fatal(name, err, warnings)
		}
		comparable, ok := got[0].Public.(interface{ Equal(x crypto.PublicKey) bool })
		if !ok || !comparable.Equal(public) || got[0].ID != "k" {
			t.Errorf("%s: another key came out", name)
		}
		theirs, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64.RawURLEncoding.EncodeToString(theirs); got[0].Thumbprint != want {
			t.Errorf("%s: thumbprint %s, want %s", name, got[0].Thumbprint, want)
		}
	}
}

// The example of RFC 7638 §3.1.
func TestThumbprintOfTheStandard(t *testing.T) {
	key, err := jwks.ParseKey([]byte(`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`))
	if err != nil || key.Thumbprint != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("%+v, %v", key, err)
	}
}

// Each case breaks one thing in one key; the good key beside it stays.
func TestParseDropsOneKey(t *testing.T) {
	good := jwk(t, "good", newEC(t, elliptic.P256()))
	ec := jwk(t, "bad", newEC(t, elliptic.P256()))
	rs := jwk(t, "bad", newRSA(t))
	ed := jwk(t, "bad", newEd(t))
	modulus, _ := rs["n"].(string)
	bits := func(n uint) string {
		v := new(big.Int).Lsh(big.NewInt(1), n-1)
		return base64.RawURLEncoding.EncodeToString(v.Add(v, big.NewInt(1)).Bytes())
	}
	if _, warnings, err := jwks.Parse(set(t, good, ec)); err != nil || warnings != nil {
		t.Fatal(err, warnings)
	}
	for name, c := range map[string]struct {
		key    any
		reason string
	}{
		"private EC":               {with(ec, "d", "AAAA"), "private"},
		"private RSA":              {with(rs, "p", "AAAA"), "private"},
		"private, null":            {with(ec, "d", nil), "private"},
		"private, other primes":    {with(rs, "oth", []any{}), "private"},
		"symmetric":                {member{"kty": "oct", "k": "AAAA", "kid": "bad"}, "symmetric"},
		"symmetric in disguise":    {with(ec, "k", "AAAA"), "symmetric"},
		"kty unknown":              {with(ec, "kty", "AKP"), "key type"},
		"kty absent":               {without(ec, "kty"), "key type"},
		"kty in lower case":        {with(rs, "kty", "rsa"), "key type"},
		"kty number":               {with(ec, "kty", 1), "key type"},
		"use enc":                  {with(ec, "use", "enc"), "use"},
		"use empty":                {with(ec, "use", ""), "use"},
		"use number":               {with(ec, "use", 1), "use"},
		"key_ops without verify":   {with(ec, "key_ops", []any{"sign"}), "key_ops"},
		"key_ops empty":            {with(ec, "key_ops", []any{}), "key_ops"},
		"key_ops string":           {with(ec, "key_ops", "verify"), "wrong type"},
		"alg of another type":      {with(ec, "alg", "RS256"), "alg"},
		"alg of another curve":     {with(ec, "alg", "ES384"), "alg"},
		"alg symmetric":            {with(rs, "alg", "HS256"), "alg"},
		"alg none":                 {with(ec, "alg", "none"), "alg"},
		"alg for encryption":       {with(rs, "alg", "RSA-OAEP"), "alg"},
		"alg unknown":              {with(ec, "alg", "ES521"), "alg"},
		"alg empty":                {with(ec, "alg", ""), "alg"},
		"alg number":               {with(ec, "alg", 256), "alg"},
		"kid of 257 bytes":         {with(ec, "kid", strings.Repeat("k", 257)), "kid"},
		"kid empty":                {with(ec, "kid", ""), "kid"},
		"kid with line break":      {with(ec, "kid", "a\nb"), "kid"},
		"kid number":               {with(ec, "kid", 1), "kid"},
		"RSA of 1024 bits":         {with(rs, "n", bits(1024)), "2048"},
		"RSA of 2047 bits":         {with(rs, "n", bits(2047)), "2048"},
		"RSA of 8193 bits":         {with(rs, "n", bits(8193)), "2048"},
		"RSA of 16384 bits":        {with(rs, "n", bits(16384)), "2048"},
		"RSA e 1":                  {with(rs, "e", "AQ"), "exponent"},
		"RSA e 3":                  {with(rs, "e", "Aw"), "exponent"},
		"RSA e huge":               {with(rs, "e", strings.Repeat("_", 1000)), "exponent"},
		"RSA e absent":             {without(rs, "e"), "base64url"},
		"RSA n absent":             {without(rs, "n"), "base64url"},
		"RSA n number":             {with(rs, "n", 5), "base64url"},
		"RSA n with padding":       {with(rs, "n", modulus+"=="), "base64url"},
		"RSA n with line break":    {with(rs, "n", modulus+"\n"), "base64url"},
		"EC off the curve":         {with(ec, "y", ec["x"]), "point"},
		"EC at infinity":           {with(with(ec, "x", strings.Repeat("A", 43)), "y", strings.Repeat("A", 43)), "point"},
		"EC on another curve":      {with(ec, "crv", "P-384"), "point"},
		"EC on an unknown curve":   {with(ec, "crv", "secp256k1"), "curve"},
		"EC without curve":         {without(ec, "crv"), "curve"},
		"EC with short coordinate": {with(ec, "x", "AAAA"), "point"},
		"EC without y":             {without(ec, "y"), "base64url"},
		"OKP X25519":               {with(ed, "crv", "X25519"), "curve"},
		"OKP short":                {with(ed, "x", "AAAA"), "point"},
		"OKP not canonical":        {with(ed, "x", "AB"), "base64url"},
		"not an object":            {"key", "object"},
		"null":                     {nil, "object"},
		"list":                     {[]any{}, "object"},
		"EC members in an RSA key": {with(ec, "kty", "RSA"), "base64url"},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := jwks.Parse(set(t, good, c.key))
			if err != nil || len(got) != 1 || got[0].ID != "good" {
				t.Fatalf("got %v, %v", got, err)
			}
			if len(warnings) != 1 || warnings[0].Index != 1 || !strings.Contains(warnings[0].String(), c.reason) {
				t.Errorf("warnings %v, want one about %q", warnings, c.reason)
			}
			if _, _, err := jwks.Parse(set(t, c.key)); !errors.Is(err, jwks.ErrNoKeys) {
				t.Errorf("alone: %v", err)
			}
		})
	}
}

// Keys of a SPIFFE bundle count where they are asked for, those for X.509 nowhere.
func TestParseUses(t *testing.T) {
	plain, signing := jwk(t, "plain", newEC(t, elliptic.P256())), with(jwk(t, "sig", newEC(t, elliptic.P256())), "use", "sig")
	svid := with(jwk(t, "svid", newEC(t, elliptic.P256())), "use", "jwt-svid")
	x509 := with(jwk(t, "x509", newEC(t, elliptic.P256())), "use", "x509-svid")
	upper := with(jwk(t, "upper", newEC(t, elliptic.P256())), "use", "JWT-SVID")
	document := set(t, plain, signing, svid, x509, upper)
	for _, test := range []struct {
		source jwks.Source
		want   string
	}{{jwks.Source{}, "plain sig"}, {jwks.Source{SVID: true}, "plain sig svid"}} {
		keys, warnings, err := test.source.Parse(document)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, key := range keys {
			ids = append(ids, key.ID)
		}
		if strings.Join(ids, " ") != test.want || len(warnings) != 5-len(keys) {
			t.Errorf("keys %v, warnings %v", ids, warnings)
		}
	}
	if _, err := jwks.ParseKey([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"jwt-svid"}`)); err == nil {
		t.Error("a key of a proof may be a bundle's")
	}
}

func TestParseDropsSharedKID(t *testing.T) {
	a, b, c := jwk(t, "same", newEC(t, elliptic.P256())), jwk(t, "same", newRSA(t)), jwk(t, "other", newEC(t, elliptic.P256()))
	for name, keys := range map[string][]any{
		"two usable":              {a, b, c},
		"one for encryption":      {a, with(b, "use", "enc"), c},
		"the same key twice":      {a, a, c},
		"three":                   {a, c, b, a},
		"one that is not a key":   {a, member{"kid": "same"}, c},
		"one symmetric, the rest": {c, a, member{"kid": "same", "kty": "oct", "k": "AA"}},
	} {
		got, warnings, err := jwks.Parse(set(t, keys...))
		if err != nil || len(got) != 1 || got[0].ID != "other" || len(warnings) != len(keys)-1 {
			t.Errorf("%s: %v, %v, %v", name, got, warnings, err)
		}
	}
	nameless := without(a, "kid")
	if got, _, err := jwks.Parse(set(t, nameless, without(b, "kid"))); err != nil || len(got) != 2 {
		t.Errorf("keys without kid share nothing: %v, %v", got, err)
	}
}

// T18, and what is not a set at all.
func TestParseRefuses(t *testing.T) {
	ec := jwk(t, "k", newEC(t, elliptic.P256()))
	many := make([]any, 51)
	for i := range many {
		many[i] = without(ec, "kid")
	}
	if _, _, err := jwks.Parse(set(t, many[:50]...)); err != nil {
		t.Errorf("50 keys: %v", err)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":             {``, jwks.ErrMalformed},
		"HTML":              {`<!doctype html>`, jwks.ErrMalformed},
		"list":              {`[]`, jwks.ErrMalformed},
		"a key":             {`{"kty":"EC"}`, jwks.ErrMalformed},
		"keys null":         {`{"keys":null}`, jwks.ErrMalformed},
		"keys object":       {`{"keys":{}}`, jwks.ErrMalformed},
		"Keys":              {`{"Keys":[]}`, jwks.ErrMalformed},
		"duplicate keys":    {`{"keys":[],"keys":[]}`, jwks.ErrMalformed},
		"keys and KEYS":     {`{"keys":[],"KEYS":[]}`, jwks.ErrMalformed},
		"duplicate in key":  {`{"keys":[{"kty":"EC","kty":"RSA"}]}`, jwks.ErrMalformed},
		"trailing text":     {`{"keys":[]} x`, jwks.ErrMalformed},
		"no keys":           {`{"keys":[]}`, jwks.ErrNoKeys},
		"51 keys":           {string(set(t, many...)), jwks.ErrTooManyKeys},
		"10,000 keys":       {`{"keys":[{}` + strings.Repeat(`,{}`, 9999) + `]}`, jwks.ErrTooManyKeys},
		"more than 256 KiB": {`{"keys":[],"x":"` + strings.Repeat("a", jwks.MaxBytes) + `"}`, jwks.ErrMalformed},
	} {
		if got, _, err := jwks.Parse([]byte(c.text)); !errors.Is(err, c.want) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestFromPublic(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // to be refused
	for name, c := range map[string]struct {
		algorithm string
		public    crypto.PublicKey
		ok        bool
	}{
		"EC":           {"ES256", newEC(t, elliptic.P256()), true},
		"any alg":      {"", newEd(t), true},
		"wrong alg":    {"RS256", newEC(t, elliptic.P256()), false},
		"HS256":        {"HS256", newRSA(t), false},
		"P-224":        {"", newEC(t, elliptic.P224()), false},
		"nil":          {"", nil, false},
		"secret":       {"", []byte("secret"), false},
		"short Ed":     {"", ed25519.PublicKey("short"), false},
		"empty RSA":    {"", &rsa.PublicKey{}, false},
		"by value RSA": {"", *newRSA(t), false},
	} {
		if _, err := jwks.FromPublic("k", c.algorithm, c.public); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err == nil { // the library may refuse to make one
		if _, err := jwks.FromPublic("k", "", &small.PublicKey); err == nil {
			t.Error("1024 bits pass")
		}
	}
}

// FuzzJWKS: nothing panics, and what passes is fit to verify with.
func FuzzJWKS(f *testing.F) {
	f.Add(set(f, jwk(f, "a", newEC(f, elliptic.P256())), jwk(f, "b", newEd(f))))
	f.Add(set(f, jwk(f, "a", newRSA(f))))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AA"},null]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Add([]byte(`{"keys":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, _, err := jwks.Parse(text)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys beside %v", len(keys), err)
		}
		seen := map[string]bool{}
		for _, key := range keys {
			if key.ID != "" && seen[key.ID] {
				t.Fatalf("kid %q twice", key.ID)
			}
			seen[key.ID] = true
			if _, err := jwks.FromPublic(key.ID, key.Algorithm, key.Public); err != nil {
				t.Fatalf("an unfit key passed: %v", err)
			}
		}
	})
}
