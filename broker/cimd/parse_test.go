package cimd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestParse(t *testing.T) {
	d := parse(t, members())
	switch {
	case d.URL().String() != address, d.Name() != "Notes Agent", d.Method() != client.MethodNone, d.ApplicationType() != cimd.ApplicationWeb,
		!slices.Equal(d.RedirectURIs(), []string{"https://app.example.com/callback"}),
		!slices.Equal(d.GrantTypes(), []string{"authorization_code", "refresh_token"}),
		d.Pages() != cimd.Pages{
			Client: "https://app.example.com/", Logo: "https://cdn.example.net/logo.png?v=2",
			Terms: "https://app.example.com/terms", Policy: "https://app.example.com/privacy",
		},
		d.RequireDPoP(), d.RequirePAR(), d.LoopbackOnly():
		t.Errorf("read %+v", d)
	}
	d = parse(t, with(with(confidential(t), "dpop_bound_access_tokens", true), "require_pushed_authorization_requests", true))
	if d.Method() != client.MethodPrivateKeyJWT || !d.RequireDPoP() || !d.RequirePAR() {
		t.Errorf("read %+v", d)
	}
}

// What clients publish today, in their shape.
func TestParseAsPublished(t *testing.T) {
	for name, m := range map[string]map[string]any{
		"the least": {"client_id": address, "redirect_uris": []any{"http://localhost/callback"}},
		"a program on the machine, no application_type": {
			"client_id": address, "client_name": "Code", "client_uri": "https://example.com",
			"redirect_uris": []any{"http://localhost/callback", "http://127.0.0.1/callback"},
			"grant_types":   []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "token_endpoint_auth_method": "none",
		},
		"an editor with a site and loopback": {
			"client_id": address, "client_name": "Editor", "application_type": "native", "token_endpoint_auth_method": "none",
			"redirect_uris": []any{"https://editor.example/redirect", "http://127.0.0.1:33418/", "http://127.0.0.1/"},
			"grant_types":   []any{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}, "response_types": []any{"code"},
		},
		"one for every server": {
			"client_id": address, "redirect_uris": []any{"https://app.example.com/cb"}, "scope": "openid offline_access",
			"grant_types":                           []any{"urn:ietf:params:oauth:grant-type:jwt-bearer", "refresh_token", "authorization_code"},
			"token_endpoint_auth_methods_supported": []any{"none"}, "contacts": []any{"a@example.com"},
		},
	} {
		d := parse(t, m)
		for _, grant := range d.GrantTypes() {
			if grant != cimd.GrantAuthorizationCode && grant != cimd.GrantRefreshToken {
				t.Errorf("%s: gives %s", name, grant)
			}
		}
		wantNative := d.ApplicationType() == cimd.ApplicationNative
		if onMachine := strings.Contains(fmt.Sprint(d.RedirectURIs()), "http://"); onMachine != wantNative {
			t.Errorf("%s: application_type %s", name, d.ApplicationType())
		}
	}
}

// One mutation of a document that is in order, one code.
func TestParseRefuses(t *testing.T) {
	key := func(name string, value any) map[string]any { // a confidential client whose key is changed
		return with(confidential(t), "jwks", map[string]any{"keys": []any{with(publicKey(t, "one"), name, value)}})
	}
	for name, c := range map[string]struct {
		document map[string]any
		want     oauth.Code
	}{
		"client_id absent":          {without(members(), "client_id"), oauth.CodeCIMDClientIDMismatch},
		"client_id empty":           {with(members(), "client_id", ""), oauth.CodeCIMDClientIDMismatch},
		"client_id null":            {with(members(), "client_id", nil), oauth.CodeCIMDClientIDMismatch},
		"client_id a list":          {with(members(), "client_id", []any{address}), oauth.CodeCIMDClientIDMismatch},
		"client_id of another":      {with(members(), "client_id", "https://app.example.com/other.json"), oauth.CodeCIMDClientIDMismatch},
		"client_id, other host":     {with(members(), "client_id", "https://evil.example/oauth/client.json"), oauth.CodeCIMDClientIDMismatch},
		"client_id, slash at end":   {with(members(), "client_id", address+"/"), oauth.CodeCIMDClientIDMismatch},
		"client_id, other case":     {with(members(), "client_id", strings.ToUpper(address)), oauth.CodeCIMDClientIDMismatch},
		"client_id, default port":   {with(members(), "client_id", "https://app.example.com:443/oauth/client.json"), oauth.CodeCIMDClientIDMismatch},
		"client_id, space":          {with(members(), "client_id", address+" "), oauth.CodeCIMDClientIDMismatch},
		"Client_ID":                 {with(members(), "Client_ID", address), oauth.CodeCIMDMalformed},
		"redirect_URIs":             {with(without(members(), "redirect_uris"), "redirect_URIs", []any{"https://a.example/"}), oauth.CodeCIMDMalformed},
		"two names that fold":       {with(with(members(), "x", 1), "X", 1), oauth.CodeCIMDMalformed},
		"client_secret":             {with(members(), "client_secret", "hunter2"), oauth.CodeCIMDSharedSecret},
		"client_secret null":        {with(members(), "client_secret", nil), oauth.CodeCIMDSharedSecret},
		"client_secret_expires_at":  {with(members(), "client_secret_expires_at", 0), oauth.CodeCIMDSharedSecret},
		"Client_Secret":             {with(members(), "Client_Secret", "x"), oauth.CodeCIMDSharedSecret},
		"client_secrets":            {with(members(), "client_secrets", []any{}), oauth.CodeCIMDSharedSecret},
		"name a number":             {with(members(), "client_name", 7), oauth.CodeCIMDMalformed},
		"name null":                 {with(members(), "client_name", nil), oauth.CodeCIMDMalformed},
		"name empty":                {with(members(), "client_name", ""), oauth.CodeCIMDClientName},
		"name of blanks":            {with(members(), "client_name", " \u00a0\t"), oauth.CodeCIMDClientName},
		"name invisible":            {with(members(), "client_name", "\u202e\u200b\u2800\u3164"), oauth.CodeCIMDClientName},
		"name too long":             {with(members(), "client_name", strings.Repeat("ü", 129)), oauth.CodeCIMDClientName},
		"name with NUL":             {with(members(), "client_name", "a\x00b"), oauth.CodeCIMDMalformed},
		"redirects absent":          {without(members(), "redirect_uris"), oauth.CodeCIMDRedirectURIsMissing},
		"redirects empty":           {with(members(), "redirect_uris", []any{}), oauth.CodeCIMDRedirectURIsMissing},
		"redirects null":            {with(members(), "redirect_uris", nil), oauth.CodeCIMDMalformed},
		"redirects a string":        {with(members(), "redirect_uris", "https://app.example.com/"), oauth.CodeCIMDMalformed},
		"a redirect that is none":   {with(members(), "redirect_uris", []any{1}), oauth.CodeCIMDMalformed},
		"a redirect null":           {with(members(), "redirect_uris", []any{"https://a.example/", nil}), oauth.CodeCIMDMalformed},
		"too many redirects":        {with(members(), "redirect_uris", slices.Repeat([]any{"https://a.example/"}, 51)), oauth.CodeCIMDRedirectURIsMissing},
		"second redirect bad":       {with(members(), "redirect_uris", []any{"https://a.example/", "http://a.example/"}), oauth.CodeCIMDRedirectURIRefused},
		"grants a string":           {with(members(), "grant_types", "authorization_code"), oauth.CodeCIMDMalformed},
		"grants null":               {with(members(), "grant_types", nil), oauth.CodeCIMDMalformed},
		"grants empty":              {with(members(), "grant_types", []any{}), oauth.CodeCIMDGrantTypes},
		"jwt-bearer only":           {with(members(), "grant_types", []any{"urn:ietf:params:oauth:grant-type:jwt-bearer"}), oauth.CodeCIMDGrantTypes},
		"client_credentials only":   {with(members(), "grant_types", []any{"client_credentials"}), oauth.CodeCIMDGrantTypes},
		"implicit only":             {with(members(), "grant_types", []any{"implicit"}), oauth.CodeCIMDGrantTypes},
		"refresh without code":      {with(members(), "grant_types", []any{"refresh_token"}), oauth.CodeCIMDGrantTypes},
		"grant in another case":     {with(members(), "grant_types", []any{"Authorization_Code"}), oauth.CodeCIMDGrantTypes},
		"responses empty":           {with(members(), "response_types", []any{}), oauth.CodeCIMDResponseTypes},
		"implicit response":         {with(members(), "response_types", []any{"token"}), oauth.CodeCIMDResponseTypes},
		"hybrid response":           {with(members(), "response_types", []any{"code id_token"}), oauth.CodeCIMDResponseTypes},
		"responses a string":        {with(members(), "response_types", "code"), oauth.CodeCIMDMalformed},
		"method null":               {with(members(), "token_endpoint_auth_method", nil), oauth.CodeCIMDMalformed},
		"method a list":             {with(members(), "token_endpoint_auth_method", []any{"none"}), oauth.CodeCIMDMalformed},
		"method empty":              {with(members(), "token_endpoint_auth_method", ""), oauth.CodeCIMDAuthMethod},
		"client_secret_basic":       {with(members(), "token_endpoint_auth_method", "client_secret_basic"), oauth.CodeCIMDAuthMethod},
		"client_secret_post":        {with(members(), "token_endpoint_auth_method", "client_secret_post"), oauth.CodeCIMDAuthMethod},
		"client_secret_jwt":         {with(members(), "token_endpoint_auth_method", "client_secret_jwt"), oauth.CodeCIMDAuthMethod},
		"tls_client_auth":           {with(members(), "token_endpoint_auth_method", "tls_client_auth"), oauth.CodeCIMDAuthMethod},
		"workload":                  {with(members(), "token_endpoint_auth_method", "workload"), oauth.CodeCIMDAuthMethod},
		"None":                      {with(members(), "token_endpoint_auth_method", "None"), oauth.CodeCIMDAuthMethod},
		"keys without a method":     {without(confidential(t), "token_endpoint_auth_method"), oauth.CodeCIMDAuthMethod},
		"jwks_uri without a method": {with(without(members(), "token_endpoint_auth_method"), "jwks_uri", "https://a.example/k"), oauth.CodeCIMDAuthMethod},
		"alg none":                  {with(confidential(t), "token_endpoint_auth_signing_alg", "none"), oauth.CodeCIMDAuthMethod},
		"alg symmetric":             {with(confidential(t), "token_endpoint_auth_signing_alg", "HS256"), oauth.CodeCIMDAuthMethod},
		"alg a number":              {with(confidential(t), "token_endpoint_auth_signing_alg", 256), oauth.CodeCIMDMalformed},
		"no keys":                   {without(confidential(t), "jwks"), oauth.CodeCIMDKeysMissing},
		"keys in two places":        {with(confidential(t), "jwks_uri", "https://app.example.com/keys"), oauth.CodeCIMDKeysMissing},
		"jwks null":                 {with(confidential(t), "jwks", nil), oauth.CodeCIMDMalformed},
		"jwks a list":               {with(confidential(t), "jwks", []any{publicKey(t, "one")}), oauth.CodeCIMDMalformed},
		"jwks a text":               {with(confidential(t), "jwks", "{}"), oauth.CodeCIMDMalformed},
		"jwks without keys":         {with(confidential(t), "jwks", map[string]any{}), oauth.CodeCIMDKeysUnusable},
		"jwks of none":              {with(confidential(t), "jwks", map[string]any{"keys": []any{}}), oauth.CodeCIMDKeysUnusable},
		"key off the curve":         {key("y", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), oauth.CodeCIMDKeysUnusable},
		"key for encryption":        {key("use", "enc"), oauth.CodeCIMDKeysUnusable},
		"key of a symmetric alg":    {key("alg", "HS256"), oauth.CodeCIMDKeysUnusable},
		"key no object":             {with(confidential(t), "jwks", map[string]any{"keys": []any{"key"}}), oauth.CodeCIMDKeysUnusable},
		"private key":               {key("d", "AAAA"), oauth.CodeCIMDPrivateKey},
		"private key, null":         {key("d", nil), oauth.CodeCIMDPrivateKey},
		"private key, D":            {key("D", "AAAA"), oauth.CodeCIMDPrivateKey},
		"private primes":            {key("p", "AAAA"), oauth.CodeCIMDPrivateKey},
		"private seed":              {key("priv", "AAAA"), oauth.CodeCIMDPrivateKey},
		"symmetric key":             {key("k", "AAAA"), oauth.CodeCIMDPrivateKey},
		"symmetric key type":        {key("kty", "oct"), oauth.CodeCIMDPrivateKey},
		"private key beside a public one": {
			with(confidential(t), "jwks", map[string]any{"keys": []any{publicKey(t, "a"), with(publicKey(t, "b"), "d", "AAAA")}}),
			oauth.CodeCIMDPrivateKey,
		},
		"private key of a public client": {with(members(), "jwks", map[string]any{"keys": []any{with(publicKey(t, "a"), "d", "A")}}), oauth.CodeCIMDPrivateKey},
		"jwks_uri null":                  {with(without(confidential(t), "jwks"), "jwks_uri", nil), oauth.CodeCIMDMalformed},
		"jwks_uri on loopback":           {with(without(confidential(t), "jwks"), "jwks_uri", "https://127.0.0.1/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri by http":               {with(without(confidential(t), "jwks"), "jwks_uri", "http://app.example.com/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri of a cloud's metadata": {with(without(confidential(t), "jwks"), "jwks_uri", "https://169.254.169.254/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri on IPv6":               {with(without(confidential(t), "jwks"), "jwks_uri", "https://[::1]/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri in decimal":            {with(without(confidential(t), "jwks"), "jwks_uri", "https://2130706433/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri on localhost":          {with(without(confidential(t), "jwks"), "jwks_uri", "https://localhost/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri with a port":           {with(without(confidential(t), "jwks"), "jwks_uri", "https://app.example.com:22/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri with a user":           {with(without(confidential(t), "jwks"), "jwks_uri", "https://a@app.example.com/keys"), oauth.CodeCIMDURIRefused},
		"jwks_uri of a file":             {with(without(confidential(t), "jwks"), "jwks_uri", "file:///etc/passwd"), oauth.CodeCIMDURIRefused},
		"jwks_uri of a public client":    {with(members(), "jwks_uri", "https://10.0.0.1/keys"), oauth.CodeCIMDURIRefused},
		"logo a number":                  {with(members(), "logo_uri", 1), oauth.CodeCIMDMalformed},
		"logo of script":                 {with(members(), "logo_uri", "javascript:alert(1)"), oauth.CodeCIMDURIRefused},
		"logo inline":                    {with(members(), "logo_uri", "data:image/svg+xml,<svg>"), oauth.CodeCIMDURIRefused},
		"logo in a private network":      {with(members(), "logo_uri", "https://192.168.0.1/logo.png"), oauth.CodeCIMDURIRefused},
		"logo relative":                  {with(members(), "logo_uri", "/logo.png"), oauth.CodeCIMDURIRefused},
		"logo empty":                     {with(members(), "logo_uri", ""), oauth.CodeCIMDURIRefused},
		"page by http":                   {with(members(), "client_uri", "http://app.example.com/"), oauth.CodeCIMDURIRefused},
		"page with a user":               {with(members(), "client_uri", "https://claude.ai@evil.example/"), oauth.CodeCIMDURIRefused},
		"terms on an intranet":           {with(members(), "tos_uri", "https://intranet/terms"), oauth.CodeCIMDURIRefused},
		"policy with a fragment":         {with(members(), "policy_uri", "https://app.example.com/#p"), oauth.CodeCIMDURIRefused},
		"application_type unknown":       {with(members(), "application_type", "service"), oauth.CodeCIMDApplicationType},
		"application_type null":          {with(members(), "application_type", nil), oauth.CodeCIMDMalformed},
		"web on loopback":                {with(members(), "redirect_uris", []any{"http://localhost/cb"}), oauth.CodeCIMDApplicationType},
		"web with an application":        {with(members(), "redirect_uris", []any{"com.example.app:/cb"}), oauth.CodeCIMDApplicationType},
		"dpop as text":                   {with(members(), "dpop_bound_access_tokens", "true"), oauth.CodeCIMDMalformed},
		"PAR as a number":                {with(members(), "require_pushed_authorization_requests", 1), oauth.CodeCIMDMalformed},
		"too large":                      {with(members(), "padding", strings.Repeat("a", cimd.MaxBytes)), oauth.CodeCIMDTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := cimd.Parse(encode(t, c.document), url(t, address))
			if got := code(t, err); got != c.want {
				t.Errorf("code %q, want %q (%v)", got, c.want, err)
			}
			if d != nil {
				t.Error("a document came with the error")
			}
		})
	}
}

// What is not one plain JSON object at all.
func TestParseRefusesTexts(t *testing.T) {
	whole := string(encode(t, members()))
	for name, text := range map[string]string{
		"nothing": "", "null": "null", "list": "[" + whole + "]", "text": `"` + address + `"`, "HTML": "<!doctype html>",
		"cut":        whole[:len(whole)-1],
		"more after": whole + "{}",
		"byte order": "\ufeff" + whole,
		"not UTF-8":  strings.Replace(whole, "Notes", "Not\xff", 1),
		"twice":      strings.Replace(whole, "{", `{"client_id":"https://evil.example/c",`, 1),
		"comment":    "// hello\n" + whole,
		"too deep":   strings.Replace(whole, "{", `{"deep":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+",", 1),
		"number":     strings.Replace(whole, "{", `{"n":1e999999999,`, 1),
	} {
		if _, err := cimd.Parse([]byte(text), url(t, address)); code(t, err) != oauth.CodeCIMDMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cimd.Parse([]byte(whole), cimd.URL{}); code(t, err) != oauth.CodeCIMDClientIDMismatch {
		t.Errorf("for no URL: %v", err)
	}
	nobody := encode(t, with(members(), "client_id", ""))
	if _, err := cimd.Parse(nobody, cimd.URL{}); code(t, err) != oauth.CodeCIMDClientIDMismatch {
		t.Errorf("nobody's, for no URL: %v", err)
	}
}

// The largest document that is read is exactly 5 KiB.
func TestParseSize(t *testing.T) {
	for extra, want := range map[int]oauth.Code{0: "", 1: oauth.CodeCIMDTooLarge} {
		document := encode(t, members())
		document = append(document, bytes.Repeat([]byte(" "), cimd.MaxBytes-len(document)+extra)...)
		if _, err := cimd.Parse(document, url(t, address)); code(t, err) != want {
			t.Errorf("%d bytes: %v", len(document), err)
		}
	}
}

// T72: what is shown of a name is text that stays where it is put.
func TestNameIsVisible(t *testing.T) {
	for given, want := range map[string]string{
		"Notes":                             "Notes",
		"  Notes \t Agent\r\n":              "Notes Agent",
		"Claude\u202eedualC\u202c":          "ClaudeedualC",
		"\u2066Notes\u2069\u200f":           "Notes",
		"No\u200btes\ufeff\u00ad":           "Notes",
		"\x1b[31mNotes\x07":                 "[31mNotes",
		"Notes\u2028Agent\u2029":            "Notes Agent",
		"Notes\u3164\u2800\uffa0":           "Notes",
		"N\U000e0041otes\ue000\ufff9":       "Notes",
		"<script>alert(1)</script>":         "<script>alert(1)</script>", // the page escapes it
		"Bücher \u65e5\u672c \U0001f4da":    "Bücher \u65e5\u672c \U0001f4da",
		strings.Repeat("ü", 128):            strings.Repeat("ü", 128),
		strings.Repeat("\u200b", 300) + "a": "a",
	} {
		if got := parse(t, with(members(), "client_name", given)).Name(); got != want {
			t.Errorf("%q shows %q, want %q", given, got, want)
		}
	}
}

// What a stranger sent is recorded in part, and as text.
func TestRefusalsAreBounded(t *testing.T) {
	for _, id := range []string{strings.Repeat("a", 4000), strings.Repeat("\u65e5", 1000)} {
		_, err := cimd.Parse(encode(t, with(members(), "client_id", id)), url(t, address))
		if received := oauth.AsError(err).Received; len(received) > 256 || len(received) < 250 || !strings.HasPrefix(id, received) {
			t.Errorf("recorded %q", received)
		}
	}
}

func TestFingerprint(t *testing.T) {
	m := confidential(t)
	m["redirect_uris"] = []any{"https://a.example/1", "https://a.example/2"}
	base := parse(t, m).Fingerprint()
	for name, same := range map[string]map[string]any{
		"order":   with(m, "redirect_uris", []any{"https://a.example/2", "https://a.example/1"}),
		"name":    with(m, "client_name", "Other"),
		"kid":     with(m, "jwks", renamed(t, m)),
		"unknown": with(m, "x", 1),
	} {
		if parse(t, same).Fingerprint() != base {
			t.Errorf("%s changes it", name)
		}
	}
	seen := map[string]string{base: "base"}
	for name, other := range map[string]map[string]any{
		"a redirect more": with(m, "redirect_uris", []any{"https://a.example/1", "https://a.example/2", "https://a.example/3"}),
		"a redirect less": with(m, "redirect_uris", []any{"https://a.example/1"}),
		"another key":     with(m, "jwks", map[string]any{"keys": []any{publicKey(t, "one")}}),
		"keys elsewhere":  with(without(m, "jwks"), "jwks_uri", "https://a.example/keys"),
		"public":          with(without(m, "jwks"), "token_endpoint_auth_method", "none"),
	} {
		f := parse(t, other).Fingerprint()
		if was, taken := seen[f]; taken {
			t.Errorf("%s has the fingerprint of %s", name, was)
		}
		seen[f] = name
	}
}

func renamed(t *testing.T, m map[string]any) map[string]any {
	t.Helper()
	var set map[string][]map[string]any
	raw, err := json.Marshal(m["jwks"])
	if err == nil {
		err = json.Unmarshal(raw, &set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"keys": []any{with(set["keys"][0], "kid", "other")}}
}
