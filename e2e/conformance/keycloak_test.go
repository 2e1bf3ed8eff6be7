package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
	"github.com/chancery-dev/chancery/e2e/harness"
)

// The suite runs against a server that others wrote. What is asserted is that it ran
// and found its way; what it found is Keycloak's to change, and in docs/conformance.md
// as it was seen.
func TestKeycloak(t *testing.T) {
	for _, mode := range []struct {
		name, features string
		profiles       []conformance.Profile
	}{
		{"as it comes", "", []conformance.Profile{conformance.JWTBearer}},
		{"with its experimental feature", "identity-assertion-jwt", []conformance.Profile{conformance.IDJAG}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			listen, secret := fmt.Sprintf("127.0.0.1:%d", harness.Port(t)), rand.Text()
			keycloak := harness.StartKeycloak(t, "testdata/target-realm.json", mode.features,
				"CONFORMANCE_IDP=http://"+listen, "CONFORMANCE_SECRET="+secret, "CONFORMANCE_RESOURCE="+resource)
			for _, profile := range mode.profiles {
				asked := ask(t, keycloak, profile, listen, write(t, "secret", secret))
				t.Logf("Keycloak %s, %s, profile %s: %s", keycloak.Version, mode.name, profile, &asked)
				judge(t, asked)
			}
		})
	}
}

// ask runs the command, which ends with 2 where not everything passed.
func ask(t *testing.T, keycloak *harness.Keycloak, profile conformance.Profile, listen, secretFile string) conformance.Report {
	t.Helper()
	junit := filepath.Join(t.TempDir(), "report.xml")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, harness.Binary(t), "conformance", "--target", keycloak.URL+"/realms/target", "--profile", string(profile),
		"--client-id", "conformance", "--client-secret-file", secretFile, "--other-client-id", "conformance-other", "--other-client-secret-file", secretFile,
		"--resource", resource, "--scope", "notes:read,notes:write", "--idp-listen", listen, "--rate", "100", "--output", "json", "--junit", junit)
	command.Stdout, command.Stderr = &stdout, &stderr
	_ = command.Run() // the status is judged
	if status := command.ProcessState.ExitCode(); status != 0 && status != 2 {
		t.Fatalf("exit %d: %s", status, stderr.String())
	}
	if written, err := os.Stat(junit); err != nil || written.Size() == 0 {
		t.Errorf("no JUnit report: %v", err)
	}
	return read(t, stdout.String())
}

// judge asserts what does not depend on Keycloak's version: that valid assertions were
// accepted, that forged ones were not, and that enough was asked.
func judge(t *testing.T, report conformance.Report) {
	t.Helper()
	if !report.Proved || report.Counts.Executed < fewest || report.Counts.Undecided > 0 {
		t.Errorf("proved %t, %+v", report.Proved, report.Counts)
	}
	for _, id := range []string{"assertion.signed_by_a_stranger", "assertion.alg_none_unsigned", "assertion.expired", "assertion.aud_other", "assertion.iss_unknown", "metadata.issuer"} {
		i := slices.IndexFunc(report.Results, func(r conformance.Result) bool { return r.ID == id })
		if i < 0 || report.Results[i].Outcome != conformance.Passed {
			t.Errorf("%s is not passed", id)
		}
	}
	if len(report.Results) > 0 && report.Results[0].Section == "" {
		t.Error("a result without its section")
	}
	for _, r := range report.Results {
		if r.Outcome == conformance.Failed {
			t.Logf("%s (%s, %s): %s: %s", r.ID, r.Section, r.Severity, r.Fault, r.Got)
		}
	}
}
