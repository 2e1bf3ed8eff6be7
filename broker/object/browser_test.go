package object_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
)

const browserDoc = `apiVersion: chancery/v1
kind: Client
metadata: {name: portal}
spec:
  type: confidential
  auth: {method: client_secret_basic}
  redirect_uris: [https://portal.acme.com/cb]
  post_logout_redirect_uris: [https://portal.acme.com/bye]
  require_pushed_authorization_requests: true
  consent: admin
  grant_types: [authorization_code, refresh_token, "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:saml2-bearer"]
  scopes: ["notes:read"]
  resources: [notes]
`

const cliDoc = `apiVersion: chancery/v1
kind: Client
metadata: {name: cli}
spec:
  type: public
  client_id: https://cli.example.com/client.json
  redirect_uris: [http://127.0.0.1/callback]
  grant_types: [authorization_code, refresh_token]
  scopes: ["notes:read"]
  resources: [notes]
`

func TestRedirectURIs(t *testing.T) {
	for _, uri := range []string{
		"https://a.com/cb", "https://a.com:8443/cb?x=1", "https://a.com", "http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", "http://[::1]/cb",
		"http://localhost/cb", "com.example.app:/cb", "com.example.app://cb", "https://xn--bcher-kva.de/cb",
	} {
		decode(t, mutate(t, cliDoc, "http://127.0.0.1/callback", `"`+uri+`"`))
		decode(t, mutate(t, browserDoc, "https://portal.acme.com/bye", `"`+uri+`"`))
	}
	for uri, text := range map[string]string{
		"/cb":                           "expected an absolute URI",
		"cb":                            "expected an absolute URI",
		"//a.com/cb":                    "expected an absolute URI",
		"https://a.com/cb#f":            "has a fragment",
		"https://a.com/cb#":             "has a fragment",
		"https://*.a.com/cb":            "holds a wildcard",
		"https://a.com/*":               "holds a wildcard",
		"http://a.com/cb":               "expected https, except on loopback",
		"http://127.0.0.1.evil.com/cb":  "expected https, except on loopback",
		"http://10.0.0.1/cb":            "expected https, except on loopback",
		"https://u@a.com/cb":            "expected a host",
		"https://u:p@a.com/cb":          "expected a host",
		"https://a.com@evil.com/cb":     "expected a host",
		"https:///cb":                   "expected a host",
		"https:a.com/cb":                "expected a host",
		"https://a.com:/cb":             "expected a port from 1 to 65535",
		"https://a.com:0/cb":            "expected a port from 1 to 65535",
		"https://a.com:08/cb":           "expected a port from 1 to 65535",
		"https://a.com:65536/cb":        "expected a port from 1 to 65535",
		"https://a%2ecom/cb":            "expected an absolute URI",
		`https://a.com\\@evil.com/cb`:   "expected the characters of a URI",
		"https://a.com/it's":            "expected the characters of a URI",
		"https://a.com/ cb":             "expected the characters of a URI",
		"https://bücher.de/cb":          "expected the characters of a URI",
		"https://a.com/cb/../x":         "expected a path without dot segments",
		"https://a.com/cb/%2E%2e/x":     "expected a path without dot segments",
		"https://a.com/..;/x":           "expected a path without dot segments",
		"https://a.com/cb?code=1":       "expected a query without parameters of the answer",
		"https://a.com/cb?a=1&st%61te=": "expected a query without parameters of the answer",
		"HTTPS://a.com/cb":              "expected an absolute URI with its scheme in lower case",
		"javascript:alert(1)":           "is no place that an answer could go to",
		"data:text/html,x":              "is no place that an answer could go to",
		"file:///etc/passwd":            "is no place that an answer could go to",
		"cursor://anysphere/cb":         "use a scheme that begins with a domain of its maker in reverse, such as com.example.cursor:/callback",
		"vscode://x/cb":                 "have the program listen on loopback",
		"com.example.app:":              "expected a private-use URI with a place in it",
		"com.example.app://u@h/cb":      "expected a private-use URI with a place in it",
		"urn:ietf:wg:oauth:2.0:oob":     "private-use scheme without a dot",

		"https://a.com/" + strings.Repeat("a", 1024): "is longer than 1024 bytes",
	} {
		for path, from := range map[string]string{"spec.redirect_uris[0]": "https://portal.acme.com/cb", "spec.post_logout_redirect_uris[0]": "https://portal.acme.com/bye"} {
			problems := problemsOf(t, decodeError(t, mutate(t, browserDoc, from, `"`+uri+`"`)))
			if len(problems) != 1 || problems[0].Path != path || !strings.Contains(problems[0].Text, text) {
				t.Errorf("%s: %v", uri, problems)
			}
		}
	}
}

func TestBrowserClientsRefused(t *testing.T) {
	for name, test := range map[string]struct{ doc, from, to, path, text string }{
		"consent":             {browserDoc, "consent: admin", "consent: never", "spec.consent", "unknown value \"never\": expected explicit or admin"},
		"redirect twice":      {browserDoc, "[https://portal.acme.com/cb]", "[https://portal.acme.com/cb, https://portal.acme.com/cb]", "spec.redirect_uris[1]", "listed twice"},
		"public, SAML":        {cliDoc, "refresh_token", `"urn:ietf:params:oauth:grant-type:saml2-bearer"`, "spec.grant_types", "bound to no key"},
		"workload, with code": {workloadClientDoc, `["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, "[authorization_code]", "spec.grant_types[0]", "needs a client that authenticates"},
	} {
		problems := problemsOf(t, decodeError(t, mutate(t, test.doc, test.from, test.to)))
		if len(problems) != 1 || problems[0].Path != test.path || !strings.Contains(problems[0].Text, test.text) {
			t.Errorf("%s: %v", name, problems)
		}
	}
	many := make([]string, 51)
	for i := range many {
		many[i] = "https://a.com/" + strings.Repeat("a", i+1)
	}
	problems := problemsOf(t, decodeError(t, mutate(t, browserDoc, "[https://portal.acme.com/cb]", "["+strings.Join(many, ", ")+"]")))
	if len(problems) != 1 || problems[0].Text != "51 URIs: at most 50" {
		t.Error(problems)
	}
	h := newHouse(t)
	err := h.applyError(t, resourceDoc+"---\n"+mutate(t, cliDoc, "refresh_token", `"urn:ietf:params:oauth:grant-type:jwt-bearer"`), by("ci"))
	if got := problemsOf(t, err); len(got) != 1 || got[0].Code != "unauthorized_client" {
		t.Errorf("a public client presents assertions: %v", got)
	}
}

func TestBrowserClientsWarned(t *testing.T) {
	for name, test := range map[string]struct{ doc, from, to, code, path string }{
		"no redirect":        {cliDoc, "  redirect_uris: [http://127.0.0.1/callback]\n", "", "absent_denies", "spec.redirect_uris"},
		"no code":            {cliDoc, "authorization_code, ", "", "absent_denies", "spec.grant_types"},
		"refresh alone":      {cliDoc, "authorization_code, ", "", "refresh_alone", "spec.grant_types"},
		"approved, loopback": {cliDoc, "type: public", "type: public\n  consent: admin", "consent_unproved", "spec.consent"},
		"approved, scheme":   {mutate(t, cliDoc, "http://127.0.0.1/callback", "com.example.app:/cb"), "type: public", "type: public\n  consent: admin", "consent_unproved", "spec.consent"},
		"no scopes":          {cliDoc, `scopes: ["notes:read"]`, "scopes: []", "absent_denies", "spec.scopes"},
	} {
		o := decode(t, mutate(t, test.doc, test.from, test.to))[0]
		if !hasWarning(o.Warnings(), test.code, test.path) {
			t.Errorf("%s: %v", name, o.Warnings())
		}
	}
	for _, doc := range []string{browserDoc, cliDoc} {
		if w := decode(t, doc)[0].Warnings(); len(w) > 0 {
			t.Error(w)
		}
	}
}

// logo is a small picture in base64.
func logo(t *testing.T) string { return picture(t, 8, 8, nil) }

func picture(t *testing.T, width, height int, encode func(*bytes.Buffer, image.Image) error) string {
	t.Helper()
	var b bytes.Buffer
	if encode == nil {
		encode = func(b *bytes.Buffer, i image.Image) error { return png.Encode(b, i) }
	}
	if err := encode(&b, image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black})); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func tenantDocOf(t *testing.T) string {
	t.Helper()
	return `apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec:
  display_name: Acme
  sessions: {idle: 4h, absolute: 12h}
  passkeys: allowed
  branding: {logo: {data: ` + logo(t) + `}, colour: "#0a66c2"}
  registration:
    dcr: initial_access_token
    dcr_limits: {max_clients: 5, lifetime: 24h, scopes: ["notes:read"], resources: [notes], hosts: [claude.ai, "*.cursor.sh"]}
    cimd: {mode: hosts, hosts: [claude.ai], scopes: ["notes:read"], resources: [notes]}
`
}

func TestTenantsRefused(t *testing.T) {
	doc := tenantDocOf(t)
	cut := base64.StdEncoding.EncodeToString(func() []byte { raw, _ := base64.StdEncoding.DecodeString(logo(t)); return raw[:len(raw)-20] }())
	animated := picture(t, 8, 8, func(b *bytes.Buffer, i image.Image) error { return gif.Encode(b, i, nil) })
	large := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), object.MaxLogoBytes+1))
	for name, test := range map[string]struct{ from, to, path, text string }{
		"idle of a second":  {"idle: 4h", "idle: 1s", "spec.sessions.idle", "expected 5m to 168h"},
		"idle of a month":   {"idle: 4h, absolute: 12h", "idle: 169h, absolute: 200h", "spec.sessions.idle", "out of bounds"},
		"absolute of years": {"absolute: 12h", "absolute: 8760h", "spec.sessions.absolute", "expected 5m to 720h"},
		"idle the longer":   {"idle: 4h", "idle: 13h", "spec.sessions.idle", "13h is longer than absolute (12h)"},
		"no absolute":       {"absolute: 12h", "absolute: 0s", "spec.sessions.absolute", "expected a positive duration"},
		"passkeys":          {"passkeys: allowed", "passkeys: required", "spec.passkeys", "expected off or allowed"},
		"colour":            {"#0a66c2", "blue", "spec.branding.colour", "expected #rrggbb"},
		"colour with more":  {"#0a66c2", "#0a66c2;}", "spec.branding.colour", "expected #rrggbb"},
		"colour of letters": {"#0a66c2", "#0a66cg", "spec.branding.colour", "expected #rrggbb"},
		"logo of SVG":       {logo(t), base64.StdEncoding.EncodeToString([]byte("<svg/>")), "spec.branding.logo.data", "is neither PNG nor JPEG"},
		"logo of GIF":       {logo(t), animated, "spec.branding.logo.data", "is neither PNG nor JPEG"},
		"logo too large":    {logo(t), large, "spec.branding.logo.data", "is larger than 48 KiB"},
		"logo too wide":     {logo(t), picture(t, 1025, 1, nil), "spec.branding.logo.data", "1025×1 pixels: at most 1024×512"},
		"logo damaged":      {logo(t), cut, "spec.branding.logo.data", "is damaged"},
		"logo twice":        {"logo: {", "logo: {file: /logo.png, ", "spec.branding.logo", "names both data and file"},
		"logo by a path":    {"data: " + logo(t), "file: logo.png", "spec.branding.logo.file", "is no absolute path"},
		"dcr":               {"dcr: initial_access_token", "dcr: always", "spec.registration.dcr", "expected off, initial_access_token or open"},
		"clients":           {"max_clients: 5", "max_clients: 10001", "spec.registration.dcr_limits.max_clients", "expected 1 to 10000"},
		"clients below 0":   {"max_clients: 5", "max_clients: -1", "spec.registration.dcr_limits.max_clients", "out of bounds"},
		"lifetime":          {"lifetime: 24h", "lifetime: 1m", "spec.registration.dcr_limits.lifetime", "expected 1h to 8784h"},
		"dcr scope":         {`{max_clients: 5, lifetime: 24h, scopes: ["notes:read"]`, `{scopes: ["a b"]`, "spec.registration.dcr_limits.scopes[0]", "is no scope"},
		"dcr host":          {"hosts: [claude.ai, ", `hosts: ["https://claude.ai", `, "spec.registration.dcr_limits.hosts[0]", "is no lower-case host name"},
		"dcr any host":      {"hosts: [claude.ai, ", `hosts: ["*", `, "spec.registration.dcr_limits.hosts[0]", "is no lower-case host name"},
		"dcr any of com":    {"hosts: [claude.ai, ", `hosts: ["*.com", `, "spec.registration.dcr_limits.hosts[0]", "is no lower-case host name"},
		"mode":              {"mode: hosts", "mode: all", "spec.registration.cimd.mode", "expected off, registered, hosts or open"},
		"host of a port":    {"hosts: [claude.ai], ", `hosts: ["claude.ai:443"], `, "spec.registration.cimd.hosts[0]", "is no lower-case host name"},
	} {
		problems := problemsOf(t, decodeError(t, mutate(t, doc, test.from, test.to)))
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Path, test.path) || !strings.Contains(problems[0].Text, test.text) {
			t.Errorf("%s: %v", name, problems)
		}
	}
	h := newHouse(t)
	err := h.applyError(t, mutate(t, doc, "data: "+logo(t), "file: /etc/shadow"), by("ci"))
	if got := problemsOf(t, err); len(got) != 1 || got[0].Path != "spec.branding.logo.file" || got[0].Code != "file_reference" {
		t.Errorf("a file of the server, over the API: %v", got)
	}
}

func TestTenantsWarned(t *testing.T) {
	doc := tenantDocOf(t)
	for name, test := range map[string]struct{ from, to, code, path string }{
		"open documents":    {"mode: hosts", "mode: open", "registration_open", "spec.registration.cimd.mode"},
		"no hosts":          {"hosts: [claude.ai], ", "", "absent_denies", "spec.registration.cimd.hosts"},
		"open registration": {"initial_access_token", "open", "registration_open", "spec.registration.dcr"},
		"no scopes":         {`lifetime: 24h, scopes: ["notes:read"], `, "", "absent_denies", "spec.registration.dcr_limits.scopes"},
	} {
		o := decode(t, mutate(t, doc, test.from, test.to))[0]
		if !hasWarning(o.Warnings(), test.code, test.path) {
			t.Errorf("%s: %v", name, o.Warnings())
		}
	}
	if w := decode(t, doc)[0].Warnings(); len(w) > 0 {
		t.Error(w)
	}
}

func TestTenantDefaults(t *testing.T) {
	s := (&object.TenantSpec{}).WithDefaults()
	if time.Duration(s.Sessions.Idle) != 8*time.Hour || time.Duration(s.Sessions.Absolute) != 24*time.Hour || s.Passkeys != "off" ||
		s.Registration.DCR != "off" || s.Registration.CIMD.Mode != "registered" || s.Registration.DCRLimits.MaxClients != 100 {
		t.Errorf("%+v", s)
	}
	// A day that ends early ends idle sessions too.
	short := (&object.TenantSpec{Sessions: object.TenantSessions{Absolute: object.Duration(time.Hour)}}).WithDefaults()
	if time.Duration(short.Sessions.Idle) != time.Hour {
		t.Errorf("%+v", short.Sessions)
	}
	lists := slices.Concat(s.Registration.DCRLimits.Scopes, s.Registration.DCRLimits.Resources, s.Registration.CIMD.Hosts)
	if len(lists) > 0 {
		t.Errorf("a default allows something: %v", lists)
	}
}
