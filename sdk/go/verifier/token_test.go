package verifier

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestVerifyBearer(t *testing.T) {
	i := newIssuer(t)
	s := send(t, i.verifier(), i.attempt().request())
	if !s.reached || s.read != `{"a":1}` {
		t.Fatalf("%d %v", s.status, s.body)
	}
	got := s.token.Claims()
	want := Claims{
		Issuer: i.url, Subject: "usr_1", Audience: resource, ClientID: "cli_1", ID: "tok_1", Scopes: []string{"notes:read"},
		IssuedAt: noon, ExpiresAt: noon.Add(5 * time.Minute), AuthTime: noon.Add(-time.Minute), ACR: "phr",
		Tenant: "default", Plan: "pro", Environment: "production",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if plan, ok := s.token.Claim("plan"); !ok || plan != "pro" {
		t.Errorf("plan %v", plan)
	}
}

func TestVerifyAccepts(t *testing.T) {
	for name, change := range map[string]func(*attempt){
		"typ as media type":    func(a *attempt) { a.token.header["typ"] = "application/AT+JWT" },
		"aud in a list":        func(a *attempt) { a.token.claims["aud"] = []string{resource} },
		"scheme in lower case": func(a *attempt) { a.scheme = "bearer" },
		"two spaces":           func(a *attempt) { a.scheme = "Bearer " },
		"more scopes":          func(a *attempt) { a.token.claims["scope"] = "x notes:read y" },
		"an actor":             func(a *attempt) { a.token.claims["act"] = map[string]any{"sub": "cli_2"} },
		"a claim of its own":   func(a *attempt) { a.token.claims["groups"] = []string{"a"} },
		"a little ahead":       func(a *attempt) { a.token.claims["iat"] = noon.Add(time.Minute).Unix() },
		"nbf now":              func(a *attempt) { a.token.claims["nbf"] = noon.Unix() },
		"no plan":              func(a *attempt) { delete(a.token.claims, "plan") },
		"another query":        func(a *attempt) { a.url += "?cursor=1" },
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.attempt()
			change(a)
			if s := send(t, i.verifier(), a.request()); !s.reached {
				t.Fatalf("%d %v", s.status, s.body)
			}
		})
	}
}

const (
	malformed = "token_malformed: the token is not a signed JWT"
	ambiguous = "token_malformed: the claims are not unambiguous JSON"
	untrusted = "token_untrusted: the token is not by the issuer"
	times     = "whole seconds since 1970"
	ident     = "1 to 255 bytes without control characters"
)

// Each is a valid request with one thing broken.
func TestVerifyRefusesOneMutation(t *testing.T) {
	header := func(name string, value any) func(*attempt) {
		return func(a *attempt) { a.token.header[name] = value }
	}
	claim := func(name string, value any) func(*attempt) {
		return func(a *attempt) { a.token.claims[name] = value }
	}
	without := func(name string) func(*attempt) { return func(a *attempt) { delete(a.token.claims, name) } }
	text := func(change func(string) string) func(*attempt) { return func(a *attempt) { a.token.change = change } }
	raw := func(old, replacement string) func(*attempt) {
		return func(a *attempt) {
			a.token.raw = strings.Replace(`{"iss":"ISS","sub":"usr_1","aud":"`+resource+`","client_id":"cli_1","jti":"tok_1","iat":1795262400,"exp":1795262700,"scope":"notes:read"}`, old, replacement, 1)
			a.token.raw = strings.Replace(a.token.raw, "ISS", fmt.Sprint(a.token.claims["iss"]), 1)
		}
	}
	for name, c := range map[string]struct {
		change      func(*attempt)
		description string
	}{
		"not a JWT":                  {text(func(string) string { return "opaque" }), malformed},
		"unsecured":                  {text(func(s string) string { return s[:strings.LastIndex(s, ".")+1] }), malformed},
		"two parts":                  {text(func(s string) string { return s[:strings.LastIndex(s, ".")] }), malformed},
		"five parts":                 {text(func(s string) string { return s + ".a.b" }), malformed},
		"padding":                    {text(func(s string) string { return s + "==" }), malformed},
		"too large":                  {text(func(s string) string { return s + strings.Repeat("A", 16<<10) }), malformed},
		"signature changed":          {text(func(s string) string { return s[:len(s)-20] + "AAAA" + s[len(s)-16:] }), untrusted},
		"payload changed":            {text(func(s string) string { return changePayload(s) }), untrusted},
		"typ absent":                 {func(a *attempt) { delete(a.token.header, "typ") }, "typ_not_at_jwt: the token is not an access token"},
		"typ JWT":                    {header("typ", "JWT"), "typ_not_at_jwt: the token is not an access token"},
		"typ of an ID-JAG":           {header("typ", "oauth-id-jag+jwt"), "typ_not_at_jwt: the token is not an access token"},
		"typ of a proof":             {header("typ", "dpop+jwt"), "typ_not_at_jwt: the token is not an access token"},
		"typ number":                 {header("typ", 1), malformed},
		"alg none":                   {header("alg", "none"), "alg_not_allowed: the algorithm of the token is not allowed"},
		"alg HS256":                  {header("alg", "HS256"), "alg_not_allowed: the algorithm of the token is not allowed"},
		"alg in lower case":          {header("alg", "es256"), "alg_not_allowed: the algorithm of the token is not allowed"},
		"alg PS256":                  {header("alg", "PS256"), "alg_not_allowed: the algorithm of the token is not allowed"},
		"alg of another key":         {header("alg", "RS256"), untrusted},
		"alg absent":                 {func(a *attempt) { delete(a.token.header, "alg") }, malformed},
		"crit":                       {header("crit", []string{"x"}), malformed},
		"b64":                        {header("b64", false), malformed},
		"zip":                        {header("zip", "DEF"), malformed},
		"header in another spelling": {header("Alg", "none"), malformed},
		"kid absent":                 {func(a *attempt) { delete(a.token.header, "kid") }, "kid_missing: the token names no key"},
		"kid unknown":                {header("kid", "k2"), untrusted},
		"kid too long":               {header("kid", strings.Repeat("k", 257)), malformed},
		"another key":                {func(a *attempt) { a.token.key = newKey(a.t) }, untrusted},
		"a key in the header": {func(a *attempt) {
			a.token.key = newKey(a.t)
			a.token.header["jwk"] = jwk(a.t, a.token.key.Public(), "k1")
		}, untrusted},
		"iss absent":                {without("iss"), "claim_invalid: iss is not a string"},
		"iss with slash":            {func(a *attempt) { a.token.claims["iss"] = fmt.Sprint(a.token.claims["iss"]) + "/" }, untrusted},
		"iss another":               {claim("iss", "https://evil.example"), untrusted},
		"iss list":                  {claim("iss", []string{"a"}), "claim_invalid: iss is not a string"},
		"aud absent":                {without("aud"), "claim_invalid: aud is not one audience"},
		"aud empty":                 {claim("aud", []string{}), "claim_invalid: aud is not one audience"},
		"aud null":                  {claim("aud", nil), "claim_invalid: aud is not one audience"},
		"aud another":               {claim("aud", "https://mail.acme.com/mcp"), "aud_not_us: the token is for another resource"},
		"aud with slash":            {claim("aud", resource+"/"), "aud_not_us: the token is for another resource"},
		"aud a part of ours":        {claim("aud", "https://notes.acme.com"), "aud_not_us: the token is for another resource"},
		"aud us and another":        {claim("aud", []string{resource, "https://mail.acme.com"}), "claim_invalid: aud is not one audience"},
		"sub absent":                {without("sub"), "claim_invalid: sub is not a string"},
		"sub empty":                 {claim("sub", ""), "claim_invalid: sub is not a string"},
		"sub number":                {claim("sub", 7), "claim_invalid: sub is not a string"},
		"sub too long":              {claim("sub", strings.Repeat("u", 256)), "claim_invalid: sub is not " + ident},
		"sub with newline":          {claim("sub", "usr\n1"), "claim_invalid: sub is not " + ident},
		"client_id absent":          {without("client_id"), "claim_invalid: client_id is not a string"},
		"jti absent":                {without("jti"), "claim_invalid: jti is not a string"},
		"exp absent":                {without("exp"), "claim_invalid: exp is not " + times},
		"exp text":                  {claim("exp", "1795262700"), "claim_invalid: exp is not " + times},
		"exp fraction":              {claim("exp", 1795262700.5), "claim_invalid: exp is not " + times},
		"exp negative":              {claim("exp", -1), "claim_invalid: exp is not " + times},
		"exp in milliseconds":       {claim("exp", noon.Add(time.Minute).UnixMilli()*1000), "claim_invalid: exp is not " + times},
		"expired":                   {claim("exp", noon.Unix()), "token_expired: the token expired"},
		"iat absent":                {without("iat"), "claim_invalid: iat is not " + times},
		"iat in the future":         {claim("iat", noon.Add(61*time.Second).Unix()), "token_not_yet_valid: the token is from the future"},
		"nbf in the future":         {claim("nbf", noon.Add(61*time.Second).Unix()), "token_not_yet_valid: the token is from the future"},
		"nbf text":                  {claim("nbf", "now"), "claim_invalid: nbf is not " + times},
		"scope list":                {claim("scope", []string{"notes:read"}), "claim_invalid: scope is not a string"},
		"scope with two spaces":     {claim("scope", "notes:read  x"), "claim_invalid: scope is not scopes with one space between them"},
		"scope with quote":          {claim("scope", `notes:read "`), "claim_invalid: scope is not scopes with one space between them"},
		"auth_time text":            {claim("auth_time", "now"), "claim_invalid: auth_time is not " + times},
		"acr number":                {claim("acr", 2), "claim_invalid: acr is not a string"},
		"amr text":                  {claim("amr", "pwd"), "claim_invalid: amr is not a list of strings"},
		"plan list":                 {claim("plan", []string{"pro"}), "claim_invalid: plan is not a string"},
		"cnf null":                  {claim("cnf", nil), "claim_invalid: cnf is not one jkt"},
		"cnf empty":                 {claim("cnf", map[string]any{}), "claim_invalid: cnf is not one jkt"},
		"cnf of a certificate":      {claim("cnf", map[string]any{"x5t#S256": strings.Repeat("a", 43)}), "claim_invalid: cnf is not one jkt"},
		"cnf with more":             {claim("cnf", map[string]any{"jkt": strings.Repeat("a", 43), "x": 1}), "claim_invalid: cnf is not one jkt"},
		"cnf jkt short":             {claim("cnf", map[string]any{"jkt": "a"}), "claim_invalid: cnf is not one jkt"},
		"act text":                  {claim("act", "cli_2"), "claim_invalid: act is not a chain of at most 4 actors"},
		"act without sub":           {claim("act", map[string]any{}), "claim_invalid: act is not a chain of at most 4 actors"},
		"act too deep":              {claim("act", actors(5)), "claim_invalid: act is not a chain of at most 4 actors"},
		"duplicate claim":           {raw(`"sub":"usr_1"`, `"sub":"usr_1","sub":"usr_2"`), ambiguous},
		"duplicate by escape":       {raw(`"sub":"usr_1"`, `"sub":"usr_1","\u0073ub":"usr_2"`), ambiguous},
		"claim in another spelling": {raw(`"sub":"usr_1"`, `"sub":"usr_1","Sub":"usr_2"`), ambiguous},
		"cnf in another spelling":   {raw(`"sub":"usr_1"`, `"sub":"usr_1","CNF":{}`), ambiguous},
		"long s":                    {raw(`"sub":"usr_1"`, `"sub":"usr_1","ſub":"usr_2"`), ambiguous},
		"trailing text":             {raw(`"scope":"notes:read"}`, `"scope":"notes:read"}{}`), ambiguous},
		"not an object":             {func(a *attempt) { a.token.raw = `[]` }, ambiguous},
		"NUL":                       {raw(`usr_1`, `usr\u0000`), ambiguous},
		"half a surrogate":          {raw(`usr_1`, `usr\ud800`), ambiguous},
		"invalid UTF-8":             {raw(`usr_1`, "usr\xff"), ambiguous},
		"too deep":                  {raw(`"sub"`, `"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`,"sub"`), ambiguous},
		"exp with exponent":         {raw(`"exp":1795262700`, `"exp":1.7952627e9`), "claim_invalid: exp is not " + times},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.attempt()
			c.change(a)
			send(t, i.verifier(), a.request()).must(t, want{status: http.StatusUnauthorized, scheme: "Bearer", code: "invalid_token", description: c.description})
		})
	}
}

// changePayload flips one letter in the claims.
func changePayload(s string) string {
	parts := strings.Split(s, ".")
	parts[1] = changeAt(parts[1], 8)
	return strings.Join(parts, ".")
}

func actors(n int) map[string]any {
	act := map[string]any{"sub": "cli"}
	for range n - 1 {
		act = map[string]any{"sub": "cli", "act": act}
	}
	return act
}

// The raw claims that the mutations start from are a valid token.
func TestRawClaimsAreValid(t *testing.T) {
	i := newIssuer(t)
	a := i.attempt()
	a.token.raw = `{"iss":"` + i.url + `","sub":"usr_1","aud":"` + resource + `","client_id":"cli_1","jti":"tok_1","iat":1795262400,"exp":1795262700,"scope":"notes:read"}`
	if s := send(t, i.verifier(), a.request()); !s.reached {
		t.Fatalf("%d %v", s.status, s.body)
	}
}

func TestLeeway(t *testing.T) {
	i := newIssuer(t)
	a := i.attempt()
	a.token.claims["exp"] = noon.Add(-29 * time.Second).Unix()
	a.token.claims["iat"] = noon.Add(-time.Minute).Unix()
	if s := send(t, i.verifier(WithLeeway(30*time.Second)), a.request()); !s.reached {
		t.Fatalf("%d %v", s.status, s.body)
	}
	i.clock.add(time.Second)
	send(t, i.verifier(WithLeeway(30*time.Second)), a.request()).
		must(t, want{status: 401, scheme: "Bearer", code: "invalid_token", description: "token_expired: the token expired"})
}
