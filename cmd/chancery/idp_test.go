package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// said is a stderr that tells when something was said.
type said struct {
	bytes.Buffer
	first chan struct{}
}

func (s *said) Write(p []byte) (int, error) {
	if s.Len() == 0 {
		close(s.first)
	}
	return s.Buffer.Write(p)
}

func idpFile(s shell, issuer string) string {
	return s.file("okta.yaml", "apiVersion: chancery/v1\nkind: IdentityProvider\nmetadata: {name: okta}\nspec: {issuer: \""+issuer+
		"\", network: {allow_private_addresses: true}, assertions: {profiles: [id-jag], algorithms: [ES256]}}\n")
}

// Who interrupts a capture leaves nothing armed.
func TestCaptureInterrupted(t *testing.T) {
	s := serving(t)
	idp := idptest.Start(t, idptest.Options{})
	s.run(exitDone, "apply", "-f", idpFile(s, idp.Issuer()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &said{first: make(chan struct{})}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"idp", "capture", "okta"}, strings.NewReader(""), &bytes.Buffer{}, stderr, s.environ)
	}()
	select {
	case <-stderr.first:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not wait")
	}
	cancel()
	if status := <-done; status != exitFailed {
		t.Errorf("exit status %d", status)
	}
	has(t, stderr.String(), "waiting until", "interrupted")
	has(t, s.run(exitDone, "audit", "query", "--type", "capture.armed,capture.ended").stdout, "capture.armed", "capture.ended")
}

func TestIdPCommandsRefuse(t *testing.T) {
	s := serving(t)
	idp := idptest.Start(t, idptest.Options{})
	file := idpFile(s, idp.Issuer())
	s.run(exitDone, "apply", "-f", file)
	for name, args := range map[string][]string{
		"nothing to test":        {"idp", "test"},
		"two things to test":     {"idp", "test", "okta", "--file", file},
		"one input for two":      {"idp", "test", "--file", "-", "--assertion", "-"},
		"a wait too long":        {"idp", "capture", "okta", "--for", "2h"},
		"a capture of nobody":    {"idp", "capture", "nobody"},
		"a file that is not":     {"idp", "inspect", "/nowhere"},
		"an issuer with a slash": {"idp", "inspect", file, "--issuer", "https://auth.acme.com/"},
		"a bundle of nothing":    {"idp", "bundle", "create", "--out", "x"},
		"a bundle of two":        {"idp", "bundle", "create", "--from", "https://a", "--idp", "okta", "--out", "x"},
		"an import into nothing": {"idp", "bundle", "import", file},
		"no bundle":              {"idp", "bundle", "import", file, "--idp", "okta"},
	} {
		t.Run(name, func(t *testing.T) { s.run(exitFailed, args...) })
	}
}

// The records are the same in every form.
func TestIdPTestAsJSON(t *testing.T) {
	s := serving(t)
	idp := idptest.Start(t, idptest.Options{})
	s.run(exitDone, "apply", "-f", idpFile(s, idp.Issuer()))
	var report struct {
		Passed bool
		Checks []struct{ Check, Status string }
	}
	if err := json.Unmarshal([]byte(s.run(exitDone, "idp", "test", "okta", "-o", "json").stdout), &report); err != nil || !report.Passed || len(report.Checks) != 12 {
		t.Errorf("%+v %v", report, err)
	}
	has(t, s.run(exitDone, "idp", "test", "okta", "-o", "yaml").stdout, "passed: true", "check: clock")
	idp.Fail(idptest.PathKeys, idptest.FaultDown)
	has(t, s.run(exitDiffers, "idp", "test", "okta", "-o", "json").stdout, `"code": "keys_failed"`, `"passed": false`)
	if events := s.run(exitDone, "audit", "query", "--type", "idp.tested", "-o", "json").stdout; strings.Count(events, `"idp.tested"`) != 3 || !strings.Contains(events, idp.Issuer()) {
		t.Errorf("three tests, and the audit log has\n%s", events)
	}
}
