package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
)

func TestReadSettings(t *testing.T) {
	s, err := conformance.ReadSettings(strings.NewReader(`
target: https://auth.example
client: {id: one, secret_env: SECRET}
resource: https://mcp.example/notes
scopes: [notes:read]
idp: {listen: 127.0.0.1:9500}
rate: 5
timeout: 3s
`))
	if err != nil || s.Target != "https://auth.example" || s.Client.SecretEnv != "SECRET" || s.Rate != 5 || s.Timeout != 3*time.Second || s.Profile != conformance.IDJAG || s.IdP.Algorithm != "ES256" {
		t.Errorf("%+v, %v", s, err)
	}
	for name, text := range map[string]string{
		"an unknown key":     "targets: https://auth.example",
		"an unknown key in":  "client: {identifier: one}",
		"a secret in it":     "client: {secret: hidden}",
		"two documents":      "target: a\n---\ntarget: b",
		"no document":        "[",
		"a key that appears": "target: a\ntarget: b",
	} {
		if _, err := conformance.ReadSettings(strings.NewReader(text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	if _, err := conformance.ReadSettings(strings.NewReader("targets: x")); err == nil || err.Error() != `settings: line 1: unknown field "targets"` {
		t.Errorf("a key that is misspelt: %v", err)
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	if err := settings("https://auth.example").Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*conformance.Settings){
		"no target":                 func(s *conformance.Settings) { s.Target = "" },
		"a target that is no URL":   func(s *conformance.Settings) { s.Target = "auth.example" },
		"plain http":                func(s *conformance.Settings) { s.Target = "http://auth.example" },
		"another scheme":            func(s *conformance.Settings) { s.Target = "ftp://auth.example" },
		"a query":                   func(s *conformance.Settings) { s.Target = "https://auth.example?x=1" },
		"a fragment":                func(s *conformance.Settings) { s.Target = "https://auth.example#x" },
		"credentials in the target": func(s *conformance.Settings) { s.Target = "https://a:b@auth.example" },
		"another profile":           func(s *conformance.Settings) { s.Profile = "saml2-bearer" },
		"no subject":                func(s *conformance.Settings) { s.Subject = "" },
		"no rate":                   func(s *conformance.Settings) { s.Rate = 0 },
		"a rate beyond reason":      func(s *conformance.Settings) { s.Rate = 1e6 },
		"no timeout":                func(s *conformance.Settings) { s.Timeout = 0 },
		"another algorithm":         func(s *conformance.Settings) { s.IdP.Algorithm = "HS256" },
		"no client":                 func(s *conformance.Settings) { s.Client.ID = "" },
		"no secret":                 func(s *conformance.Settings) { s.Client.Secret = secret.Text{} },
		"no key":                    func(s *conformance.Settings) { s.Client.Auth = conformance.PrivateKeyJWT },
		"another way in":            func(s *conformance.Settings) { s.Client.Auth = "none" },
		"the same client twice":     func(s *conformance.Settings) { s.OtherClient.ID = s.Client.ID },
		"a second without a secret": func(s *conformance.Settings) { s.OtherClient.Secret = secret.Text{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := settings("https://auth.example")
			change(&s)
			if err := s.Validate(); err == nil {
				t.Error("it is accepted")
			}
		})
	}
	for name, target := range map[string]string{"loopback": "http://127.0.0.1:8080", "localhost": "http://localhost:8080", "v6": "http://[::1]:8080"} {
		if err := settings(target).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := settings("http://auth.example")
	s.AllowPlainHTTP = true
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func keyFile(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is entered by hand must still be true in the next run.
func TestSetup(t *testing.T) {
	for _, form := range conformance.Setups() {
		for name, c := range map[string]struct {
			idp  conformance.IdP
			want string // "" where it is refused
		}{
			"a fixed address":   {conformance.IdP{Listen: "127.0.0.1:19555", Algorithm: "ES256"}, "http://127.0.0.1:19555"},
			"a URL":             {conformance.IdP{Listen: "127.0.0.1:0", URL: "https://suite.example", Algorithm: "ES256"}, "https://suite.example"},
			"keys by hand":      {conformance.IdP{Listen: conformance.Nothing, URL: "https://suite.example", Algorithm: "ES256", KeyFile: keyFile(t)}, `"kty":"EC"`},
			"a free port":       {conformance.IdP{Listen: "127.0.0.1:0", Algorithm: "ES256"}, ""},
			"fresh keys":        {conformance.IdP{Listen: conformance.Nothing, URL: "https://suite.example", Algorithm: "ES256"}, ""},
			"no issuer":         {conformance.IdP{Listen: conformance.Nothing, Algorithm: "ES256", KeyFile: keyFile(t)}, ""},
			"another algorithm": {conformance.IdP{Listen: conformance.Nothing, URL: "https://suite.example", Algorithm: "RS256", KeyFile: keyFile(t)}, ""},
		} {
			var b bytes.Buffer
			s := settings("https://auth.example")
			s.IdP = c.idp
			err := conformance.WriteSetup(t.Context(), &b, form, s, time.Now)
			said := strings.ReplaceAll(b.String(), `\"`, `"`)
			if (err == nil) != (c.want != "") || !strings.Contains(said, c.want) {
				t.Errorf("%s, %s: %v: %s", form, name, err, said)
			}
			if form == "keycloak" && err == nil && !json.Valid(b.Bytes()) {
				t.Errorf("%s: no JSON: %s", name, b.String())
			}
		}
	}
	if err := conformance.WriteSetup(t.Context(), &bytes.Buffer{}, "okta", settings("https://auth.example"), time.Now); err == nil {
		t.Error("an unknown form is written")
	}
}
