package provider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/vault/provider"
)

const valid = `
name: inhouse
kind: oauth2
authorization_url: https://{instance}.acme.example.com/authorize
token_url: https://{instance}.acme.example.com/token
connection_config:
  instance: {pattern: "[a-z0-9-]+"}
authorization_params: {audience: api}
refresh: {rotation: reuse_window, reuse_window: 30s}
expiry: {source: expires_in, default: 1h}
errors: {in_200: {path: ok, equals: "false"}, terminal: [gone]}
revoke: {url: "https://{instance}.acme.example.com/revoke", format: form}
downscope: {method: token_exchange}
probe: {url: "https://{instance}.acme.example.com/me", id: user.id, label: [user.name]}
`

func TestDecodeRefuses(t *testing.T) {
	c := catalogue(t)
	if _, err := c.Decode([]byte(valid)); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ from, to, says string }{
		"an unknown key":                 {"token_url:", "token_uri:", `"token_uri" is not known; did you mean "token_url"?`},
		"an unknown key below":           {"rotation: reuse_window,", "rotatoin: reuse_window,", `"refresh.rotatoin" is not known; did you mean "rotation"?`},
		"an unknown key in a map":        {"{pattern:", "{patern:", `did you mean "pattern"?`},
		"a key of another case":          {"kind:", "Kind:", `did you mean "kind"?`},
		"a key twice":                    {"kind: oauth2", "kind: oauth2\nkind: oauth2", "twice"},
		"a key twice below":              {"{audience: api}", "{audience: api, audience: b}", "twice"},
		"an alias":                       {"{audience: api}", "&a {audience: api}", "anchors"},
		"a tag":                          {"name: inhouse", "name: !!str inhouse", "tags"},
		"a second document":              {"kind: oauth2", "kind: oauth2\n---\nname: x", "more than one document"},
		"not a mapping":                  {valid, "[a]", "not a mapping"},
		"nothing":                        {valid, "", "cannot be used"},
		"a kind":                         {"kind: oauth2", "kind: oauth1", "none of"},
		"no kind":                        {"kind: oauth2\n", "", "none of"},
		"a rotation":                     {"rotation: reuse_window", "rotation: sometimes", "none of"},
		"no window":                      {", reuse_window: 30s", "", "needs refresh.reuse_window"},
		"a window without use":           {"rotation: reuse_window", "rotation: none", "needs refresh.rotation"},
		"a window of less than nothing":  {"reuse_window: 30s", "reuse_window: -30s", "no duration"},
		"an expiry":                      {"source: expires_in", "source: never", "none of"},
		"an end and none":                {"source: expires_in", "source: none", "no expiry.default"},
		"a path":                         {"id: user.id", "id: user..id", "no path"},
		"plain http":                     {"token_url: https:", "token_url: http:", "https"},
		"another scheme":                 {"token_url: https:", "token_url: file:", "https"},
		"a user in an address":           {"https://{instance}.acme.example.com/token", "https://u:p@acme.example.com/token", "user"},
		"a fragment":                     {"acme.example.com/token", "acme.example.com/token#x", "fragment"},
		"no host":                        {"https://{instance}.acme.example.com/token", "https:///token", "absolute"},
		"a host of the value alone":      {"https://{instance}.acme.example.com/token", "https://{instance}/token", "stands first"},
		"a value before a top level":     {"https://{instance}.acme.example.com/token", "https://{instance}.com/token", "two labels"},
		"a value glued to a domain":      {"https://{instance}.acme.example.com/token", "https://{instance}acme.example.com/token", "stands first"},
		"a value behind the domain":      {"https://{instance}.acme.example.com/token", "https://acme.{instance}/token", "stands first"},
		"a value as port":                {"https://{instance}.acme.example.com/token", "https://acme.example.com:{instance}/token", "absolute"},
		"a value in the query":           {"acme.example.com/token", "acme.example.com/token?a={instance}", "query"},
		"a value of nobody":              {"{instance}.acme.example.com/token", "{tenant}.acme.example.com/token", "not in connection_config"},
		"a token where it has no place":  {"acme.example.com/token", "acme.example.com/{token}", "not in connection_config"},
		"no pattern":                     {`{pattern: "[a-z0-9-]+"}`, "{title: x}", "pattern"},
		"no regular expression":          {"[a-z0-9-]+", "[a-z", "pattern"},
		"a state of its own":             {"{audience: api}", "{state: x}", "set by the flow"},
		"a redirect of its own":          {"{audience: api}", "{Redirect_URI: x}", "set by the flow"},
		"a challenge of its own":         {"{audience: api}", "{code_challenge: x}", "set by the flow"},
		"a header that is ours":          {"kind: oauth2", "kind: oauth2\nheaders: {authorization: x}", "headers"},
		"a header of two lines":          {"kind: oauth2", "kind: oauth2\nheaders: {X-A: \"a\\nX-B: b\"}", "headers"},
		"no token_url":                   {"token_url: https://{instance}.acme.example.com/token\n", "", "needs"},
		"narrowing that uses a token up": {"{method: token_exchange}", "{method: refresh}", "rotation none"},
		"narrowing by wishing":           {"{method: token_exchange}", "{method: hope}", "downscope"},
		"a probe of nothing":             {"id: user.id, ", "", "probe"},
		"a revocation of nothing":        {`url: "https://{instance}.acme.example.com/revoke", `, "", "revoke"},
		"a refresh token that is kept":   {"kind: oauth2", "kind: oauth2\ntokens: {keep: {rt: refresh_token}}", "holds a token"},
		"an ID token that is kept":       {"kind: oauth2", "kind: oauth2\ntokens: {keep: {it: id_token}}", "holds a token"},
		"a refresh token as scope":       {"kind: oauth2", "kind: oauth2\ntokens: {paths: {scope: refresh_token}}", "holds a token"},
		"a nested token that is kept":    {"kind: oauth2", "kind: oauth2\ntokens: {paths: {access_token: u.a, refresh_token: u.r}, keep: {rt: u.r}}", "holds a token"},
		"a refresh token that is shown":  {"kind: oauth2", "kind: oauth2\ntokens: {paths: {access_token: refresh_token}}", "not what is presented"},
		"one place for both tokens":      {"kind: oauth2", "kind: oauth2\ntokens: {paths: {access_token: t, refresh_token: t}}", "not what is presented"},
		"a name":                         {"name: inhouse", "name: In_House", "name"},
		"a base that is not there":       {"kind: oauth2", "kind: oauth2\nextends: nobody", "there is no"},
		"a day":                          {"kind: oauth2", "kind: oauth2\nreviewed: yesterday", "reviewed"},
		"a list for a word":              {"name: inhouse", "name: [inhouse]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(valid, test.from, test.to, 1)
			if text == valid {
				t.Fatal("nothing was changed")
			}
			_, err := c.Decode([]byte(text))
			if !errors.Is(err, provider.ErrManifest) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
		})
	}
}

func TestDecodeIsBounded(t *testing.T) {
	c := catalogue(t)
	for name, text := range map[string]string{
		"long":   valid + "documentation: [" + strings.Repeat("a", 70<<10) + "]",
		"many":   valid + "documentation: [" + strings.Repeat("a,", 5000) + "]",
		"laughs": "a: &a [x,x]\nb: &b [*a,*a]\nname: x",
	} {
		if _, err := c.Decode([]byte(text)); !errors.Is(err, provider.ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Values that a company gives stay where they stand.
func TestValuesStayInTheirHost(t *testing.T) {
	m, err := catalogue(t).Decode([]byte(strings.Replace(valid, "[a-z0-9-]+", `.*`, 1))) // the pattern is no help
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{
		"", "evil.example/", "evil.example#", "evil.example?", "evil.example:443", "u@evil", "a/../b", "evil.example\\", "%2e", "a..b", ".a", "a.", "-a", "A", "ü", "a\nb", strings.Repeat("a", 300),
	} {
		s := settings(func(s *provider.Settings) { s.Config = map[string]string{"instance": value} })
		if _, err := provider.New(m, s); err == nil {
			t.Errorf("%q was taken", value)
		}
	}
	p, err := provider.New(m, settings(func(s *provider.Settings) { s.Config = map[string]string{"instance": "eu.dev-1"} }))
	if err != nil {
		t.Fatal(err)
	}
	if address, _, err := p.Authorize(provider.Ask{}); err != nil || !strings.HasPrefix(address, "https://eu.dev-1.acme.example.com/authorize?") {
		t.Errorf("%s %v", address, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*provider.Settings){
		"no client":       func(s *provider.Settings) { s.ClientID = "" },
		"no secret":       func(s *provider.Settings) { s.ClientSecret = provider.Secret{} },
		"an empty secret": func(s *provider.Settings) { s.ClientSecret = provider.NewSecret("") },
		"no redirect":     func(s *provider.Settings) { s.RedirectURL = "" },
		"no transport":    func(s *provider.Settings) { s.Transport = nil },
		"no clock":        func(s *provider.Settings) { s.Now = nil },
		"another value":   func(s *provider.Settings) { s.Config = map[string]string{"domain": "login.evil"} },
		"a value of none": func(s *provider.Settings) { s.Config = map[string]string{"instance": "acme"} },
		"a broken key":    func(s *provider.Settings) { s.PrivateKey = provider.NewSecret("canary-key") },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provider.New(manifest(t, "salesforce"), settings(change))
			if !errors.Is(err, provider.ErrManifest) {
				t.Fatalf("got %v", err)
			}
			checkQuiet(t, err)
		})
	}
	if _, err := provider.New(provider.Manifest{}, settings()); err == nil {
		t.Error("an empty manifest was taken")
	}
	m := manifest(t, "oauth2")
	m.TokenRequestAuthMethod, m.DisablePKCE = provider.AuthNone, true
	if _, err := provider.New(m, settings()); err == nil {
		t.Error("a client without secret and PKCE was taken")
	}
}

func TestCatalogueIsOverridden(t *testing.T) {
	own := []byte("name: github\nextends: github-app\nauthorization_url: https://github.acme.example.com/login/oauth/authorize\n")
	c, err := provider.NewCatalogue(own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Manifest("github"); err == nil { // github-app stands on github
		t.Error("a circle was read")
	}
	c, err = provider.NewCatalogue([]byte(strings.Replace(string(own), "name: github", "name: ghe", 1)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Manifest("ghe")
	if err != nil || m.Name != "ghe" || m.Refresh.Rotation != provider.SingleUse || !strings.HasPrefix(m.AuthorizationURL, "https://github.acme.") || m.TokenURL == "" {
		t.Errorf("%+v %v", m, err)
	}
	if _, err := c.Manifest("githup"); err == nil || !strings.Contains(err.Error(), `did you mean "github"?`) {
		t.Errorf("got %v", err)
	}
}

func TestGenericManifestsNeedAddresses(t *testing.T) {
	for _, name := range []string{"oauth2", "client-credentials", "jwt-bearer", "token-exchange"} {
		if _, err := catalogue(t).Manifest(name); !errors.Is(err, provider.ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What nobody states is the careful one.
func TestSilenceIsCareful(t *testing.T) {
	m, err := catalogue(t).Decode([]byte("name: x\nkind: oauth2\nauthorization_url: https://a.example.com/a\ntoken_url: https://a.example.com/t\n"))
	if err != nil || m.Refresh.Rotation != provider.SingleUse || m.DisablePKCE || m.Downscope != nil || m.Revoke != nil {
		t.Errorf("%+v %v", m, err)
	}
}

// Everything that comes with the product says where it is from and when that was compared, and what was not.
func TestManifestsSayWhereTheyAreFrom(t *testing.T) {
	for name := range walks {
		m := manifest(t, name)
		text, err := os.ReadFile(filepath.Join("manifests", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if m.Reviewed == "" || len(m.Documentation) == 0 || name != "oauth2" && !bytes.Contains(text, []byte("# Not verified:")) {
			t.Errorf("%s says too little about itself", name)
		}
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(provider.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("manifest", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("manifest")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func judged(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(document)
}

func TestSchemaTakesWhatWeTake(t *testing.T) {
	s := compiled(t)
	files, err := filepath.Glob("manifests/*.yaml")
	if err != nil || len(files) < 17 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// A day is a string to us and a time to this YAML reader.
		text = bytes.ReplaceAll(text, []byte("reviewed: 2026-11-21"), []byte(`reviewed: "2026-11-21"`))
		if err := judged(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := judged(t, s, []byte(valid)); err != nil {
		t.Error(err)
	}
	for _, change := range [][2]string{
		{"token_url:", "token_uri:"},
		{"rotation: reuse_window,", "rotatoin: reuse_window,"},
		{"kind: oauth2", "kind: oauth1"},
		{"kind: oauth2\n", ""},
		{"token_url: https:", "token_url: http:"},
		{"reuse_window: 30s", "reuse_window: soon"},
		{"id: user.id, ", ""},
	} {
		if err := judged(t, s, []byte(strings.Replace(valid, change[0], change[1], 1))); err == nil {
			t.Errorf("the schema takes %q", change[1])
		}
	}
}

// The published schema has the keys that are decoded, at every level.
func TestSchemaHasOurKeys(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(provider.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "", s, reflect.TypeFor[provider.Manifest]())
}

func sameKeys(t *testing.T, path string, s map[string]any, of reflect.Type) {
	t.Helper()
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() == reflect.Map && of.Elem().Kind() == reflect.Struct {
		below, _ := s["additionalProperties"].(map[string]any)
		sameKeys(t, path+".*", below, of.Elem())
		return
	}
	if of.Kind() != reflect.Struct {
		return
	}
	properties, _ := s["properties"].(map[string]any)
	var fields []string
	for f := range of.Fields() {
		name := f.Tag.Get("yaml")
		fields = append(fields, name)
		below, _ := properties[name].(map[string]any)
		sameKeys(t, path+"."+name, below, f.Type)
	}
	slices.Sort(fields)
	if got := slices.Sorted(maps.Keys(properties)); !slices.Equal(got, fields) || s["additionalProperties"] != false {
		t.Errorf("%s: the schema has %v, the manifest %v", path, got, fields)
	}
}
