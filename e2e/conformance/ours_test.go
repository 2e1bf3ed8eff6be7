package conformance

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
	"github.com/chancery-dev/chancery/e2e/harness"
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

func passesEverything(t *testing.T, w *harness.World, profile conformance.Profile) {
	t.Helper()
	arguments := []string{
		"conformance", "--target", w.Issuer, "--profile", string(profile), "--client-id", "conformance", "--other-client-id", "conformance-other",
		"--resource", resource, "--scope", "conformance:read,conformance:write", "--idp-listen", fmt.Sprintf("127.0.0.1:%d", harness.Port(t)),
	}
	setup := w.Run(append(arguments, "--print-setup", "chancery")...)
	if setup.Status != 0 {
		t.Fatal(setup)
	}
	w.Apply(w.Server(), setup.Stdout)
	junit := filepath.Join(t.TempDir(), "report.xml")
	out := w.Run(append(arguments,
		"--client-secret-file", write(t, "secret", w.NewSecret("", "conformance")),
		"--other-client-secret-file", write(t, "other", w.NewSecret("", "conformance-other")),
		"--rate", "500", "--output", "json", "--junit", junit)...)
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
