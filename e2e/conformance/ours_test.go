package conformance

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Our own server passes every case, set up with nothing but what --print-setup says.
func TestOurs(t *testing.T) {
	for _, profile := range []conformance.Profile{conformance.IDJAG, conformance.JWTBearer} {
		t.Run(string(profile), func(t *testing.T) {
			harness.Each(t, func(t *testing.T, e harness.Engine) {
				w := harness.Start(t, harness.Options{Engine: e})
				passesEverything(t, w, profile)
			})
		})
	}
}

// Where proofs need a nonce of the server, the suite takes it and says the same.
func TestOursWithNonces(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite, Config: map[string]any{"dpop.nonce": "required"}})
	passesEverything(t, w, conformance.IDJAG)
}

// A client that authenticates by private_key_jwt is asked for the same.
func TestOursWithPrivateKeyJWT(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite})
	key, err := idptest.NewKey("client-1", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(key.JWK())
	if err != nil {
		t.Fatal(err)
	}
	arguments := setUp(t, w, conformance.IDJAG)
	w.Apply(w.Server(), strings.Replace(clientWithKey, "{{key}}", string(jwk), 1))
	file := write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	passes(t, w, append(arguments, "--client-auth", "private_key_jwt", "--client-key-file", file, "--client-key-id", "client-1",
		"--other-client-secret-file", write(t, "other", w.NewSecret("", "conformance-other"))))
}

const clientWithKey = `
apiVersion: chancery/v1
kind: Client
metadata: {name: conformance}
spec:
  auth: {method: private_key_jwt, jwks: {keys: [{{key}}]}}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["conformance:read", "conformance:write"]
  resources: [conformance]
`

// setUp applies what --print-setup says, and returns the arguments of a run.
func setUp(t *testing.T, w *harness.World, profile conformance.Profile) []string {
	t.Helper()
	arguments := []string{
		"conformance", "--target", w.Issuer, "--profile", string(profile), "--client-id", "conformance", "--other-client-id", "conformance-other",
		"--resource", resource, "--scope", "conformance:read,conformance:write", "--idp-listen", fmt.Sprintf("127.0.0.1:%d", harness.Port(t)),
	}
	setup := w.Run(append(slices.Clone(arguments), "--print-setup", "chancery")...)
	if setup.Status != 0 {
		t.Fatal(setup)
	}
	w.Apply(w.Server(), setup.Stdout)
	return arguments
}

func passesEverything(t *testing.T, w *harness.World, profile conformance.Profile) {
	t.Helper()
	arguments := setUp(t, w, profile)
	passes(t, w, append(arguments,
		"--client-secret-file", write(t, "secret", w.NewSecret("", "conformance")),
		"--other-client-secret-file", write(t, "other", w.NewSecret("", "conformance-other"))))
}

func passes(t *testing.T, w *harness.World, arguments []string) {
	t.Helper()
	junit := filepath.Join(t.TempDir(), "report.xml")
	out := w.Run(append(arguments, "--rate", "500", "--output", "json", "--junit", junit)...)
	if strings.Contains(out.Stdout, "eyJ") {
		t.Error("the report has a token in it")
	}
	report := read(t, out.Stdout)
	if out.Status != 0 || !report.AllPassed() || report.Counts.Executed < fewest || report.Counts.NotApplicable > 0 || report.Counts.Noted > 0 {
		t.Errorf("exit %d, %+v, %s", out.Status, report.Counts, out.Stderr)
	}
	for _, r := range append(report.Controls, report.Results...) {
		if r.Outcome != conformance.Passed {
			t.Errorf("%s (%s): %s %s: sent %s; expected %s; got %s", r.ID, r.Section, r.Outcome, r.Fault, r.Sent, r.Expected, r.Got)
		}
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	text, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &suite); err != nil || suite.Tests != len(report.Results)+len(report.Controls) || suite.Failures != 0 {
		t.Errorf("JUnit has %+v, %v", suite, err)
	}
	if log := w.Server().Log(); strings.Contains(log, `"msg":"panic"`) {
		t.Error("the server panicked")
	}
}
